"""Counts the cmocka cases in a meson testlog.json: prints one `pass|fail<TAB>name` per case.

Usage: count_meson.py PREFIX TESTLOG
"""

import json
import re
import sys


def cases_of(test):
    """(name, has_passed) for each case; a program that crashed or leaked counts as an additional failed case."""
    out = test.get("stdout", "") + "\n" + test.get("stderr", "")
    found = {}
    for name in re.findall(r"^\[       OK \] (\S+)", out, re.M):
        found[name] = True
    for name in re.findall(r"^\[  FAILED  \] ([A-Za-z_]\S*)", out, re.M):
        found[name.rstrip(",")] = False
    # Tests that print TAP.
    for status, name in re.findall(r"^(ok|not ok) \d+ -? ?(.*)$", out, re.M):
        found[name.strip()] = status == "ok"
    has_passed = test["result"] in ("OK", "EXPECTEDFAIL", "SKIP")
    if not found and test["result"] != "SKIP":
        found["(program)"] = has_passed
    elif not has_passed and all(found.values()):
        found["(program: %s)" % test["result"].lower()] = False
    return found.items()


def main():
    prefix, path = sys.argv[1:]
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            test = json.loads(line)
            program = test["name"].split(" / ")[-1]
            for name, has_passed in cases_of(test):
                print("%s\t%s %s %s" % ("pass" if has_passed else "fail", prefix, program, name))


main()
