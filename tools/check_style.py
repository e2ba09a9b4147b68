#!/usr/bin/env python3
"""Checks what clang-format cannot see: sizes, and functions that only some rooms may call.

usage: check_style.py [ROOT]      lists violations as file:line: text, exits 1 if there are any
       check_style.py --self-test checks the checks
"""
import os
import re
import sys
import tempfile

import sources

MAX_LINE, MAX_FILE, MAX_FUNCTION = 100, 600, 80

# (what is banned, in which paths, exceptions, what to do instead)
CALL = r"(?<![\w.>])(?:%s)\s*\("
PARSE = "use base/parse.h: it refuses what is no number"
QUIET = "below the CLI nothing prints or exits; return a status"
BANNED = [
    (CALL % "atoi|atol|atoll|atof", "src/", (), PARSE),
    (CALL % "sscanf", "src/", ("src/cli/", "src/text/"), PARSE),
    (CALL % "strto(?:l|ll|ul|ull|f|d|ld|imax|umax)", "src/", ("src/base/",), PARSE),
    (CALL % "strcpy|strcat|stpcpy|sprintf|vsprintf|gets", "", (), "use snprintf"),
    (CALL % "strncpy|strncat|strtok|alloca", "src/", (), "it surprises; use snprintf or base/"),
    (CALL % "rand|srand|random|srandom|drand48", "", (), "use base/philox.h"),
    (
        CALL % "(?:m|c|re)alloc|free|strn?dup|v?asprintf|aligned_alloc|posix_memalign",
        "src/",
        ("src/base/alloc.c", "src/cli/", "src/serve/memory.c"),  # these see public headers only
        "use base/alloc.h: sizes are overflow-checked, a failure is a status",
    ),
    (CALL % "_?exit|_Exit|abort|assert", "src/", ("src/cli/", "src/base/error.c"), QUIET),
    (CALL % "v?printf|puts|putchar|perror", "src/", ("src/cli/",), QUIET),
    (r"\b(?:stdout|stderr)\b", "src/", ("src/cli/", "src/base/error.c"), QUIET),
    (
        r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*(?<!__)CUDA",
        "src/",
        ("src/device/registry.c",),
        "only the registry knows which devices are built in",
    ),
    (r"\bhid_t\b|\bH5[A-Z]\w*\s*\(", "src/", ("src/io/",), "HDF5 stays in the room io"),
    (
        r"^static (?!const\b|inline\b|_Thread_local\b|_Atomic\b)[^()\n]*(?:;|=.*)$",
        "src/",
        ("src/cli/",),
        "no mutable globals",
    ),
]


def check_lines(path, text, report):
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE and not path.endswith(".def"):
            report(path, number, f"{len(line)} columns, at most {MAX_LINE}")
        if "\t" in line:
            report(path, number, "a tab; indent with spaces")
        if line != line.rstrip():
            report(path, number, "blanks at the end of the line")
        if re.match(r"\s*/\* ?-{3,}", line) and not re.fullmatch(r"\s*/\* ---- .* ---- \*/", line):
            report(path, number, "a heading is /* ---- name ---- */ on one line")
    if len(lines) - 1 > MAX_FILE:
        report(path, len(lines) - 1, f"over {MAX_FILE} lines; split the file by purpose")
    if text and not text.endswith("\n"):
        report(path, len(lines), "no newline at the end of the file")


