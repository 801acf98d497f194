"""What every check needs: the files of the tree, and the frame that prints findings and sets the exit status."""
import fnmatch
import os
import pathlib
import sys

SKIPPED_FOLDERS = {"node_modules", "scratch", ".git", ".cache", "demo"}


def files(root, *patterns):
    """Files below root matching any pattern, sorted, without build folders and downloads."""
    root = pathlib.Path(root)
    found = []
    for folder, below, names in os.walk(root):
        top = pathlib.Path(folder) == root
        below[:] = [name for name in below if name not in SKIPPED_FOLDERS and not (top and name.startswith("build"))]
        found += [pathlib.Path(folder, name) for name in names if any(fnmatch.fnmatch(name, p) for p in patterns)]
    return sorted(found)


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def run(check):
    """check(root) returns (failures, warnings): lists of lines. Root is the argument, or the folder above tests/."""
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]
    failures, warnings = check(root)
    for line in warnings:
        print(f"warning: {line}")
    for line in failures:
        print(f"failed: {line}")
    print(f"{len(failures)} failures, {len(warnings)} warnings")
    sys.exit(1 if failures else 0)
