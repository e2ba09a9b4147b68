"""CUDA's libraries, for a wheel with the CUDA device: it brings none of them.

They are those of PyPI (pip install 'rankine[cuda]') if these are installed, else what the loader
finds, else a toolkit's: of CUDA_HOME, of CUDA_PATH, or where it usually is. lib/cuda.txt, which no
other wheel has, names them, each behind those that it needs itself. The command `rankine` runs this
file, too, so it needs nothing of the package.
"""
from __future__ import annotations

import ctypes
import glob
import os
import sys

_FOLDER = os.path.dirname(os.path.abspath(__file__))


def needed() -> list[str]:
    """The names of their files; none in a build without CUDA."""
    try:
        with open(os.path.join(_FOLDER, "lib", "cuda.txt"), encoding="ascii") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def _places() -> list[str]:
    packages = [place for site in dict.fromkeys([os.path.dirname(_FOLDER), *sys.path])
                for place in sorted(glob.glob(os.path.join(site, "nvidia", "*", "lib")))]
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    return [*packages, "", *(os.path.join(home, "lib64") for home in homes if home)]


def load() -> list[str]:
    """Loads what is needed; librankine then finds it. ImportError if something is not there."""
    used, missing = [], []
    places = _places() if needed() else []
    for name in needed():
        for place in places:
            if place and not os.path.exists(os.path.join(place, name)):
                continue
            try:
                ctypes.CDLL(os.path.join(place, name))
            except OSError:
                continue
            used.append(place)
            break
        else:
            missing.append(name)
    if missing:
        raise ImportError(
            f"this build of rankine has the CUDA device and needs {', '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not here: pip install 'rankine[cuda]' brings "
            "CUDA's libraries, as does NVIDIA's toolkit (CUDA_HOME says where); for the CPU alone "
            "install the wheel without CUDA")
    return [place for place in dict.fromkeys(used) if place]


def environment() -> dict[str, str]:
    """This process's, in which the program finds them, too."""
    before = os.environ.get("LD_LIBRARY_PATH")
    places = [*load(), *([before] if before else [])]
    return {**os.environ, **({"LD_LIBRARY_PATH": ":".join(places)} if places else {})}
