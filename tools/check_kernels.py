#!/usr/bin/env python3
"""What nvcc made of the kernels that training and ranking spend their time in; needs no GPU.

usage: check_kernels.py [ROOT] [--arch 80,90,100] [--jobs N] [--no-checks]
       check_kernels.py --self-test     checks the reading of what the tools say, without them

Compiles the files of HOT for each architecture and prints a table: registers, spilled bytes, stack,
shared memory that is declared, and the 128-bit loads that are on their way together where rows are
gathered. Of the kernels that HOT names: fails on more spilled bytes or registers than it allows
(more registers would mean fewer warps on a multiprocessor), and on fewer loads together than it
asks for. Of kernels that are launched with shared memory: fails where they declare more beside it
than STATIC_SHARED says. Of every kernel of kernels/, for architectures from 9.0 on: fails where
memory is read or written before the kernel has waited for the one before it (rk::begin in
device.cuh), which the compiler must not make of it.

nvcc: in PATH, or in /usr/local/cuda/bin. Loads and waits are read from SASS by cuobjdump or
nvdisasm, in PATH, beside nvcc, or in $CUDA_BINARY_TOOLS (the toolkit's own, or those of the Python
packages nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm); without them these two are not checked,
which the last line says.
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
# row first, or what else it reads; spills: architecture -> bytes that may be spilled, 0 where it is
# not named; anywhere: rows are gathered apart from shuffles, so the place with most loads counts.
Hot = namedtuple("Hot", "label file pattern registers loads edge spills anywhere",
                 defaults=({}, False))


def pieces(vector, halves, mode, plain, once=1):
    """The mangled arguments of propagate_pieces<VECTOR, HALVES, MODE, PLAIN, ONCE>."""
    return f"propagate_piecesILi{vector}ELb{halves}ELNS_4modeE{mode}ELb{plain}ELb{once}E"


ALL, ROWS, FROM_ROWS = range(3)
FLOATS = "256 row + 4 column + 4 weight"
HALVES = "128 row + 4 column + 4 weight + 1 exponent (of 32, in L1)"
ACTIVE = "4 column; active: 256 row + 32 map + 32 scale"
CANDIDATE = "a candidate: 256 row + 8"
SLOT = "a slot: 256 row + 4 slot + 4 factor + 4 number of the row"
HOT = [
    Hot("propagate, fp32", "propagate.cu", pieces(4, 0, ALL, 1), 48, 4, FLOATS),
    Hot("propagate + rows or Adam, fp32", "propagate.cu", pieces(4, 0, ALL, 0), 64, 4, FLOATS),
    Hot("propagate_rows, fp32", "propagate.cu", pieces(4, 0, ROWS, 1), 48, 4, FLOATS),
    Hot("propagate_from_rows", "propagate.cu", pieces(4, 0, FROM_ROWS, 1), 48, 4, ACTIVE),
    Hot("propagate_from_rows + rows or Adam", "propagate.cu", pieces(4, 0, FROM_ROWS, 0), 64, 4,
        ACTIVE),
    Hot("propagate, fp16", "propagate.cu", pieces(8, 1, ALL, 1), 48, 4, HALVES),
    Hot("propagate + rows, halves or Adam, fp16", "propagate.cu", pieces(8, 1, ALL, 0), 64, 4,
        HALVES),
    Hot("propagate_rows, fp16", "propagate.cu", pieces(8, 1, ROWS, 1), 48, 4, HALVES),
    # Two addresses, stored once a tile and read once a strip of columns, out of a first-level
    # cache, beside the strip's 32 products; more registers would mean one block on a
    # multiprocessor.
    Hot("keep_survivors<16>", "topk_tensor.cu", "14keep_survivorsILi16E", 128, 0, "",
        spills={100: 16}),
    Hot("score_sample<16>", "topk_tensor.cu", "12score_sampleILi16E", 128, 0, ""),
    Hot("rerank, list in shared memory", "topk.cu", "6rerankILb1E", 64, 8, CANDIDATE,
        anywhere=True),
    Hot("rerank, list in global memory", "topk.cu", "6rerankILb0E", 64, 8, CANDIDATE,
        anywhere=True),
    # A row that counts for nothing is not read: so each load is behind a branch.
    Hot("slot_grad<4>", "slot_loss.cu", "9slot_gradILi4E", 48, 1, SLOT, anywhere=True),
    Hot("slot_loss", "slot_loss.cu", "9slot_lossE", 80, 0, ""),
    Hot("sort_batch", "rows.cu", "10sort_batchE", 32, 0, ""),
    Hot("l2_terms", "l2.cu", "8l2_termsE", 44, 0, ""),
]

# Kernels that are launched with shared memory, by their mangled names -> bytes that they may
# declare themselves: what their launcher leaves of SHARED_BYTES (device.cuh) when it takes most.
STATIC_SHARED = {
    r"10sort_batchE": 128,
    rf"16propagate_piecesI.*4modeE{FROM_ROWS}E": 2048,
    rf"16propagate_piecesI.*4modeE[{ALL}{ROWS}]E": 0,
    r"15solve_gradientsE": 1 << 10,
    r"14solve_directlyE": 1 << 10,
    r"5mergeI": 16 << 10,
    r"6rerankI": 16 << 10,
    r"10raise_barsE": 32 << 10,
    r"15item_neighboursE": 32 << 10,
    r"13nearest_listsE": 1 << 10,
    r"10solve_rowsE": 1 << 10,
}

Resources = namedtuple("Resources", "registers spilled stack shared")
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
            shared = re.search(r"(\d+) bytes smem", line)
            found[name] = Resources(int(match.group(1)), spilled, stack,
                                    int(shared.group(1)) if shared else 0)
            name = None
    return found


# ---- what the sources say ----

def kernels_with_room(text):
    """Names of a file's kernels that are launched with shared memory."""
    parts = re.split(r"^(?=__global__)", text, flags=re.M)
    names = (re.search(r"(?!__launch_bounds__)\b(\w+)\s*\(", part) for part in parts
             if part.startswith("__global__") and "RK_DYNAMIC_SHARED" in part)
    return [match.group(1) for match in names if match]


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


