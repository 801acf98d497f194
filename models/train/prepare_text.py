#!/usr/bin/env python3
"""Brings the corpus into the form that the model is trained on: paragraphs joined by one line end.

  prepare_text.py CORPUS OUT     reads CORPUS/train.txt.xz and valid.txt.xz, writes OUT/train.txt and valid.txt

Documents of train.txt stay apart, by lines <|doc|>; valid.txt is one text, as `edgewise eval` takes it."""
import lzma
import pathlib
import sys

SEPARATOR = "<|doc|>"


def documents(text):
    """Each document as lines without the empty ones; documents without any line are left out."""
    lines = []
    for line in text.split("\n"):
        if line == SEPARATOR:
            if lines:
                yield lines
            lines = []
        elif line.strip():
            lines.append(line)
    if lines:
        yield lines


def joined(text, separator):
    return ("\n" + separator).join("\n".join(lines) for lines in documents(text))


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: prepare_text.py CORPUS OUT")
    corpus, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for name, separator in (("train", SEPARATOR + "\n"), ("valid", "")):
        text = joined(lzma.open(corpus / f"{name}.txt.xz", "rt", encoding="utf-8", newline="\n").read(), separator)
        (out / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
        print(f"{out / name}.txt: {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
