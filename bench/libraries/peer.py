"""What the workers of bench/peers share: one model of one library in a process of its own that is
asked one thing at a time.

A command is a line of JSON {"do": NAME, ...} on standard input, its answer a line on standard
output; what the library itself prints goes to standard error. Users and items are Rankine's dense
indices (bench_answers: lists).

  epochs N        N more epochs, or the one fit of a model without epochs: {"seconds"}
  lists K FILE    the K best items of every user without those of train, i32 [users, K], best
                  first, -1 where there are fewer: {"seconds"}
"""

import argparse
import json
import os
import sys
import time

import numpy
import scipy.sparse


def read_part(folder, part):
    """Of all users: where their items begin, and the items."""
    offsets = numpy.fromfile(f"{folder}/{part}.offsets.i64", dtype=numpy.int64)
    return offsets, numpy.fromfile(f"{folder}/{part}.items.i32", dtype=numpy.int32)


def pairs(folder, part):
    """Users and items of a part, a pair each."""
    offsets, items = read_part(folder, part)
    return numpy.repeat(
        numpy.arange(len(offsets) - 1, dtype=numpy.int32), numpy.diff(offsets)
    ), items


class Peer:
    """A library's model has `epochs(n)` and `top(k)`, an array [users, k]; `settings` are what
    bench/peers gives it, names as its library has them."""

    versions = {}

    def __init__(self, options):
        self.model, self.threads = options.model, options.threads
        self.users, self.items = options.users, options.items
        self.folder, self.lists_folder = options.folder, options.lists
        self.settings = json.loads(options.settings)

    def matrix(self):
        """Train as ones."""
        offsets, items = read_part(self.lists_folder, "train")
        ones = numpy.ones(len(items), dtype=numpy.float32)
        parts = (ones, items, offsets.astype(numpy.int32))
        return scipy.sparse.csr_matrix(parts, shape=(self.users, self.items))

    def answer(self, do, n=0, k=0, file=""):
        began = time.perf_counter()
        found = self.epochs(n) if do == "epochs" else self.top(k)
        seconds = time.perf_counter() - began
        if do == "lists":
            numpy.ascontiguousarray(found, dtype=numpy.int32).tofile(file)
        return {"seconds": seconds}


def main(kind, about):
    """The process of a library: kind is its subclass of Peer."""
    parser = argparse.ArgumentParser(description=about.split("\n")[0])
    parser.add_argument("--lists", required=True, help="folder of bench_answers' lists")
    parser.add_argument("--folder", required=True, help="to write into")
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--settings", default="{}", help="JSON")
    options = parser.parse_args()
    sys.argv = sys.argv[:1]  # RecBole would read it
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.chdir(options.folder)  # libraries leave logs where they run
    peer = kind(options)
    print(json.dumps(dict(peer.versions, python=sys.version.split()[0])), file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(peer.answer(**json.loads(line))), file=out, flush=True)
