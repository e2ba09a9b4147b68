#!/usr/bin/env python3
"""What nvcc made of the kernels that a training step spends its time in; needs no GPU.

usage: check_kernels.py [ROOT] [--arch 80,90,100] [--jobs N] [--no-checks]
       check_kernels.py --self-test     checks the reading of what the tools say, without them

Compiles the files of HOT for each architecture and prints a table: registers, spilled bytes, stack,
and the 128-bit loads that are on their way together where rows are gathered. Fails on spills in
kernels of these files that HOT names, on more registers than HOT allows (more would mean fewer
warps on a multiprocessor), and on fewer loads together than HOT asks for. Of every kernel of
kernels/, for architectures from 9.0 on: fails where memory is read or written before the kernel has
waited for the one before it (rk::begin in device.cuh), which the compiler must not make of it.

nvcc: in PATH, or in /usr/local/cuda/bin. The loads are read from SASS by cuobjdump or nvdisasm, in
PATH, beside nvcc, or in $CUDA_BINARY_TOOLS (the toolkit's own, or those of the Python packages
nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm); without them the loads are not checked, which the
table says.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple

# file: of kernels/; pattern: in the mangled name; registers: the bound; loads: 128-bit loads of
# a gather that leave together, at least, 0 = it gathers none; edge: bytes an edge at d = 64, the
# row first.
Hot = namedtuple("Hot", "label file pattern registers loads edge")


def pieces(vector, halves, mode, plain, once=1):
    """The mangled arguments of propagate_pieces<VECTOR, HALVES, MODE, PLAIN, ONCE>."""
    return f"propagate_piecesILi{vector}ELb{halves}ELNS_4modeE{mode}ELb{plain}ELb{once}E"


ALL, ROWS, FROM_ROWS = range(3)
FLOATS = "256 row + 4 column + 4 weight"
HALVES = "128 row + 4 column + 4 weight + 1 exponent (of 32, in L1)"
ACTIVE = "4 column; active: 256 row + 32 map + 32 scale"
HOT = [
    Hot("propagate, fp32", "propagate.cu", pieces(4, 0, ALL, 1), 48, 4, FLOATS),
    Hot("propagate + rows or Adam, fp32", "propagate.cu", pieces(4, 0, ALL, 0), 64, 4, FLOATS),
    Hot("propagate_rows, fp32", "propagate.cu", pieces(4, 0, ROWS, 1), 48, 4, FLOATS),
    Hot("propagate_from_rows", "propagate.cu", pieces(4, 0, FROM_ROWS, 1), 48, 4, ACTIVE),
    Hot("propagate_from_rows + rows or Adam", "propagate.cu", pieces(4, 0, FROM_ROWS, 0), 64, 4,
        ACTIVE),
    Hot("propagate, fp16", "propagate.cu", pieces(8, 1, ALL, 1), 64, 4, HALVES),
    Hot("propagate + rows, halves or Adam, fp16", "propagate.cu", pieces(8, 1, ALL, 0), 64, 4,
        HALVES),
    Hot("propagate_rows, fp16", "propagate.cu", pieces(8, 1, ROWS, 1), 64, 4, HALVES),
]

Resources = namedtuple("Resources", "registers spilled stack")
TOOLKIT = "/usr/local/cuda/bin"


def find_tool(name, *folders):
    path = shutil.which(name)
    for folder in filter(None, folders):
        beside = os.path.join(folder, name)
        path = path or (beside if os.access(beside, os.X_OK) else None)
    return path


# ---- what ptxas says ----

def resources_of(text):
    """Mangled name -> Resources, of the output of ptxas -v."""
    found, name, spilled, stack = {}, None, 0, 0
    for line in text.splitlines():
        match = re.search(r"Function properties for (\S+)", line)
        if match:
            name = match.group(1)
        match = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores", line)
        if match:
            stack, spilled = int(match.group(1)), int(match.group(2))
        match = re.search(r"Used (\d+) registers", line)
        if match and name:
            found[name] = Resources(int(match.group(1)), spilled, stack)
            name = None
    return found


# ---- what SASS says ----

INSTRUCTION = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;")
# cuobjdump's line, nvdisasm's label.
FUNCTION = re.compile(r"Function : (\S+)|^\.text\.(\S+):")
GATHER = re.compile(r"\bLDG\.E\.\S*128\S*CONSTANT\S* R(\d+)")
TARGET = re.compile(r"`\((\.L_x_\d+)\)|\bBRA(?:\.\S+)?\s.*?(0x[0-9a-f]+)")
BRANCH = re.compile(r"\b(BRA|BRX|JMP|EXIT|RET|CALL|BSYNC|BSSY)\b")


def functions_of(sass):
    """Mangled name -> lines."""
    found, lines = {}, []
    for line in sass.splitlines():
        match = FUNCTION.search(line)
        if match:
            lines = found.setdefault(match.group(1) or match.group(2), [])
        lines.append(line)
    return found


def straight_lines(lines):
    """The instructions between branches and branches' targets."""
    targets = set()
    for line in lines:
        for label, address in TARGET.findall(line):
            targets.add(label or int(address, 16))
    blocks, block = [], []
    for line in lines:
        label = re.match(r"\s*(\.L_x_\d+):", line)
        match = INSTRUCTION.search(line)
        if (label and label.group(1) in targets) or (match and int(match.group(1), 16) in targets):
            blocks.append(block)
            block = []
        if match:
            block.append(match.group(2))
            if BRANCH.search(match.group(2)):
                blocks.append(block)
                block = []
    return blocks + [block]


