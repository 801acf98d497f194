#!/usr/bin/env python3
"""Proves that tools/count_tests.py cannot lose a failure: logs with known results, and the line they must give."""
import json
import pathlib
import subprocess
import sys
import tempfile

COUNT = pathlib.Path(__file__).parents[2] / "tools" / "count_tests.py"
CMOCKA = "[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n[  SKIPPED ] b\n"
FAILED = CMOCKA + "[ RUN      ] c\n[  FAILED  ] c\n"

# what, entries of the log (None: no log at all), lines on stdin, the last line, exit status
CASES = [
    ("plain tests", [("OK", ""), ("SKIP", "skipped: no model\n")], "", "1 passed, 0 failed, 1 skipped", 0),
    ("cases of cmocka", [("OK", CMOCKA)], "", "1 passed, 0 failed, 1 skipped", 0),
    ("a failing case", [("FAIL", FAILED)], "", "1 passed, 1 failed, 1 skipped", 1),
    ("a crash after passing cases", [("FAIL", CMOCKA)], "", "1 passed, 1 failed, 1 skipped", 1),
    ("a time-out", [("OK", ""), ("TIMEOUT", "")], "", "1 passed, 1 failed, 0 skipped", 1),
    ("an error of the harness", [("ERROR", "")], "", "0 passed, 1 failed, 0 skipped", 1),
    ("a test that should fail and does not", [("UNEXPECTEDPASS", "")], "", "0 passed, 1 failed, 0 skipped", 1),
    ("no log", None, "", "0 passed, 1 failed, 0 skipped", 1),
    ("an empty log", [], "", "0 passed, 1 failed, 0 skipped", 1),
    ("build steps", [("OK", "")], "passed gcc: build\nfailed clang: build\n", "2 passed, 1 failed, 0 skipped", 1),
]


def count(folder, entries, steps):
    log = pathlib.Path(folder) / "testlog.json"
    if entries is not None:
        lines = [json.dumps({"name": f"edgewise:unit / t{i}", "result": result, "stdout": out, "stderr": ""})
                 for i, (result, out) in enumerate(entries)]
        log.write_text("\n".join(lines), encoding="utf-8")
    return subprocess.run([sys.executable, COUNT, f"gcc={log}"], input=steps, text=True, capture_output=True, check=False)


def main():
    n_wrong = 0
    for what, entries, steps, line, status in CASES:
        with tempfile.TemporaryDirectory() as folder:
            done = count(folder, entries, steps)
        got = done.stdout.strip().split("\n")[-1]
        if (got, done.returncode) != (line, status):
            n_wrong += 1
            print(f"failed: {what}: expected `{line}` ({status}), got `{got}` ({done.returncode}) {done.stderr}")
    print(f"{len(CASES)} cases, {n_wrong} wrong")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
