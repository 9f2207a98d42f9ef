#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ninja has to link for a part of the tests: targets_of.py BUILD-FOLDER CTEST-OPTION...
All targets of the build but the tests' executables that no command of these tests names."""
import json
import os
import subprocess
import sys


def tests(build, *options):
    told = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1", *options], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(told)["tests"]


def main():
    build, options = os.path.abspath(sys.argv[1]), sys.argv[2:]
    named = {os.path.realpath(word) for t in tests(build, *options) for word in t.get("command", [])}
    of_tests = {os.path.realpath(t["command"][0]) for t in tests(build) if "command" in t}
    lines = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for target, rule in (line.split(": ", 1) for line in lines if ": " in line):
        path = os.path.realpath(os.path.join(build, target))
        if "_LINKER__" in rule and (path not in of_tests or path in named):
            print(target)


main()