def loads_together(block):
    """The most gathers of 16 bytes before one of them is waited for."""
    most, waiting, n = 0, set(), 0
    for instruction in block:
        match = GATHER.search(instruction)
        _, _, operands = instruction.partition(",")
        if any(int(r) in waiting for r in re.findall(r"\bR(\d+)", operands)):
            waiting, n = set(), 0
        if match:
            n += 1
            waiting |= set(range(int(match.group(1)), int(match.group(1)) + 4))
        most = max(most, n)
    return most


def fewest_loads(lines):
    """Of the places where rows are gathered, whose numbers come by shuffles, the one with the
    fewest loads together."""
    blocks = (block for block in straight_lines(lines) if any("SHFL.IDX" in i for i in block))
    return min(filter(None, map(loads_together, blocks)), default=0)


ACCESS = re.compile(r"\b(?:LDG|STG|LD|ST|ATOM|ATOMG|RED|LDGSTS)\b")


def early_accesses(lines):
    """Instructions that touch memory in front of the wait; all of them, if there is no wait."""
    found = []
    for line in lines:
        match = INSTRUCTION.search(line)
        if match and "ACQBULK" in match.group(2):
            break
        if match and ACCESS.search(match.group(2)):
            found.append(match.group(2))
    return found


# ---- the table ----