def check_functions(path, code, report):
    """In our layout a function's braces stand alone in column 0, and nothing else's do."""
    start = None
    for number, line in enumerate(code.split("\n"), 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            length = number - start + 1
            if length > MAX_FUNCTION:
                report(path, start, f"a function of {length} lines, at most {MAX_FUNCTION}")
            start = None


def check_banned(path, code, report):
    for pattern, room, allowed, instead in BANNED:
        if not path.startswith(room) or path.startswith(allowed):
            continue
        for match in re.finditer(pattern, code, re.M):
            number = code.count("\n", 0, match.start()) + 1
            report(path, number, f"{match.group().strip()!r}: {instead}")


def check_kernels(path, code, report):
    """A kernel may be launched before the one before it has ended: its first statement waits."""
    for match in re.finditer(r"\b__global__\b[^{;]*\{\s*", code):
        if path.startswith("kernels/") and not re.match(r"(rk::)?begin\(\);", code[match.end():]):
            report(path, code.count("\n", 0, match.start()) + 1, "begin a kernel with rk::begin();")


def check(root):
    problems = []

    def report(path, number, text):
        problems.append(f"{path}:{number}: {text}")

    code_endings = (".c", ".h", ".cu", ".cuh", ".cpp")
    for path in sources.find(root, code_endings + (".def", ".py", ".sh", ".cmake")):
        text = sources.read(root, path)
        check_lines(path, text, report)
        if path.endswith(code_endings):
            code = sources.code_of(text)
            check_functions(path, code, report)
            check_banned(path, code, report)
            check_kernels(path, code, report)
    return problems


SELF_TEST = [  # (path, text, how many problems)
    ("src/data/a.c", 'int f(void)\n{\n    /* atoi(x) */\n    return g("malloc(1)");\n}\n', 0),
    ("src/data/a.c", "x = atoi(s);\ny = malloc(4);\nrk__free(z);\nd->free(q);\n", 2),
    ("src/base/alloc.c", "x = malloc(4);\n", 0),
    ("src/base/parse.c", "x = strtol(s, &end, 10);\n", 0),
    ("src/train/a.c", "x = strtol(s, &end, 10);\nprintf(q);\nfprintf(stderr, q);\nexit(1);\n", 4),
    ("src/cli/main.c", "printf(q);\nfprintf(stderr, q);\nexit(1);\n", 0),
    ("tests/unit/a.c", "x = malloc(4);\nstrcpy(a, b);\n", 1),
    ("src/train/a.c", "#ifdef RANKINE_CUDA\n", 1),
    ("src/device/registry.c", "#ifdef RANKINE_CUDA\n", 0),
    ("src/ops/a.h", "#if defined(__CUDACC__)\n", 0),
    ("src/data/a.c", "hid_t file = H5Fopen(path);\n", 2),
    ("src/io/a.c", "hid_t file = H5Fopen(path);\n", 0),
    ("src/data/a.c", "static int count;\nstatic int n = 0;\nstatic const int k = 1;\n", 2),
    ("src/data/a.c", "static int f(void);\nstatic _Thread_local char t[9];\n", 0),
    ("src/data/a.c", "int f(void)\n{\n" + "    g();\n" * 78 + "}\n", 0),
    ("src/data/a.c", "int f(void)\n{\n" + "    g();\n" * 79 + "}\n", 1),
    ("kernels/a.cu", "__global__ void f(int *x)\n{\n    rk::begin();\n    *x = 1;\n}\n", 0),
    ("kernels/a.cu", "__global__ void f(int *x)\n{\n    *x = 1;\n    rk::begin();\n}\n", 1),
    ("src/data/a.c", "\tg();\n", 1),
    ("src/data/a.c", "g(); \nh();", 2),
    ("src/data/a.c", "/* " + "x" * 98 + "\n*/\n", 1),
    ("src/data/a.c", "/* ---- loading ---- */\n/* ---- loading\n * ---- */\n", 1),
    ("src/data/a.c", "/* ---- loading -------- */\n", 1),
    ("src/data/a.c", "\n" * 600, 0),
    ("src/data/a.c", "\n" * 601, 1),
]


def self_test():
    wrong = []
    for path, text, expected in SELF_TEST:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, os.path.dirname(path)))
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
            found = check(root)
        if len(found) != expected:
            wrong.append(f"{text[:60]!r} in {path}: expected {expected} problems, found {found}")
    return wrong


def main():
    argument = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")
    problems = self_test() if argument == "--self-test" else check(argument)
    print("\n".join(problems) if problems else "style: nothing to complain about")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
