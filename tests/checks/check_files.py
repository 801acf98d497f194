#!/usr/bin/env python3
"""Checks names and text of source files: unique names, no junk-drawer names, an opening comment, nothing left over."""
import re

import source_tree

JUNK = {"utils", "util", "misc", "helpers", "helper", "common"}
# Written in halves, so that this file does not find itself.
LEFTOVERS = [
    (re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b"), "unfinished business; finish it or file it"),
    (re.compile(r"^\s*#\s*if\s+0\b", re.MULTILINE), "code that is switched off; delete it"),
    (re.compile(r"[^\w.]/(work|home|root)/\w"), "a path of somebody's machine"),
]
# Names that tools ask for.
REPEATABLE = {"meson.build", "README.md", ".gitignore", "package.json", "SOURCES.md"}


def check_names(root, paths):
    seen = {}
    for path in paths:
        name = path.relative_to(root).as_posix()
        if path.name in REPEATABLE:
            continue
        if path.name in seen:
            yield f"{name}: the same file name as {seen[path.name]}"
        seen.setdefault(path.name, name)
        if JUNK.intersection(re.split(r"[-_.]", path.name)):
            yield f"{name}: name a file after what it owns"


def check_text(root, path):
    name = path.relative_to(root).as_posix()
    text = source_tree.read(path)
    for pattern, rule in LEFTOVERS:
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start() + 1) + 1
            yield f"{name}:{line}: `{found.group().strip()}`: {rule}"
    if path.suffix in (".c", ".h") and not text.startswith("/*"):
        yield f"{name}: opens without a comment that says what it owns"
    if text and not text.endswith("\n"):
        yield f"{name}: no newline at the end"


def check(root):
    paths = [path for folder in ("src", "include", "tests", "bench", "tools", "models")
             for path in source_tree.files(root / folder, "*.c", "*.h", "*.py", "*.sh", "*.build", "*.S")]
    failures = list(check_names(root, paths))
    for path in paths:
        failures += check_text(root, path)
    return failures, []


if __name__ == "__main__":
    source_tree.run(check)
