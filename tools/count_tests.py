#!/usr/bin/env python3
"""Counts test cases in meson's logs and prints `N passed, N failed, N skipped`; exit status 1 if any failed.

  count_tests.py NAME=testlog.json…  <extra results on stdin, one per line: "passed|failed|skipped what">

A cmocka program counts by its cases, any other test as one. A test that fails without naming a case (a crash, a
time-out, a sanitizer) counts as one failure more, and a log that is missing or empty is a failure."""
import json
import re
import sys

CASE = re.compile(r"^\[ +(OK|FAILED|SKIPPED) +\] (\w+)\s*$", re.MULTILINE)
KIND = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}
WHOLE = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


def results_of_test(entry):
    """[(kind, case or None)] of one line of a testlog.json."""
    whole = WHOLE.get(entry["result"], "failed")
    cases = [(KIND[word], name) for word, name in CASE.findall(entry.get("stdout") or "")]
    if whole == "skipped" and not any(kind == "failed" for kind, _ in cases):
        return cases or [("skipped", None)]
    if whole == "failed" and not any(kind == "failed" for kind, _ in cases):
        return cases + [("failed", None)]
    return cases or [(whole, None)]


def reason_of(entry):
    found = re.search(r"skipped: (.*)", (entry.get("stdout") or "") + (entry.get("stderr") or ""))
    return f" ({found.group(1).strip()})" if found else ""


def results_of_log(name, path):
    try:
        with open(path, encoding="utf-8") as log:
            entries = [json.loads(line) for line in log if line.strip()]
    except OSError as error:
        return [("failed", f"{name}: no test log ({error.strerror})")]
    if not entries:
        return [("failed", f"{name}: no test ran")]
    results = []
    for entry in entries:
        test = entry["name"].split(" / ")[-1]
        for kind, case in results_of_test(entry):
            what = f"{name}: {test}" + (f": {case}" if case else "")
            if kind == "skipped":
                what += reason_of(entry)
            elif kind == "failed" and case is None:
                what += f" [{entry['result']}]"
            results.append((kind, what))
    return results


def main(arguments):
    results = [tuple(line.strip().split(" ", 1)) for line in sys.stdin if line.strip()]
    for argument in arguments:
        results += results_of_log(*argument.split("=", 1))
    for kind in ("skipped", "failed"):
        for other, what in results:
            if other == kind:
                print(f"{kind}: {what}")
    passed, failed, skipped = (sum(k == kind for k, _ in results) for kind in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