def most_loads(lines):
    return max(map(loads_together, straight_lines(lines)), default=0)


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


# patterns: of STATIC_SHARED, which there are kernels for.
Row = namedtuple("Row", "hot arch resources loads")
Found = namedtuple("Found", "rows problems patterns")
FIRST_THAT_WAITS = 90


def look_at(nvcc, disassembler, root, file, arch):
    """What is Found in a file."""
    with tempfile.TemporaryDirectory() as folder:
        resources, cubin = compile_file(nvcc, root, file, arch, folder)
        functions = disassemble(disassembler, cubin) if disassembler else {}
    rows, problems = [], []
    for hot in HOT:
        for name in resources if hot.file == file else []:
            if hot.pattern in name:
                count = most_loads if hot.anywhere else fewest_loads
                loads = count(functions[name]) if name in functions else None
                rows.append(Row(hot, arch, resources[name], loads))
    for name, lines in functions.items() if int(arch) >= FIRST_THAT_WAITS else []:
        for instruction in early_accesses(lines)[:1]:
            problems.append(f"{file}, sm_{arch}: {name}: {instruction} in front of the wait")
    problems += [f"{file}, sm_{arch}: {problem}" for problem in shared_problems(resources)]
    return Found(rows, problems, {p for p in STATIC_SHARED for n in resources if re.search(p, n)})


def shared_problems(resources):
    for pattern, most in STATIC_SHARED.items():
        for name, of_kernel in resources.items():
            if re.search(pattern, name) and of_kernel.shared > most:
                yield (f"{name}: {of_kernel.shared} bytes of shared memory are declared, {most} "
                       "are left by its launcher")


def unnamed_problems(text):
    for name in kernels_with_room(text):
        if not any(re.match(rf"{len(name)}{name}[EI]", pattern) for pattern in STATIC_SHARED):
            yield f"{name} is launched with shared memory; STATIC_SHARED is out of date"


def problems_of(row):
    where = f"{row.hot.label}, sm_{row.arch}"
    spills = row.hot.spills.get(int(row.arch), 0)
    if row.resources.spilled > spills:
        yield f"{where}: {row.resources.spilled} bytes are spilled, {spills} are allowed"
    if row.resources.registers > row.hot.registers:
        yield f"{where}: {row.resources.registers} registers, {row.hot.registers} are allowed"
    if row.loads is not None and row.loads < row.hot.loads:
        yield f"{where}: {row.loads} loads together, {row.hot.loads} are wanted"


