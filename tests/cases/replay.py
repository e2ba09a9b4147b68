#!/usr/bin/env python3
"""Replays situations from public bug reports and checks what the program makes of each.

  replay.py CASES BIN [NAME...]           checks the cases of the folder CASES against expected.txt
  replay.py CASES BIN --show [NAME...]    prints commands, exit codes and output, checks nothing

A case is a folder with its input and `cmd`, the lines that a user would type. expected.txt has a
block for each, beginning with "== NAME"; in it a line for each command: the exit code or *, then,
each behind " | ", patterns that its output must contain ("!" in front: must not). Lines that begin
with "#" are remarks.
BIN is the folder of the program. Exit code 77: there is no folder CASES.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

LIMIT = 60  # seconds for one command


def read_expected(path):
    cases, block = {}, None
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("== "):
            block = cases.setdefault(line[3:].strip(), [])
        elif line and not line.startswith("#"):
            code, *patterns = line.split(" | ")
            block.append((number, code, patterns))
    return cases


def replay(cases, program_folder, name):
    """[(command, exit code, output)] of a case, in a folder of its own."""
    scratch = tempfile.mkdtemp(prefix="rankine-case-")
    folder = os.path.join(scratch, "case")
    environment = dict(os.environ, PATH=f"{program_folder}:{os.environ['PATH']}", NO_COLOR="1")
    results = []
    try:
        shutil.copytree(os.path.join(cases, name), folder)
        for line in open(os.path.join(folder, "cmd"), "rb"):
            line = os.fsdecode(line)
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            try:
                done = subprocess.run(
                    ["sh", "-c", line], cwd=folder, env=environment, timeout=LIMIT, check=False,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                code, output = done.returncode, done.stdout
            except subprocess.TimeoutExpired as late:
                code, output = -1, (late.stdout or b"") + b"\nran into the limit of time\n"
            results.append((line, code, output.decode("utf-8", "replace")))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return results


def problems_of(name, results, wanted):
    if len(wanted) != len(results):
        yield f"{name}: {len(results)} commands, but expected.txt has {len(wanted)} lines for them"
        return
    for (command, code, output), (number, wanted_code, patterns) in zip(results, wanted):
        is_wanted = wanted_code in ("*", str(code))
        wrong = [] if is_wanted else [f"exit code {code}, not {wanted_code}"]
        for pattern in patterns:
            is_there = re.search(pattern.removeprefix("!"), output, re.MULTILINE) is not None
            if is_there == pattern.startswith("!"):
                verb = "has" if is_there else "lacks"
                wrong.append(f"the output {verb} /{pattern.removeprefix('!')}/")
        if wrong:
            yield f"{name} (expected.txt:{number}): $ {command}\n  {'; '.join(wrong)}\n{output}"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--show"]
    cases, program_folder, names = arguments[0], os.path.abspath(arguments[1]), arguments[2:]
    if not os.path.isdir(cases):
        print(f"skipped: there is no folder {cases}")
        return 77
    cases = os.path.abspath(cases)
    here = sorted(n for n in os.listdir(cases) if os.path.isfile(os.path.join(cases, n, "cmd")))
    names = names or here
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        replayed = list(pool.map(lambda name: replay(cases, program_folder, name), names))
    if "--show" in sys.argv:
        for name, results in zip(names, replayed):
            print(f"== {name}")
            for command, code, output in results:
                print(f"$ {command}\n{output.rstrip()}\n-> exit {code}")
        return 0
    folder = os.path.dirname(os.path.abspath(__file__))
    expected = read_expected(os.path.join(folder, "expected.txt"))
    problems = [f"{n}: no lines in expected.txt" for n in names if n not in expected]
    for name, results in zip(names, replayed):
        if name in expected:
            problems += problems_of(name, results, expected[name])
    for problem in problems:
        print(problem)
    print(f"{len(names)} cases, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
