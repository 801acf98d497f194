#!/usr/bin/env python3
"""Writes files as C arrays, byte for byte: embed_bytes.py OUTPUT NAME=INPUT ...

Each becomes `const char NAME[]` with a 0 after its end and `const size_t NAME_size`. String literals compile a hundred
times faster than lists of numbers. For text that stays readable in the output: embed_text.py.
"""
import sys

# A digit after an octal escape would be read as part of it, so escapes always have three digits; "?" could begin a trigraph.
ESCAPED = [chr(b) if 32 <= b < 127 and chr(b) not in '\\"?' else f"\\{b:03o}" for b in range(256)]
LINE = 4000


def main() -> None:
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("/* Made by embed_bytes.py. */\n#include <stddef.h>\n")
        for pair in sys.argv[2:]:
            name, source = pair.split("=", 1)
            with open(source, "rb") as f:
                data = f.read()
            out.write(f"extern const char {name}[];\nextern const size_t {name}_size;\n")
            out.write(f"const size_t {name}_size = {len(data)};\nconst char {name}[] =\n")
            for start in range(0, len(data), LINE):
                out.write('    "' + "".join(ESCAPED[b] for b in data[start:start + LINE]) + '"\n')
            out.write('    "";\n')


main()