def print_table(rows):
    print("| kernel | architecture | registers | of at most | spilled bytes | of at most | stack |"
          " declared shared memory | 128-bit loads together | bytes an edge, d = 64 |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: (HOT.index(row.hot), int(row.arch))):
        loads = "-" if not row.hot.loads else "not read" if row.loads is None else row.loads
        used, spills = row.resources, row.hot.spills.get(int(row.arch), 0)
        print(f"| {row.hot.label} | sm_{row.arch} | {used.registers} | {row.hot.registers} |"
              f" {used.spilled} | {spills} | {used.stack} | {used.shared} | {loads} |"
              f" {row.hot.edge or '-'} |")


# ---- the checks themselves ----

# What ptxas and cuobjdump say; the loop is at 0x10.
PTXAS = """
ptxas info    : Function properties for _Zgather
    8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 48 registers, used 0 barriers
ptxas info    : Function properties for _Z10sort_batchEv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 136 bytes smem, 448 bytes cmem[0]
"""
SOURCE = """
__global__ void __launch_bounds__(rk::BLOCK, RESIDENT<MULTIPLE>) plain(int n)
{
    __shared__ int used;
}

template <int VECTOR>
__global__ void __launch_bounds__(rk::BLOCK, PLAIN ? 5 : 4)
    with_room(const float *x)
{
    RK_DYNAMIC_SHARED(float, rows);
}

__global__ void sort_batch(int n)
{
    RK_DYNAMIC_SHARED(float, rows);
}
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
    resources = resources_of(PTXAS)
    hot = Hot("gather", "gather.cu", "gather", 40, 4, "", spills={80: 4, 100: 3})
    row = Row(hot, "90", resources["_Zgather"], fewest_loads(lines))
    swapped = "\n".join(lines).replace("R12, R8 ;", "R11, R8 ;").splitlines()
    expected = [("spilled", row.resources, Resources(48, 4, 8, 0)), ("loads", row.loads, 2),
                ("no wait", fewest_loads(swapped), 3), ("most loads", most_loads(swapped), 3),
                ("blocks", len([b for b in straight_lines(lines) if b]), 2),
                ("shared", resources["_Z10sort_batchEv"], Resources(32, 0, 0, 136)),
                ("too much shared", len(list(shared_problems(resources))), 1),
                ("room", kernels_with_room(SOURCE), ["with_room", "sort_batch"]),
                ("unnamed", len(list(unnamed_problems(SOURCE))), 1)]
    expected += [(f"problems, {arch}", len(list(problems_of(row._replace(arch=arch)))), n)
                 for arch, n in (("80", 2), ("90", 3), ("100", 3))]
    return [f"self-test: {what} {got}, expected {wanted}" for what, got, wanted in expected
            if got != wanted]


SKIPPED = "skipped: loads and waits were not looked at (no cuobjdump or nvdisasm)"


def all_problems(found, rows, texts):
    problems = [problem for f in found for problem in f.problems]
    problems += [problem for row in rows for problem in problems_of(row)]
    problems += [f"{file}: {problem}" for file, text in texts.items()
                 for problem in unnamed_problems(text)]
    there = [row.hot for row in rows]
    problems += [f"{hot.label}: there is no such kernel; HOT is out of date" for hot in HOT
                 if hot not in there]
    problems += [f"{pattern}: there is no such kernel; STATIC_SHARED is out of date"
                 for pattern in STATIC_SHARED if not any(pattern in f.patterns for f in found)]
    return problems


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
    folder = os.path.join(arguments.root, "kernels")
    files = sorted(name for name in os.listdir(folder) if name.endswith(".cu"))
    texts = {}
    for file in files:
        with open(os.path.join(folder, file), encoding="utf-8") as source:
            texts[file] = source.read()
    asked = {hot.file for hot in HOT} | {file for file in files if kernels_with_room(texts[file])}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        made = [pool.submit(look_at, nvcc, disassembler, arguments.root, file, arch)
                for file in files for arch in arguments.arch.split(",")
                if file in asked or (disassembler and int(arch) >= FIRST_THAT_WAITS)]
        found = [job.result() for job in made]
    rows = [row for f in found for row in f.rows]
    print_table(rows)
    problems = [] if arguments.no_checks else all_problems(found, rows, texts)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not disassembler:
        print(SKIPPED, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
