"""What is to be known of the CUDA device, from minutes on a machine with a GPU.

  python3 tools/gpu_check pack [--build DIR] [--data DIR] [--emulated] FOLDER
  python3 FOLDER/gpu_check run --out DIR [--limit SECONDS]
  python3 FOLDER/gpu_check rerun --out DIR STAGE...
  python3 tools/gpu_check stages

`pack` puts programs, tests, bench, libraries and a data set into one folder that needs nothing
where it is taken but Python, glibc and the CUDA libraries. `run` does every stage there, the most
valuable first, each under a cap of seconds, and writes as it goes; DIR then holds at most eight
files, laid out as bench/results/gpu/README.md says. `rerun` does single stages in 120 s. No stage
stops the others.
"""
import argparse
import os
import sys

import pack
import stages
from runner import Check

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)  # of a pack; in the source tree it is tools/, which has no pack.json


def parse_arguments():
    names = [stage.name for stage in stages.ALL]
    parser = argparse.ArgumentParser(
        prog="gpu_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("pack", help="everything into one folder")
    one.add_argument("folder", help="the folder to make; one that is there is replaced")
    one.add_argument("--build", help="default: build/cuda-check, emulated build/release")
    one.add_argument("--data", default=os.path.join(pack.SOURCE, "../shared/data/gowalla"),
                     help="folder with a data set that bench/run knows")  # fmt: skip
    one.add_argument("--emulated", action="store_true",
                     help="the CUDA device executed on the CPU, tiny sizes: a test of this")
    for name, limit, text in (("run", 570, "every stage"), ("rerun", 120, "single stages")):
        one = commands.add_parser(name, help=f"{text}, at most {limit} s")
        one.add_argument("--out", required=True, help="folder for the results")
        one.add_argument("--limit", type=float, default=limit, help="seconds for all of it")
        one.add_argument("--pack", default=ROOT, help="the packed folder; default: this one")
        if name == "rerun":
            one.add_argument("stages", nargs="+", choices=names, metavar="STAGE",
                             help=", ".join(names))  # fmt: skip
    commands.add_parser("stages", help="list them")
    return parser.parse_args()


def main():
    options = parse_arguments()
    if options.command == "pack":
        pack.make(options)
    elif options.command == "stages":
        for stage in stages.ALL:
            print(f"{stage.name:12} {stage.cap:4} s  {stage.about}")
    else:
        if not os.path.exists(os.path.join(options.pack, "pack.json")):
            sys.exit(f"gpu_check: {options.pack} is no packed folder: make one with "
                     "python3 tools/gpu_check pack FOLDER")  # fmt: skip
        wanted = getattr(options, "stages", None)
        Check(options).run([stage for stage in stages.ALL
                            if not wanted or stage.name in wanted or stage.name == "machine"])


if __name__ == "__main__":
    main()
