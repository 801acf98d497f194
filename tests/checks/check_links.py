#!/usr/bin/env python3
"""Checks that relative links in Markdown files lead somewhere, that paths named in ARCHITECTURE.md exist, and that
docs/README.md lists every page of docs/. A missing picture is only a warning (it is taken from a real run), and so is a
page of docs/ that a source file names."""
import re

import source_tree

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
NAMED_PATH = re.compile(r"`((?:src|include|tests|tools|docs|studies|models)/[\w./-]*\w)`")

DOCS_PAGE = re.compile(r"\bdocs/[\w-]+\.md\b")


def check_sources(root):
    for path in source_tree.files(root, "*.c", "*.h", "*.build"):
        for page in sorted(set(DOCS_PAGE.findall(source_tree.read(path)))):
            if not (root / page).exists():
                yield f"{path.relative_to(root).as_posix()}: names {page}, which is not there"


def check(root):
    failures, warnings = [], list(check_sources(root))
    for page in source_tree.files(root, "*.md"):
        name = page.relative_to(root).as_posix()
        text = source_tree.read(page)
        targets = [target for target in LINK.findall(text) if "://" not in target and not target.startswith("mailto:")]
        for target in targets:
            if not (page.parent / target).exists():
                found = warnings if target.endswith(".png") else failures
                found.append(f"{name}: the link to {target} leads nowhere")
        if name == "ARCHITECTURE.md":
            for path in NAMED_PATH.findall(text):
                if "NAME" not in path and not (root / path).exists():
                    failures.append(f"{name}: {path} is not there")
        if name == "docs/README.md":
            for other in source_tree.files(page.parent, "*.md"):
                if other != page and other.relative_to(page.parent).as_posix() not in targets:
                    failures.append(f"{name}: does not list {other.relative_to(page.parent).as_posix()}")
    return failures, warnings


if __name__ == "__main__":
    source_tree.run(check)
