#!/usr/bin/env python3
"""Checks who includes whom: the layers of CONTRIBUTING.md against the #include lines.

usage: check_layers.py [ROOT]      lists violations as file:line: text, exits 1 if there are any
       check_layers.py --self-test checks the checks
"""
import os
import re
import sys
import tempfile

import sources

# Room -> the rooms below it that it may include, besides its own headers.
LAYERS = {
    "base": "",
    "config": "base",
    "io": "base",
    "graph": "base",
    "ops": "base",
    "data": "base config io graph",
    "dist": "base",
    "device": "base dist ops",
    "device/cpu": "base dist ops device",
    "device/cuda": "base dist ops device kernels",
    "models": "base config data graph ops",
    "engine": "base dist config data graph ops device models",
    "eval": "base config data",
    "score": "base dist config data graph ops device models engine eval",
    "page": "base config",
    "train": "base dist config io data graph ops device models engine eval score page",
    "api": "base dist config io data graph ops device models engine eval score page train",
    "sweep": "base dist config io data models page train",
    "text": "",
    "serve": "text",
    "cli": "text",
    "kernels": "",
}
# Files that may include more than their room: each knows everything of a kind.
FILES = {
    "src/device/registry.c": {"device/cpu", "device/cuda"},
    "cli": {"serve/serve.h"},
    "kernels": {"base/choices.h", "base/philox.h", "ops/activation.h", "ops/basis_draw.h",
                "ops/call.h", "ops/dropout_draw.h", "ops/edge_attend_inputs.h", "ops/edge_draw.h",
                "ops/half_rows.h", "ops/init_draw.h", "ops/list_loss.h", "ops/logit.h",
                "ops/node.h", "ops/noise_draw.h", "ops/normalise.h", "ops/ops.def",
                "ops/sample_draw.h", "ops/schedule.h", "ops/score_rank.h", "ops/similar_value.h",
                "ops/slim_step.h", "ops/slot_loss.h", "ops/step_state.h"},
}
# Headers of other libraries -> the only rooms that see them.
LIBRARIES = {
    r"hdf5\w*\.h|H5\w+\.h": "io",
    r"yaml\.h": "config api sweep",
    r"zlib\.h": "data api",
    r"zstd\w*\.h": "data",
    r"jansson\.h": "data page serve",
    r"microhttpd\.h": "serve",
    r"utf8proc\.h": "data",
    r"mpi\.h": "dist",
    r"dlfcn\.h": "dist device/cuda",
    r"cblas\.h|openblas_config\.h": "device/cpu",
    r"Random123/.*": "base",
    r"curand_philox4x32_x\.h": "base kernels",
    r"(?!curand_philox)(?:cu(?:da|blas|sparse|solver|rand)|nvtx).*": "device/cuda kernels",
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', re.M)


def room_of(path):
    """'device/cpu' of src/device/cpu/gather.c or of device/cpu/cpu.h; None outside the rooms."""
    parts = path.removeprefix("src/").split("/")[:-1]
    for depth in (2, 1):
        if "/".join(parts[:depth]) in LAYERS:
            return "/".join(parts[:depth])
    return None


def verdict(path, header, system):
    """What is wrong with this include, or None."""
    room = room_of(path)
    for pattern, rooms in LIBRARIES.items():
        if re.fullmatch(pattern, header) and room not in rooms.split():
            return f"{room} includes {header}, which only {rooms} may"
    if system:
        return None
    if header.startswith("rankine/"):  # the public interface: statuses go all the way down
        low = room in ("base", "kernels", "io", "graph", "ops", "dist")
        if low and header not in ("rankine/status.h", "rankine/hooks.h"):
            return f"{room} includes {header}; it may see rankine/status.h and hooks.h only"
        return None
    other = room_of(header)
    if other is None or other == room or other in LAYERS[room].split():
        return None
    extra = FILES.get(path, set()) | FILES.get(room, set())
    if other in extra or header in extra:
        return None
    allowed = LAYERS[room] or "nothing"
    return f"{room} includes {header}; it may include {allowed}, and the public headers"


def check(root):
    problems = []
    for path in sources.find(root, (".c", ".h", ".cu", ".cuh", ".def")):
        public = path.startswith("include/")
        if not public and not path.startswith(("src/", "kernels/")):
            continue
        if not public and room_of(path) is None:
            problems.append(f"{path}:1: not in a room that check_layers.py knows; add it to LAYERS")
            continue
        text = sources.read(root, path)
        for match in INCLUDE.finditer(text):
            quote, header = match.groups()
            problem = None
            if not public:
                problem = verdict(path, header, quote == "<")
            elif not header.startswith("std" if quote == "<" else "rankine/"):
                problem = f"a public header includes {header}"
            if problem:
                problems.append(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {problem}")
    return problems


SELF_TEST = [  # (path, include, allowed)
    ("src/train/trainer.c", '"models/model.h"', True),
    ("src/models/lightgcn.c", '"train/step.h"', False),
    ("src/models/lightgcn.c", '"device/device.h"', False),
    ("src/device/cpu/adam.c", '"device/device.h"', True),
    ("src/device/cpu/adam.c", '"device/cuda/stream.h"', False),
    ("src/device/cpu/adam.c", "<cblas.h>", True),
    ("src/device/registry.c", '"device/cpu/cpu.h"', True),
    ("src/device/program.c", '"device/cpu/cpu.h"', False),
    ("src/data/dataset.c", "<hdf5.h>", False),
    ("src/io/file.c", "<hdf5.h>", True),
    ("src/cli/main.c", '"rankine/rankine.h"', True),
    ("src/cli/main.c", '"cli.h"', True),
    ("src/cli/main.c", '"base/alloc.h"', False),
    ("src/cli/cmd_serve.c", '"serve/serve.h"', True),
    ("src/cli/cmd_serve.c", '"serve/world.h"', False),
    ("src/serve/world.c", '"base/alloc.h"', False),
    ("src/serve/http.c", "<microhttpd.h>", True),
    ("src/base/alloc.c", '"rankine/status.h"', True),
    ("src/base/alloc.c", '"rankine/dataset.h"', False),
    ("src/base/alloc.c", '"ops/program.h"', False),
    ("src/attic/a.c", "<stdio.h>", False),
    ("kernels/adam.cu", '"base/philox.h"', True),
    ("kernels/adam.cu", '"base/alloc.h"', False),
    ("include/rankine/train.h", '"rankine/config.h"', True),
    ("include/rankine/train.h", "<hdf5.h>", False),
]


def self_test():
    wrong = []
    for path, header, allowed in SELF_TEST:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, os.path.dirname(path)))
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(f"#include {header}\n")
            found = check(root)
        if (not found) != allowed:
            wrong.append(f"{path} including {header}: found {found}")
    return wrong


def main():
    argument = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")
    problems = self_test() if argument == "--self-test" else check(argument)
    print("\n".join(problems) if problems else "layers: nothing to complain about")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
