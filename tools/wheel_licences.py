#!/usr/bin/env python3
"""The licences of what a wheel brings with it, into its .dist-info/licenses/bundled: of the shared
libraries that auditwheel has put beside it, and of the archives and headers that CMake has compiled
in. They are the copyright files of the Debian packages that these are from, with the common
licences that those refer to.

usage: tools/wheel_licences.py WHEEL BUILD      BUILD: the folder of CMakeCache.txt
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

COMMON = "/usr/share/common-licenses/"


def package_of(path):
    """The Debian package of a file, by its path or, moved or renamed, by its name."""
    real = os.path.realpath(path)
    for pattern in (path, real, re.sub("^/usr", "", real), "*/" + os.path.basename(path)):
        said = subprocess.run(["dpkg", "-S", pattern], capture_output=True, text=True)
        if said.returncode == 0:
            return said.stdout.split(":")[0].split(",")[0]
    sys.exit(f"no Debian package has {path}, so its licence is not known: make the wheel on Debian "
             "or Ubuntu with the libraries of the system")


def shared(folder):
    """As they are called on the system: auditwheel puts a hash before the first dot."""
    for path in sorted(glob.glob(f"{folder}/*.libs/*")):
        yield re.sub(r"^([^.]*)-[0-9a-f]{8,}\.", r"\1.", os.path.basename(path))


def compiled_in(build):
    with open(f"{build}/CMakeCache.txt", encoding="utf-8") as file:
        cache = dict(re.findall(r"(?m)^([^#/:\n]+):[A-Z]+=(.*)$", file.read()))
    yield from sorted({path for name, path in cache.items()
                       if path.endswith(".a") and not name.startswith(("CUDA_", "RANKINE_"))})
    yield os.path.join(cache["RANDOM123_INCLUDE"], "Random123/philox.h")


def main(wheel, build):
    with tempfile.TemporaryDirectory() as scratch:
        run = [sys.executable, "-m", "wheel"]
        subprocess.run([*run, "unpack", "-d", scratch, wheel], check=True,
                       stdout=subprocess.DEVNULL)
        (folder,) = glob.glob(f"{scratch}/rankine-*")
        (info,) = glob.glob(f"{folder}/*.dist-info")
        bundled = f"{info}/licenses/bundled"
        os.makedirs(bundled)
        named = set()
        for path in [*shared(folder), *compiled_in(build)]:
            package = package_of(path)
            print(f"  {os.path.basename(path):32} {package}")
            shutil.copyfile(f"/usr/share/doc/{package}/copyright", f"{bundled}/{package}")
            with open(f"{bundled}/{package}", encoding="utf-8", errors="replace") as file:
                named.update(re.findall(COMMON + r"([\w.+-]*[\w+])", file.read()))
        for name in named:
            shutil.copyfile(COMMON + name, f"{bundled}/{name}")
        with open(f"{info}/METADATA", encoding="utf-8") as file:
            head, blank, rest = file.read().partition("\n\n")
        head += "".join(f"\nLicense-File: bundled/{name}" for name in sorted(os.listdir(bundled)))
        with open(f"{info}/METADATA", "w", encoding="utf-8") as file:
            file.write(head + blank + rest)
        subprocess.run([*run, "pack", "-d", os.path.dirname(os.path.abspath(wheel)), folder],
                       check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