def compile_file(nvcc, root, file, arch, folder):
    """(Resources by name, path of the cubin); SystemExit if it does not compile."""
    cubin = os.path.join(folder, f"{file}.{arch}.cubin")
    command = [nvcc, "-std=c++17", "-O3", f"-arch=sm_{arch}", "-cubin", "-Xptxas", "-v", "-o",
               cubin]
    command += [f"-I{os.path.join(root, i)}" for i in ("kernels", "src", "include")]
    done = subprocess.run(command + [os.path.join(root, "kernels", file)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"check_kernels.py: {file} for sm_{arch}:\n{done.stdout}")
    return resources_of(done.stdout), cubin


def disassemble(tool, cubin):
    options = ["-sass"] if "cuobjdump" in tool else ["-c"]
    environment = dict(os.environ)
    environment["PATH"] += os.pathsep + os.path.dirname(tool)  # cuobjdump runs nvdisasm
    return functions_of(subprocess.run([tool, *options, cubin], stdout=subprocess.PIPE, text=True,
                                       check=True, env=environment).stdout)


Row = namedtuple("Row", "hot arch resources loads")
FIRST_THAT_WAITS = 90


def look_at(nvcc, disassembler, root, file, arch):
    """Rows of the table; what else is wrong with the file's kernels."""
    with tempfile.TemporaryDirectory() as folder:
        resources, cubin = compile_file(nvcc, root, file, arch, folder)
        functions = disassemble(disassembler, cubin) if disassembler else {}
    rows, problems = [], []
    for hot in HOT:
        for name in resources if hot.file == file else []:
            if hot.pattern in name:
                loads = fewest_loads(functions[name]) if name in functions else None
                rows.append(Row(hot, arch, resources[name], loads))
    for name, lines in functions.items() if int(arch) >= FIRST_THAT_WAITS else []:
        for instruction in early_accesses(lines)[:1]:
            problems.append(f"{file}, sm_{arch}: {name}: {instruction} in front of the wait")
    return rows, problems


def problems_of(row):
    where = f"{row.hot.label}, sm_{row.arch}"
    if row.resources.spilled:
        yield f"{where}: {row.resources.spilled} bytes are spilled"
    if row.resources.registers > row.hot.registers:
        yield f"{where}: {row.resources.registers} registers, {row.hot.registers} are allowed"
    if row.loads is not None and row.loads < row.hot.loads:
        yield f"{where}: {row.loads} loads together, {row.hot.loads} are wanted"


def print_table(rows):
    print("| kernel | architecture | registers | spilled bytes | stack | 128-bit loads together |"
          " bytes an edge, d = 64 |")
    print("|---|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: (HOT.index(row.hot), int(row.arch))):
        loads = "not read" if row.loads is None else row.loads
        print(f"| {row.hot.label} | sm_{row.arch} | {row.resources.registers} |"
              f" {row.resources.spilled} | {row.resources.stack} | {loads} | {row.hot.edge} |")


# ---- the checks themselves ----

# What ptxas and cuobjdump say; the loop is at 0x10.
PTXAS = """
ptxas info    : Function properties for _Zgather
    8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 48 registers, used 0 barriers
"""
SASS = """
    Function : _Zgather
        /*0010*/ SHFL.IDX PT, R3, R36, R38, 0x1f ;
        /*0020*/ LDG.E.128.CONSTANT R12, desc[UR6][R12.64] ;
        /*0030*/ @!P0 LDG.E.128.CONSTANT R16, desc[UR6][R16.64] ;
        /*0040*/ FFMA R8, R38.reuse, R12, R8 ;
        /*0050*/ LDG.E.128.CONSTANT R20, desc[UR6][R22.64] ;
        /*0060*/ @!P0 BRA 0x10 ;
        /*0070*/ LDG.E.128.CONSTANT R24, desc[UR6][R2.64] ;
        /*0080*/ EXIT ;
"""


def self_test():
    """Sentences about what the checks get wrong."""
    lines = functions_of(SASS)["_Zgather"]
    hot = Hot("gather", "gather.cu", "gather", 40, 4, "")
    row = Row(hot, "90", resources_of(PTXAS)["_Zgather"], fewest_loads(lines))
    swapped = "\n".join(lines).replace("R12, R8 ;", "R11, R8 ;").splitlines()
    expected = [("spilled", row.resources, Resources(48, 4, 8)), ("loads", row.loads, 2),
                ("no wait", fewest_loads(swapped), 3), ("problems", len(list(problems_of(row))), 3),
                ("blocks", len([b for b in straight_lines(lines) if b]), 2)]
    return [f"self-test: {what} {got}, expected {wanted}" for what, got, wanted in expected
            if got != wanted]


def main():
    if sys.argv[1:] == ["--self-test"]:
        sys.exit("\n".join(self_test()) or 0)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("root", nargs="?", default=os.path.join(os.path.dirname(__file__), ".."))
    parser.add_argument("--arch", default="80,90,100")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--no-checks", action="store_true")
    arguments = parser.parse_args()
    nvcc = find_tool("nvcc", TOOLKIT)
    if not nvcc:
        sys.exit("check_kernels.py: no nvcc in PATH or " + TOOLKIT)
    folders = (os.environ.get("CUDA_BINARY_TOOLS"), os.path.dirname(nvcc))
    disassembler = find_tool("cuobjdump", *folders) or find_tool("nvdisasm", *folders)
    hot_files = {hot.file for hot in HOT}
    files = sorted(name for name in os.listdir(os.path.join(arguments.root, "kernels"))
                   if name.endswith(".cu"))
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        made = [pool.submit(look_at, nvcc, disassembler, arguments.root, file, arch)
                for file in files for arch in arguments.arch.split(",")
                if file in hot_files or (disassembler and int(arch) >= FIRST_THAT_WAITS)]
        rows = [row for job in made for row in job.result()[0]]
        early = [problem for job in made for problem in job.result()[1]]
    print_table(rows)
    if not disassembler:
        print("\nno cuobjdump or nvdisasm: the loads were not read, and whether kernels wait first "
              "was not looked at", file=sys.stderr)
    if arguments.no_checks:
        return
    problems = early + [problem for row in rows for problem in problems_of(row)]
    missing = [hot.label for hot in HOT if hot not in {row.hot for row in rows}]
    problems += [f"{label}: there is no such kernel; HOT is out of date" for label in missing]
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
