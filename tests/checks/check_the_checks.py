#!/usr/bin/env python3
"""Proves that each check can fail: small trees that must pass, and trees with one fault that must be found."""
import contextlib
import io
import pathlib
import sys
import tempfile

import check_files
import check_headers
import check_includes
import check_links
import check_sizes

TOP = "/* Owns nothing. */\n"
LONG_BODY = "    x++;\n"


def function(n_lines, name="grow"):
    """A function of exactly n_lines lines."""
    return f"int {name}(int x) {{\n" + LONG_BODY * (n_lines - 3) + "    return x;\n}\n"


def header(text):
    return f"#ifndef H\n#define H\n{text}\n#endif\n"


# check, files of the tree, a part of the finding that is expected (None: no failure; "warning: …": a warning)
CASES = [
    (check_includes, {"src/plan/a.c": '#include "base/error.h"\n#include "edgewise/status.h"\n#include <stdio.h>\n'}, None),
    (check_includes, {"src/base/a.c": '#include "plan/ledger.h"\n'}, "base must not include plan"),
    (check_includes, {"src/engine/a.c": '#include "meter/meter.h"\n'}, "engine never sees meters"),
    (check_includes, {"src/engine/a.c": '#include "edgewise/meter.h"\n'}, "engine never sees meters"),
    (check_includes, {"src/meter/a.c": '#include "engine/session.h"\n'}, "meters never see the engine"),
    (check_includes, {"src/meter/a.c": '#include "edgewise/edgewise.h"\n'}, "meters never see the engine"),
    (check_includes, {"src/cli/a.c": '  #  include "kernel/x86/avx2.h"\n'}, "programs never see tensor internals"),
    (check_includes, {"src/report/a.h": '#include "quant/q4.h"\n'}, "programs never see tensor internals"),
    (check_includes, {"src/cli/cmd_info.c": '#include "gguf/gguf_read.h"\n'}, None),
    (check_includes, {"src/base/a.c": '#include "a.h"\n'}, "write the room"),
    (check_includes, {"src/base/a.c": '#include "attic/a.h"\n'}, "`attic` is not a room"),
    (check_includes, {"src/attic/a.c": ""}, "`attic` is not a room"),

    (check_sizes, {"src/base/a.c": TOP + function(60)}, None),
    (check_sizes, {"src/base/a.c": TOP + function(61)}, "warning: src/base/a.c:2: grow: 61 lines"),
    (check_sizes, {"src/base/a.c": TOP + function(120)}, "warning: src/base/a.c:2: grow: 120 lines"),
    (check_sizes, {"src/base/a.c": TOP + function(121)}, "grow: 121 lines, at most 120"),
    (check_sizes, {"src/base/a.c": "/* Owns.\n * Size: unrolled. */\n" + function(61)}, "no warning"),
    (check_sizes, {"src/base/a.c": TOP + function(130).replace("x++;", 'x += "{}}}"[0] + \'}\'; // }}', 1)}, "at most 120"),
    (check_sizes, {"src/base/a.c": TOP + 'extern "C" {\n' + function(130) + "}\n"}, "at most 120"),
    (check_sizes, {"src/base/a.c": TOP + "struct a { int b; };\n" + "\n".join(function(50, f"f{i}") for i in range(5))}, "no warning"),
    (check_sizes, {"src/base/a.c": TOP + "#if A\n" + function(10) + "#else\n" + function(121, "other") + "#endif\n"},
     "other: 121 lines"),
    (check_sizes, {"src/base/a.c": TOP + "int f(int x) {\n#if A\n    if (x) {\n#else\n    while (x) {\n#endif\n    }\n"
                                   "    return 0;\n}\n" + function(121)}, "grow: 121 lines"),
    (check_sizes, {"src/base/a.c": TOP + "int a;\n" * 801}, "warning: src/base/a.c: 802 lines"),
    (check_sizes, {"src/base/a.c": TOP + "int a;\n" * 1500}, "src/base/a.c: 1501 lines, at most 1500"),
    (check_sizes, {"src/base/a.c": TOP + "static const int t[] = {\n" + "    1,\n" * 2000 + "};\n"}, "no warning"),
    (check_sizes, {"tests/unit/a.h": TOP + "int a;\n" * 500}, "at most 500"),

    (check_files, {"src/base/a.c": TOP, "src/plan/b.c": TOP, "src/plan/meson.build": "", "src/meson.build": ""}, None),
    (check_files, {"src/base/a.c": TOP, "src/plan/a.c": TOP}, "the same file name as src/base/a.c"),
    (check_files, {"src/base/string_utils.c": TOP}, "name a file after what it owns"),
    (check_files, {"src/base/a.c": TOP + "/* TO" "DO: more */\n"}, "unfinished business"),
    (check_files, {"src/base/a.c": TOP + "#if" " 0\nint a;\n#endif\n"}, "switched off"),
    (check_files, {"src/base/a.c": "int a;\n"}, "opens without a comment"),
    (check_files, {"src/base/a.c": "/* Owns. */"}, "no newline"),
    (check_files, {"tests/unit/a.c": TOP + 'char *p = "/ho' 'me/ann/model.gguf";\n'}, "somebody's machine"),

    (check_links, {"README.md": "[a](docs/a.md#part) [b](https://x.org/y) `src/none.c`\n", "docs/a.md": ""}, None),
    (check_links, {"README.md": "[a](docs/a.md)\n"}, "README.md: the link to docs/a.md leads nowhere"),
    (check_links, {"README.md": "![a](docs/a.png)\n"}, "warning: README.md: the link to docs/a.png leads nowhere"),
    (check_links, {"src/a.c": "/* See docs/b.md and docs/c.md. */\n", "docs/b.md": ""}, "warning: src/a.c: names docs/c.md"),
    (check_links, {"docs/b.md": "[a](../src/a.c)\n", "docs/README.md": "[b](b.md)\n"}, "docs/b.md: the link to ../src/a.c"),
    (check_links, {"docs/README.md": "empty\n", "docs/a.md": ""}, "does not list a.md"),
    (check_links, {"ARCHITECTURE.md": "`src/cli/cmd_NAME.c` `src/plan/gone.c`\n"}, "src/plan/gone.c is not there"),

    (check_headers, {"include/edgewise/a.h": header("#include <stdint.h>\nint32_t a(void);")}, None),
    (check_headers, {"include/edgewise/a.h": header("uint32_t a(void);")}, "a.h alone as c:"),
    (check_headers, {"include/edgewise/a.h": "enum { ONCE };\n"}, "a.h alone as c:"),
    (check_headers, {"include/edgewise/a.h": header("int a(int class);")}, "a.h alone as c++:"),
    (check_headers, {}, "no public headers"),
]


def output_of(module, root):
    """(exit status, what it printed) of one check over a tree."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if module is check_headers:
            status = module.main(root)
        else:
            failures, warnings = module.check(root)
            print("\n".join([f"warning: {line}" for line in warnings] + failures))
            status = 1 if failures else 0
    return status, printed.getvalue()


def wrong(module, expected, status, printed):
    if expected is None:
        return status != 0
    if expected == "no warning":
        return status != 0 or "warning:" in printed
    return expected not in printed or status != (0 if expected.startswith("warning:") else 1)


def main():
    n_wrong = 0
    for module, files, expected in CASES:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            status, printed = output_of(module, root)
        if status == 77:
            print(f"skipped: {module.__name__}: {printed.strip()}")
        elif wrong(module, expected, status, printed):
            n_wrong += 1
            print(f"failed: {module.__name__}: expected {expected!r}, got status {status}: {printed.strip()}")
    print(f"{len(CASES)} cases, {n_wrong} wrong")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
