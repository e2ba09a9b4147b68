"""The folder that travels: this script, and programs, tests, bench, libraries of others and a data
set in one archive, which the first stage unpacks."""
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOST_BYTES = 60e6

# Where a pack has a program, and where a build has it: of a GPU's, and of the emulated device's.
PROGRAMS = (
    ("build/bin/rankine", "bin/rankine", "tests/emu/emu_rankine_plain"),
    ("build/bench/bench_worker", "bench/bench_worker", "tests/emu/emu_bench_worker_plain"),
    ("build/bench/bench_cusparse", "bench/bench_cusparse", "tests/emu/emu_bench_cusparse_plain"),
    ("build/tests/test_cuda", "tests/test_cuda", "tests/emu/emu_cuda_plain"),
    ("build/tests/test_parity", "tests/test_parity", "tests/emu/emu_parity_plain"),
    ("build/tests/test_devices", "tests/test_devices", "tests/emu/emu_devices_plain"),
    ("build/tests/test_every_model", "tests/test_every_model", "tests/emu/emu_every_model_plain"),
    ("build/tests/test_large", "tests/test_large", "tests/emu/emu_large_plain"),
)
TREES = ("bench/run", "bench/harness", "bench/configs", "configs")
TARGETS = {False: [row[1].split("/")[-1].replace("rankine", "rankine_cli") for row in PROGRAMS],
           True: [row[2].split("/")[-1] for row in PROGRAMS]}  # fmt: skip

# glibc must be that of the running loader; CUDA's libraries are large, and there where a GPU is.
GLIBC = re.compile(r"(ld-linux.*|lib(c|m|mvec|dl|rt|pthread|resolv|util|anl|nsl))\.so")
CUDA = re.compile(r"lib(cuda|cudart|cublas|cublasLt|cusparse|cusolver|curand|nvJitLink)\.so")
# Older ones than the machine's must not stand in front of what its own libraries need.
LAST_RESORT = re.compile(r"lib(stdc\+\+|gcc_s)\.so")


def needed_by(program):
    """{name: path} of every shared library that the loader finds for a program here."""
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow:
            if rest.startswith("not found"):
                sys.exit(f"gpu_check pack: {program} needs {name}, which is not here")
            found[name] = rest.split(" (")[0]
    return found


def copy_program(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(source, target)
    if shutil.which("strip"):  # the host's debug information; a kernel's source lines stay
        subprocess.run(["strip", "--strip-debug", target], check=True)


def copy_libraries(folder, programs):
    """Into lib/, and into lib/last what is only for machines without it; CUDA's are named."""
    libraries, cuda = {}, set()
    for program in programs:
        for name, path in needed_by(program).items():
            if CUDA.match(name):
                cuda.add(name)
            elif not GLIBC.match(name):
                libraries[name] = path
    for name, path in libraries.items():
        place = os.path.join(folder, "lib", "last" if LAST_RESORT.match(name) else "")
        os.makedirs(place, exist_ok=True)
        shutil.copy(os.path.realpath(path), os.path.join(place, name))
    return sorted(cuda)


def copy_data(source, folder):
    """The text files."""
    name = os.path.basename(os.path.realpath(source))
    target = os.path.join(folder, "data", name)
    os.makedirs(target)
    for file in sorted(os.listdir(source)):
        if file.endswith((".txt", ".csv")):
            shutil.copyfile(os.path.join(source, file), os.path.join(target, file))
    return name


def copy_trees(folder):
    for tree in TREES:
        source, target = os.path.join(SOURCE, tree), os.path.join(folder, tree)
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)


def bytes_of(folder):
    return sum(os.path.getsize(os.path.join(path, name))
               for path, _, names in os.walk(folder) for name in names)  # fmt: skip


def described(command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def make(options):
    build = options.build or os.path.join(
        SOURCE, "build", "release" if options.emulated else "cuda-check"
    )
    column = 2 if options.emulated else 1
    absent = [row[column] for row in PROGRAMS if not os.path.exists(f"{build}/{row[column]}")]
    if absent:
        preset = "release" if options.emulated else "cuda-check"
        targets = " ".join(TARGETS[options.emulated])
        sys.exit(f"gpu_check pack: {build} lacks {', '.join(absent)}; first\n  cmake --preset "
                 f"{preset}\n  cmake --build {build} --target {targets}")  # fmt: skip
    folder = options.folder
    if os.path.exists(folder) and not os.path.exists(os.path.join(folder, "pack.json")):
        sys.exit(f"gpu_check pack: {folder} is there and was not made by this script")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.dirname(os.path.abspath(__file__)), os.path.join(folder, "gpu_check"),
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    sources = [os.path.join(build, row[column]) for row in PROGRAMS]
    with tempfile.TemporaryDirectory(prefix="rankine-pack-") as inside:
        for row, source in zip(PROGRAMS, sources):
            copy_program(source, os.path.join(inside, row[0]))
        cuda = copy_libraries(inside, sources)
        copy_trees(inside)
        about = {
            "data": copy_data(options.data, inside),
            "emulated": options.emulated,
            "cuda_libraries": cuda,
            "revision": described(["git", "-C", SOURCE, "describe", "--always", "--dirty"]),
            "glibc": described(["getconf", "GNU_LIBC_VERSION"]),
        }
        sizes = {name: bytes_of(os.path.join(inside, name)) for name in ("build", "lib", "data")}
        with tarfile.open(os.path.join(folder, "pack.tar.gz"), "w:gz",
                          compresslevel=1 if options.emulated else 9) as archive:
            for name in sorted(os.listdir(inside)):
                archive.add(os.path.join(inside, name), arcname=name)
    with open(os.path.join(folder, "pack.json"), "w", encoding="utf-8") as file:
        json.dump(about, file, indent=1)
    size = bytes_of(folder)
    print(f"packed {folder}: {size / 1e6:.1f} MB ("
          + ", ".join(f"{name} {bytes_ / 1e6:.1f}" for name, bytes_ in sizes.items())
          + f" MB unpacked); data set {about['data']}; there it needs "
          f"{', '.join(cuda) or 'no library of CUDA'}")  # fmt: skip
    if size > MOST_BYTES:
        sys.exit(f"gpu_check pack: more than {MOST_BYTES / 1e6:.0f} MB")
