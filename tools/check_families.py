#!/usr/bin/env python3
"""Families of operations: the same name in every room, and every operation in its family's files.

A family F is src/ops/families/F.c, src/device/cpu/F.c, kernels/F.cu (or src/device/cuda/F.c, where
a library does the work) and tests/ops/cases_F.c. Each operation of ops.def has its shape rule in
one family, its CPU function and CUDA launcher in the files of that family, and a case there.

usage: check_families.py [ROOT]      lists what is missing, exits 1 if anything is
       check_families.py --self-test checks the checks
"""
import os
import re
import sys
import tempfile

import sources

ROW = re.compile(r"^RK_OP_ROW\((\w+), (\w+),", re.M)
SHAPE = re.compile(r"\brk__shape_(\w+)\(const rk_program")
PLACES = {  # what an operation has, where, and how it looks there
    "CPU function": (("src/device/cpu/{}.c",), r"\brk__cpu_{name}\(const rk_call"),
    "CUDA launcher": (
        ("kernels/{}.cu", "src/device/cuda/{}.c"),
        r"\brk__?cuda_{name}\(const rk_call",
    ),
    "parity case": (("tests/ops/cases_{}.c",), r"\bRK_OP_{enum}\b"),
}

LISTS = {  # where a family is listed, and how
    "src/ops/CMakeLists.txt": "families/{}.c",
    "src/device/CMakeLists.txt": "cpu/{}.c",
    "tests/ops/families.def": "({})",
}


def check(root):
    table = sources.read(root, "src/ops/ops.def")
    operations = [(m.group(2), m.group(1)) for m in ROW.finditer(table)]
    family_of = {}
    for path in sources.find(root, (".c",)):
        if path.startswith("src/ops/families/"):
            for match in SHAPE.finditer(sources.read(root, path)):
                family_of[match.group(1)] = os.path.basename(path)[:-2]
    problems = []
    for name, enum in operations:
        family = family_of.get(name)
        if family is None:
            problems.append(f"{name}: no rk__shape_{name} in src/ops/families/")
            continue
        for what, (paths, pattern) in PLACES.items():
            texts = [sources.read(root, p.format(family)) for p in paths
                     if os.path.exists(os.path.join(root, p.format(family)))]
            if not any(re.search(pattern.format(name=name, enum=enum), text) for text in texts):
                problems.append(f"{name}: no {what} in {' or '.join(paths).format(family, family)}")
    for family in sorted(set(family_of.values())):
        for path, line in LISTS.items():
            if line.format(family) not in sources.read(root, path):
                problems.append(f"{family}: no {line.format(family)} in {path}")
    return problems


def self_test():
    files = {
        "src/ops/ops.def": "RK_OP_ROW(RELU, relu, 1, 1, 1, relu, once,\n",
        "src/ops/families/dense.c": "rk_status rk__shape_relu(const rk_program *p)\n",
        "src/device/cpu/dense.c": "void rk__cpu_relu(const rk_call *call)\n",
        "kernels/dense.cu": "cudaError_t rk_cuda_relu(const rk_call *call)\n",
        "tests/ops/cases_dense.c": "{RK_OP_RELU, relu},\n",
        "src/ops/CMakeLists.txt": "families/dense.c",
        "src/device/CMakeLists.txt": "cpu/dense.c",
        "tests/ops/families.def": "OPS_FAMILY(dense)",
    }
    wrong = []
    for missing in [None, *files]:
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write("" if path == missing and not path.endswith(".def") else text)
            found = check(root)
        expected = 0 if missing is None or missing.endswith(".def") else 1
        if len(found) != expected:
            wrong.append(f"without {missing}: expected {expected} problems, found {found}")
    return wrong


def main():
    argument = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")
    problems = self_test() if argument == "--self-test" else check(argument)
    print("\n".join(problems) if problems else "families: nothing to complain about")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
