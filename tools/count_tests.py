#!/usr/bin/env python3
"""Sums ctest's JUnit files up in one line: 'N passed, N failed, N skipped'.

usage: count_tests.py FILE...    exits 1 when a test failed or none ran
"""
import sys
import xml.etree.ElementTree as ET


def outcome(case):
    """'passed', 'failed' or 'skipped'. A test whose program is missing is "not run" without a skip
    code; that counts as a failure."""
    status = case.get("status")
    if status == "run":
        return "passed"
    skipped = case.find("skipped")
    if status == "disabled" or (
        skipped is not None and skipped.get("message", "").startswith("SKIP_")
    ):
        return "skipped"
    return "failed"


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sys.argv[1:]:
        for case in ET.parse(path).getroot().iter("testcase"):
            counts[outcome(case)] += 1
    print(", ".join(f"{n} {name}" for name, n in counts.items()), flush=True)
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
