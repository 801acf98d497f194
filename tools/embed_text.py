#!/usr/bin/env python3
"""Writes a text file as a C string constant: embed_text.py INPUT OUTPUT NAME.

The output defines `const char NAME[]`. Lines become one literal each, so that a diff of the input stays a diff of the
output; compilers must accept long strings (C17 promises 4095 characters, gcc and clang take far more).
"""
import sys


def main() -> None:
    source, target, name = sys.argv[1:4]
    with open(source, encoding="utf-8") as f:
        lines = f.read().splitlines()
    with open(target, "w", encoding="utf-8") as out:
        out.write(f"/* Made from {source.rsplit('/', 1)[-1]} by embed_text.py. */\n")
        out.write(f"extern const char {name}[];\nconst char {name}[] =\n")
        for line in lines:
            escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
            out.write(f'    "{escaped}\\n"\n')
        out.write("    \"\";\n")


main()
