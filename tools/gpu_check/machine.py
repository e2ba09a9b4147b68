"""Where CUDA's libraries and tools are on a machine, and what the machine says of itself."""
import glob
import os
import shutil
import subprocess
import sys


def toolkits():
    """Folders of CUDA Toolkits, the named one first."""
    named = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT")]
    compiler = shutil.which("nvcc")
    if compiler:
        named.append(os.path.dirname(os.path.dirname(os.path.realpath(compiler))))
    named += ["/usr/local/cuda", *sorted(glob.glob("/usr/local/cuda-*"), reverse=True), "/opt/cuda"]
    return [folder for folder in named if folder and os.path.isdir(folder)]


def library_folders():
    """Where to look: the toolkit, then the wheels nvidia-* of this Python and of others."""
    for folder in toolkits():
        yield from (f"{folder}/lib64", f"{folder}/lib", f"{folder}/targets/x86_64-linux/lib")
    sites = [path for path in sys.path if path]
    sites += glob.glob("/opt/*/.venv/lib/python3*/site-packages")
    sites += glob.glob("/opt/*/lib/python3*/site-packages")
    sites += glob.glob("/usr/local/lib/python3*/dist-packages")
    sites += glob.glob("/usr/local/lib/python3*/site-packages")
    for site in sites:
        yield from sorted(glob.glob(f"{site}/nvidia/*/lib"))


def in_cache(name):
    """A library as the loader's own cache has it."""
    program = shutil.which("ldconfig") or "/sbin/ldconfig"
    try:
        text = subprocess.run([program, "-p"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    for line in text.splitlines():
        if line.strip().startswith(name + " ") and " => " in line:
            return line.split(" => ")[1].strip()
    return None


def find_libraries(names):
    """{name: path or None}."""
    folders = list(library_folders())
    found = {}
    for name in names:
        paths = [os.path.join(folder, name) for folder in folders]
        found[name] = next((path for path in paths if os.path.exists(path)), None) or in_cache(name)
    return found


def find_tool(name):
    """Path of a tool of the toolkit's, or None."""
    places = [shutil.which(name)]
    places += [f"{folder}/bin/{name}" for folder in toolkits()]
    places += [f"{folder}/{name}/{name}" for folder in toolkits()]  # compute-sanitizer's own
    places += sorted(glob.glob(f"/opt/nvidia/*/*/{name}"), reverse=True)
    return next((place for place in places if place and os.access(place, os.X_OK)), None)


def search_path(root, found):
    """LD_LIBRARY_PATH for the packed programs: what is set, CUDA's folders, the packed ones."""
    folders = [os.environ.get("LD_LIBRARY_PATH", "")]
    folders += [os.path.dirname(path) for path in found.values() if path]
    folders.append(os.path.join(root, "lib"))
    return ":".join(dict.fromkeys(folder for folder in folders if folder))


def unresolved(program, path):
    """Names that the loader does not find for a program."""
    environment = dict(os.environ, LD_LIBRARY_PATH=path)
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=False,
                          env=environment)  # fmt: skip
    lines = (text.stdout + text.stderr).splitlines()
    return [line.strip() for line in lines if "not found" in line], text.stdout
