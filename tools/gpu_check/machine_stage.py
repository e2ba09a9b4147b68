"""The first stage: nothing else can work without it."""
import os
import platform
import tarfile

import machine
from runner import Result


def unpack(check):
    with tarfile.open(os.path.join(check.options.pack, "pack.tar.gz")) as archive:
        archive.extractall(check.root)


def find_libraries(check):
    """Their folders, lines for machine.txt, and what the programs still lack."""
    found = machine.find_libraries(check.about["cuda_libraries"])
    lines = ["", "# CUDA's libraries"] + [f"{name}: {path}" for name, path in found.items()]
    path, lacks = machine.search_path(check.root, found), set()
    programs = [check.program(name, "build") for name in ("rankine", "test_cuda", "bench_worker")]
    if any(machine.unresolved(program, path)[0] for program in programs):
        path += ":" + os.path.join(check.root, "lib", "last")
    lines += ["", f"LD_LIBRARY_PATH={path}"]
    for program in programs:
        missing, text = machine.unresolved(program, path)
        lacks |= {line.split(" ")[0] for line in missing}
        lines += ["", f"# ldd {program}", text.rstrip()]
    return path, lines, sorted(lacks)


def write_starters(check, path):
    """run/ has the folders and names of build/, each a script that sets LD_LIBRARY_PATH: the
    toolkit's tools, Python and PyTorch are not to find the packed libraries before their own."""
    build, starters = os.path.join(check.root, "build"), os.path.join(check.root, "run")
    for folder, _, names in os.walk(build):
        target = os.path.join(starters, os.path.relpath(folder, build))
        os.makedirs(target, exist_ok=True)
        for name in names:
            with open(os.path.join(target, name), "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\nLD_LIBRARY_PATH='{path}' exec '{folder}/{name}' \"$@\"\n")
            os.chmod(os.path.join(target, name), 0o755)


def ask_driver(check):
    smi = machine.find_tool("nvidia-smi")
    if not smi:
        return ["", "# nvidia-smi", "not there"]
    short = check.command([smi, "--query-gpu=name,driver_version,memory.total,clocks.max.sm",
                           "--format=csv,noheader"], most=10)  # fmt: skip
    whole = check.command([smi], most=10)
    if short.rc == 0 and short.text.strip():
        fields = short.text.strip().splitlines()[0].split(", ")
        check.facts["driver"] = fields[1] if len(fields) > 1 else short.text.strip()
    return ["", "# nvidia-smi", short.text.rstrip(), whole.text.rstrip()]


def look(check):
    lines = [f"# {check.facts['command']}", check.facts["begun"], str(check.about), ""]
    check.facts["host"] = (
        f"{platform.platform()}, {os.cpu_count()} cores, {' '.join(platform.libc_ver())}, "
        f"Python {platform.python_version()}"
    )
    lines.append(check.facts["host"])
    unpack(check)
    path, more, lacks = find_libraries(check)
    write_starters(check, path)
    lines += more + ask_driver(check)
    info = check.command([check.program("rankine"), "info", "--devices"], most=15)
    lines += ["", "# rankine info --devices", info.text.rstrip()]
    with open(check.path("machine.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    device = next((line.strip() for line in info.text.splitlines()
                   if line.strip().startswith("cuda")), "")  # fmt: skip
    check.facts["device"] = device
    if lacks:
        return Result("failed", f"not found: {', '.join(lacks)}", 1)
    if info.rc != 0 or "not usable" in device or not device:
        return Result("failed", device or info.text.strip()[-200:], info.rc or 1)
    return Result("passed", device)
