#!/usr/bin/env python3
"""Checks the length of files and functions (the table in CONTRIBUTING.md).

Data tables do not count: the lines of initialisers at file level are taken off. A file or function above "needs a
reason" is a warning unless the file's opening comment holds a line starting with `Size:`."""
import re

import source_tree

LIMITS = {".c": (800, 1500), ".h": (300, 500)}  # warns above, fails above
FUNCTION_LIMITS = (60, 120)
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
DIRECTIVE = re.compile(r"\s*#\s*(\w+)")


def blank(match):
    """Keeps the line structure of a comment or literal, and nothing else."""
    text = match.group()
    return "\n" * text.count("\n") + ("0" if text[0] in "\"'" else "")


def code_lines(text):
    """[(line number, code)] without comments, literals and preprocessor lines."""
    lines, continued = [], False
    for number, line in enumerate(TOKEN.sub(blank, text).split("\n"), 1):
        directive = DIRECTIVE.match(line)
        word = directive.group(1) if directive and not continued else None
        lines.append((number, "" if word or continued else line, word))
        continued = (bool(word) or continued) and line.endswith("\\")
    return lines


def kind_of_block(header):
    """What a brace at file level opens, from the text before it."""
    header = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", header, flags=re.DOTALL).strip()
    if re.search(r"\bextern\s+0$", header):  # extern "C"
        return "linkage", None
    outside = re.sub(r"\([^()]*\)", "()", header)
    if "=" in outside:
        return "data", None
    name = re.search(r"(\w+)\s*\(", header)
    if name and header.endswith(")"):
        return "function", name.group(1)
    return "type", None


def blocks(text):
    """Blocks at file level: [(kind, name, first line, last line)]."""
    found, depth, header, first = [], 0, "", None
    opened = (None, None, 0)
    conditionals = []  # [depth at #if, whether this branch is skipped]
    for number, line, word in code_lines(text):
        if word in ("if", "ifdef", "ifndef"):
            conditionals.append([depth, False])
        elif word in ("else", "elif") and conditionals:
            # Inside a block only the first branch counts, so that braces stay in balance; at file level all do.
            conditionals[-1][1] = conditionals[-1][0] > 0
            depth = conditionals[-1][0] if not conditionals[-1][0] else depth
        elif word == "endif" and conditionals:
            conditionals.pop()
        if any(skipped for _, skipped in conditionals):
            continue
        for char in line + "\n":
            if depth == 0 and not header.strip() and not char.isspace() and char not in ";}":
                first = number
            if char == "{":
                if depth == 0:
                    kind, name = kind_of_block(header)
                    if kind == "linkage":
                        header = ""
                        continue
                    opened = (kind, name, first)
                depth += 1
            elif char == "}":
                if depth == 1:
                    found.append((*opened, number))
                    header = "" if opened[0] == "function" else header
                depth = max(depth - 1, 0)
            elif depth == 0:
                header = "" if char == ";" else header + char
    return found


def check_file(name, suffix, text):
    found = blocks(text)
    n_data = sum(last - first + 1 for kind, _, first, last in found if kind == "data" and last - first > 20)
    n_lines = text.count("\n") - n_data
    reason = re.match(r"/\*.*?\bSize:.*?\*/", text, re.DOTALL)
    failures, warnings = [], []

    def judge(what, n, limits):
        if n > limits[1]:
            failures.append(f"{what}: {n} lines, at most {limits[1]}")
        elif n > limits[0] and not reason:
            warnings.append(f"{what}: {n} lines, above {limits[0]} without a reason (a `Size:` line at the top)")

    judge(name, n_lines, LIMITS[suffix])
    for kind, function, first, last in found:
        if kind == "function":
            judge(f"{name}:{first}: {function}", last - first + 1, FUNCTION_LIMITS)
    return failures, warnings


def check(root):
    failures, warnings = [], []
    for folder in ("src", "include", "tests", "bench", "models"):
        for path in source_tree.files(root / folder, "*.c", "*.h"):
            more = check_file(path.relative_to(root).as_posix(), path.suffix, source_tree.read(path))
            failures += more[0]
            warnings += more[1]
    return failures, warnings


if __name__ == "__main__":
    source_tree.run(check)
