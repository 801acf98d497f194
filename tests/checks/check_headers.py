#!/usr/bin/env python3
"""Checks that each public header compiles alone, twice in one file, as C11 and as C++17, without a warning.
Exit status 77 (skipped) when there is no C++ compiler; C is always checked."""
import os
import pathlib
import shutil
import subprocess
import sys

import source_tree

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-fsyntax-only"]


def compiles(compiler, language, header, include_folder):
    """None, or the compiler's words."""
    text = f'#include "edgewise/{header}"\n#include "edgewise/{header}"\n'
    flags = {"c": ["-x", "c", "-std=c11"], "c++": ["-x", "c++", "-std=c++17"]}[language]
    done = subprocess.run([compiler, *flags, *WARNINGS, "-I", include_folder, "-"], input=text, text=True,
                          capture_output=True, check=False)
    return None if done.returncode == 0 else done.stderr.strip()


def first_of(*names):
    return next((name for name in names if name and shutil.which(name)), None)


def main(root):
    c = first_of(os.environ.get("CC"), "gcc", "clang", "cc")
    cxx = first_of(os.environ.get("CXX"), "g++", "clang++", "c++")
    headers = source_tree.files(root / "include" / "edgewise", "*.h")
    failures = [] if headers else ["no public headers found"]
    for header in headers:
        for compiler, language in ((c, "c"), (cxx, "c++")):
            words = compiler and compiles(compiler, language, header.name, root / "include")
            if words:
                failures.append(f"{header.name} alone as {language}:\n{words}")
    for line in failures:
        print(f"failed: {line}")
    if failures or not c:
        return 1
    if not cxx:
        print("skipped: no C++ compiler")
        return 77
    print(f"{len(headers)} headers compile alone as C11 ({c}) and C++17 ({cxx})")
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]))
