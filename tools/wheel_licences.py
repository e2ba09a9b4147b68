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


def packages_of(paths):
    """The Debian package of each file, which may have been moved from /lib to /usr/lib."""
    names = {path: (path, os.path.realpath(path), re.sub("^/usr", "", os.path.realpath(path)))
             for path in paths}
    # One question for all, since dpkg reads all its lists of files for each.
    said = subprocess.run(["dpkg", "-S", *sum(names.values(), ())], capture_output=True,
                          text=True).stdout
    owners = {path: re.split("[:,]", owner)[0] for owner, path in
              (line.rsplit(": ", 1) for line in said.splitlines())
              if not owner.startswith("diversion by")}
    for path in paths:
        found = [owners[name] for name in names[path] if name in owners]
        if not found:
            sys.exit(f"no Debian package has {path}, so its licence is not known: make the wheel "
                     "on Debian or Ubuntu with the libraries of the system")
        yield path, found[0]


def shared(folder):
    """Where the system has them: auditwheel puts a hash before the first dot of the name."""
    for path in sorted(glob.glob(f"{folder}/*.libs/*")):
        name = re.sub(r"^([^.]*)-[0-9a-f]{8,}\.", r"\1.", os.path.basename(path))
        found = glob.glob(f"/usr/lib/*/{name}") + glob.glob(f"/usr/lib/*/*/{name}")
        yield found[0] if found else name


def compiled_in(build):
    with open(f"{build}/CMakeCache.txt", encoding="utf-8") as file:
        cache = dict(re.findall(r"(?m)^([^#/:\n]+):[A-Z]+=(.*)$", file.read()))
    yield from sorted({path for name, path in cache.items()
                       if path.endswith(".a") and not name.startswith("CUDA_")})
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
        for path, package in packages_of([*shared(folder), *compiled_in(build)]):
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
