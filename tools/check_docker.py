#!/usr/bin/env python3
"""Checks that the Dockerfile agrees with the rest of the project; needs no container engine.

usage: check_docker.py [ROOT]              lists the problems, exits 1 if there are any
       check_docker.py --configure [ROOT]  whether CMake takes what the build stage copies
       check_docker.py --self-test         checks the checks
"""
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

KNOWN = {"FROM", "ARG", "RUN", "COPY", "ENV", "WORKDIR", "USER", "ENTRYPOINT", "CMD", "STOPSIGNAL"}
PACKAGES = "install_packages.sh"
# Other programs that could install or download something.
FETCHES = r"\b(apt|apt-get|dpkg|pip3?|conda|npm|curl|wget|git)\b"


class Problem(Exception):
    """The Dockerfile does not parse."""


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def instructions(text):
    """(line, WORD, arguments) of each instruction; comments dropped, continued lines joined."""
    result, parts, begin = [], [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        begin = begin or number
        more = line.rstrip().endswith("\\")
        parts.append(line.rstrip().removesuffix("\\").strip())
        if not more:
            word, _, arguments = " ".join(parts).partition(" ")
            if word not in KNOWN:
                raise Problem(f"Dockerfile:{begin}: {word} is not an instruction known here")
            if not arguments.strip():
                raise Problem(f"Dockerfile:{begin}: {word} says nothing")
            result.append((begin, word, arguments.strip()))
            parts, begin = [], 0
    if parts:
        raise Problem(f"Dockerfile:{begin}: the last line asks for another one")
    return result


def expand(text, values, line):
    """The text with ${NAME} filled in; a name that no ARG declares is an error."""
    def value(match):
        if match[1] not in values:
            raise Problem(f"Dockerfile:{line}: {match[0]} is not declared by an ARG in reach")
        return values[match[1]]
    return re.sub(r"\$\{(\w+)\}", value, text)


def stages(text):
    """Per stage: image, name, and its instructions with the arguments filled in."""
    result, outer, values = [], {}, {}
    for line, word, arguments in instructions(text):
        if word == "FROM":
            match = re.fullmatch(r"(\S+)(?: AS (\w+))?", expand(arguments, outer, line))
            if not match:
                raise Problem(f"Dockerfile:{line}: not FROM IMAGE [AS NAME]")
            values = {"PATH": "/usr/bin"}
            result.append({"image": match[1], "name": match[2], "body": []})
        elif word == "ARG":
            name, _, default = arguments.partition("=")
            (values if result else outer)[name] = expand(default, values or outer, line)
        elif not result:
            raise Problem(f"Dockerfile:{line}: {word} before the first FROM")
        else:
            result[-1]["body"].append((line, word, expand(arguments, values, line)))
    if len(result) < 2:
        raise Problem("Dockerfile: one stage to build and one to run are expected")
    return result


def exec_form(arguments):
    """The list of ["...", ...], None for the shell form."""
    try:
        words = json.loads(arguments)
    except ValueError:
        return None
    return words if isinstance(words, list) and all(isinstance(w, str) for w in words) else None


def ignored(root, path):
    """Whether .dockerignore keeps the path from the builder (the last matching line decides)."""
    result = False
    for line in read(root, ".dockerignore").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        keep = pattern.startswith("!")
        pattern = pattern.lstrip("!").strip("/")
        names = ["/".join(path.split("/")[: n + 1]) for n in range(path.count("/") + 1)]
        if any(fnmatch.fnmatchcase(name, pattern) for name in names):
            result = not keep
    return result


def check_copies(root, stage, names):
    for line, word, arguments in stage["body"]:
        if word != "COPY":
            continue
        sources = shlex.split(arguments)[:-1]
        if sources and sources[0].startswith("--from="):
            if sources[0].removeprefix("--from=") not in names:
                yield f"Dockerfile:{line}: no stage of that name: {sources[0]}"
            continue
        for source in sources:
            if not os.path.exists(os.path.join(root, source)):
                yield f"Dockerfile:{line}: COPY of {source}, which is not in the project"
            elif ignored(root, source):
                yield f"Dockerfile:{line}: COPY of {source}, which .dockerignore keeps out"


def check_packages(root, stage, wanted):
    """Only the package script installs anything, with the groups that the stage needs."""
    groups = []
    for line, word, arguments in stage["body"]:
        if word != "RUN":
            continue
        for match in re.finditer(r"\S*" + re.escape(PACKAGES) + r"((?: [a-z]+)+)", arguments):
            groups += match[1].split()
        bare = arguments.replace("/var/lib/apt/lists", "")
        for match in re.finditer(FETCHES, bare):
            yield f"Dockerfile:{line}: {match[0]}: only tools/{PACKAGES} may install"
    if groups != wanted:
        yield f"Dockerfile: the stage on {stage['image']} installs {groups}, it needs {wanted}"
    for group in groups:
        script = os.path.join(root, "tools", PACKAGES)
        if subprocess.run(["bash", script, "--print", group], capture_output=True).returncode:
            yield f"Dockerfile: tools/{PACKAGES} has no group {group}"


def check_images(root, build, run):
    """Both stages use one CUDA version, new enough, on a distribution the package script knows."""
    pattern = r"nvidia/cuda:(\d+\.\d+\.\d+)-(devel|runtime)-(ubuntu|debian)(\d+(?:\.\d+)?)"
    found = []
    for stage, flavour in ((build, "devel"), (run, "runtime")):
        match = re.fullmatch(pattern, stage["image"])
        if not match or match[2] != flavour:
            yield f"Dockerfile: {stage['image']} is not an nvidia/cuda:VERSION-{flavour}-SYSTEM"
            return
        found.append((match[1], match[3], match[4]))
    if found[0] != found[1]:
        yield f"Dockerfile: built on {build['image']} but run on {run['image']}"
    version, system, release = found[0]
    cuda = read(root, "cmake/cuda.cmake")
    number = tuple(int(part) for part in version.split("."))
    needed = re.search(r"find_package\(CUDAToolkit (\d+)\.(\d+) REQUIRED", cuda)
    if not needed or number < tuple(int(part) for part in needed.groups()):
        yield f"Dockerfile: CUDA {version} is older than cmake/cuda.cmake takes"
    listed = re.search(r"RANKINE_CUDA_RELEASE_ARCHITECTURES ([\w\- ]+)\)", cuda)
    newest = max(int(part) for part in re.findall(r"\d+", listed[1])) if listed else 0
    if newest >= 100 and number < (12, 8):
        yield f"Dockerfile: CUDA {version} cannot compile for {newest}, 12.8 is the first"
    if f"{system}-{release})" not in read(root, "tools/" + PACKAGES):
        yield f"Dockerfile: tools/{PACKAGES} does not know {system} {release}"


def check_build(build):
    text = " ".join(arguments for _, word, arguments in build["body"] if word == "RUN")
    for wanted in ("-D RANKINE_CUDA=ON", "-D CMAKE_CUDA_ARCHITECTURES=release"):
        if wanted not in text:
            yield f"Dockerfile: the build does not say {wanted}"


def check_run(run):
    """How the image starts: the installed program itself, as an unprivileged user, in /data."""
    last = {word: (line, arguments) for line, word, arguments in run["body"]}
    line, arguments = last.get("ENTRYPOINT", (0, ""))
    if exec_form(arguments) != ["/opt/rankine/bin/rankine"]:
        yield f"Dockerfile:{line}: ENTRYPOINT is not the program alone, in the form that execs it"
    line, arguments = last.get("CMD", (0, "[]"))
    if exec_form(arguments) is None:
        yield f"Dockerfile:{line}: CMD is not in the form that execs"
    line, arguments = last.get("USER", (0, ""))
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", arguments):
        yield f"Dockerfile:{line}: USER is not the numbers of somebody but root"
    line, arguments = last.get("WORKDIR", (0, ""))
    if arguments != "/data":
        yield f"Dockerfile:{line}: WORKDIR is not /data"
    if last.get("STOPSIGNAL", (0, "SIGTERM"))[1] != "SIGTERM":
        yield "Dockerfile: the program checkpoints on SIGTERM"


def problems(root):
    try:
        found = stages(read(root, "Dockerfile"))
        build, run = found[0], found[-1]
        result = []
        for stage in found:
            result += check_copies(root, stage, [other["name"] for other in found])
        result += check_packages(root, build, ["build", "cuda"])
        result += check_packages(root, run, ["runtime"])
        result += check_images(root, build, run)
        result += check_build(build)
        result += check_run(run)
        return result
    except Problem as problem:
        return [str(problem)]


def configure(root):
    """Problems of CMake with those files alone that the build stage copies; compiles nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        source = os.path.join(scratch, "source")
        for _, word, arguments in stages(read(root, "Dockerfile"))[0]["body"]:
            if word != "COPY":
                continue
            *names, to = shlex.split(arguments)
            for name in names:
                inside = os.path.join(source, to, "" if to.endswith("/") else ".")
                if os.path.isdir(os.path.join(root, name)):
                    shutil.copytree(os.path.join(root, name), os.path.normpath(inside))
                else:
                    os.makedirs(inside, exist_ok=True)
                    shutil.copy(os.path.join(root, name), inside)
        done = subprocess.run(
            ["cmake", "-S", source, "-B", os.path.join(scratch, "build"), "-D",
             "CMAKE_BUILD_TYPE=Release", "-D", "RANKINE_TESTS=OFF", "-D", "RANKINE_CUDA=OFF"],
            capture_output=True, text=True, check=False)
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return lines[:20] or ["cmake failed"] if done.returncode else []


def self_test(root):
    """Each of these changes to the real Dockerfile must be noticed."""
    damages = {
        "RUN tools/": "RUN apt-get install gcc && tools/",
        "install_packages.sh runtime": "install_packages.sh format",
        "COPY kernels kernels": "COPY kernel kernels",
        "COPY configs configs": "COPY docs docs",
        "--from=build": "--from=builder",
        'ENTRYPOINT ["/opt/rankine/bin/rankine"]': "ENTRYPOINT /opt/rankine/bin/rankine",
        "USER 1000:1000": "USER root",
        "WORKDIR /data": "WORKDIR /",
        "STOPSIGNAL SIGTERM": "STOPSIGNAL SIGKILL",
        "CUDA_VERSION=13.0.2": "CUDA_VERSION=12.2.2",
        "-devel-ubuntu24.04": "-devel-ubuntu20.04",
        "-runtime-": "-base-",
        "-D RANKINE_CUDA=${RANKINE_CUDA}": "",
        "${CUDA_ARCHITECTURES}": "${ARCHITECTURES}",
        "CUDA_ARCHITECTURES=release": "CUDA_ARCHITECTURES=90",
        "USER 1000": "USERS 1000",
        'CMD ["help"]': "CMD \\",
    }
    failures = problems(root)
    text = read(root, "Dockerfile")
    with tempfile.TemporaryDirectory() as copy:
        for name in ("cmake", "configs", "docs", "include", "kernels", "src", "tools"):
            os.symlink(os.path.join(root, name), os.path.join(copy, name))
        for name in (".dockerignore", "CMakeLists.txt", "LICENSE"):
            shutil.copy(os.path.join(root, name), copy)
        for before, after in damages.items():
            if before not in text:
                failures.append(f"self-test: the Dockerfile does not hold: {before}")
            with open(os.path.join(copy, "Dockerfile"), "w", encoding="utf-8") as file:
                file.write(text.replace(before, after))
            if not problems(copy):
                failures.append(f"self-test: not noticed: {before} -> {after}")
        with open(os.path.join(copy, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write(text.replace("COPY kernels kernels\n", ""))
        if not configure(copy):
            failures.append("self-test: not noticed: a folder that CMake needs is not copied")
    return failures


def main():
    arguments = sys.argv[1:]
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if arguments[:1] == ["--self-test"]:
        found = self_test(here)
    elif arguments[:1] == ["--configure"]:
        found = configure(os.path.abspath(arguments[1]) if arguments[1:] else here)
    else:
        found = problems(os.path.abspath(arguments[0]) if arguments else here)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
