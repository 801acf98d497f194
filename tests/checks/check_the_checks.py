#!/usr/bin/env python3
"""Proves that each check can fail: small trees that must pass, and trees with one fault that must be found."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile

import check_eval_set
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


def word(number):
    """Every number its own word of letters."""
    return (word(number // 26 - 1) if number > 25 else "") + "abcdefghijklmnopqrstuvwxyz"[number % 26]


def eval_item(number, **changed):
    """A sound item of the evaluation set: the right ending moves through four of the same length."""
    item = {"group": f"g{number % 10}", "context": f"It was {number}", "endings": [f" {letter}." for letter in "abcd"]}
    return item | {"answer": number % 4} | changed


def eval_set(items=None, lines=(), text=None, prompts=12, readme=""):
    """A sound evaluation set: 240 items in 10 groups; items of these numbers changed, lines added, or another text."""
    changed = items or {}
    made = [check_eval_set.HEADER, *(eval_item(i, **changed.get(i, {})) for i in range(240))]
    asked = [{"name": f"p{i}", "prompt": f"Tell {i}"} for i in range(prompts)]
    rows = "".join(f"| `g{i}` | 24 | |\n" for i in range(10)) + "| all | 240 | |\n"
    return {
        "eval/edgewise-items.jsonl": "".join([*(json.dumps(line) + "\n" for line in made), *lines]),
        "eval/held-out.txt": PROSE if text is None else text,
        "eval/prompts.jsonl": "".join(json.dumps(line) + "\n" for line in asked),
        "eval/README.md": readme or rows,
    }


PROSE = " ".join(map(word, range(10_000)))[:35_000].strip() + "\n"
# The right ending is the one that is longer, or shorter, than the three others.
LONG_RIGHT = {i: {"endings": [" aa." if k == i % 4 else f" {k}." for k in range(4)]} for i in range(240)}
SHORT_RIGHT = {i: {"endings": [" a." if k == i % 4 else f" {k}{k}." for k in range(4)]} for i in range(240)}


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

    (check_eval_set, eval_set(), None),
    (check_eval_set, {}, "eval/edgewise-items.jsonl is not there"),
    (check_eval_set, eval_set(lines=["{\n"]), "is no JSON"),
    (check_eval_set, eval_set({7: {"answer": 4}}), "edgewise-items.jsonl:9: answer 4: must be 0 to 3"),
    (check_eval_set, eval_set({7: {"endings": [" a."]}}), "1 endings: must be 2 to 4"),
    (check_eval_set, eval_set({7: {"endings": [" a.", " b.", " b.", " c."]}}), "two endings are the same"),
    (check_eval_set, eval_set({7: {"endings": [" a.", " b.", " c.", "d."]}}), "exactly one space"),
    (check_eval_set, eval_set({7: {"endings": [" a.", " b.", " c.", " d"]}}), "as a sentence does"),
    (check_eval_set, eval_set({7: {"endings": [" a.", " b.", " c.", " dddddd."]}}), "more than twice as long"),
    (check_eval_set, eval_set({7: {"context": "\u201cIt was"}}), "plain ASCII"),
    (check_eval_set, eval_set({7: {"context": "It was "}}), "neither begin nor end with a space"),
    (check_eval_set, eval_set({7: {"note": "x"}}), "and no more"),
    (check_eval_set, eval_set({7: {"context": "It was 3"}}), "the same as line 5"),
    (check_eval_set, eval_set({i: {"answer": 1} for i in range(60)}), "items with 4 endings: answer 1 in 0.44"),
    (check_eval_set, eval_set(LONG_RIGHT), "all items: the longest ending is right in 1.00, by chance 0.25"),
    (check_eval_set, eval_set(SHORT_RIGHT), "all items: the shortest ending is right in 1.00, by chance 0.25"),
    (check_eval_set, eval_set({i: LONG_RIGHT[i] for i in range(3, 240, 10)}), "group g3: the longest ending is right"),
    (check_eval_set, eval_set({i: {"group": "g1"} for i in range(0, 50, 10)}), "group g0: 19 items: must be at least 20"),
    (check_eval_set, eval_set({0: {"group": "g1"}}), "group g0: 24 items, eval/edgewise-items.jsonl has 23"),
    (check_eval_set, eval_set(readme="| all | 239 |\n"), "must have one row `| all | 240 |`"),
    (check_eval_set, eval_set(text=PROSE[:20_000] + "\n"), "must be 30000 to 40000"),
    (check_eval_set, eval_set(text=PROSE + "\n" + PROSE[:40] + "\n"), "no empty line"),
    (check_eval_set, eval_set(text=PROSE + PROSE[:100].rsplit(" ", 1)[0] + "\n"), "stands there twice"),
    (check_eval_set, eval_set(text=PROSE + "\u201cNo,\u201d said he.\n"), "plain ASCII, a paragraph a line"),
    (check_eval_set, eval_set(prompts=11), "must be 12 different prompts"),

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
