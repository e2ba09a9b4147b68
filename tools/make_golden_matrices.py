#!/usr/bin/env python3
"""Writes tests/golden/matrix-*.npz by scipy, as people do: csr, csc and coo, compressed and stored.

usage: make_golden_matrices.py FOLDER

All of them are the matrix that entries() says; tests/unit/test_reader_kinds.c has the same formula.
"""
import os
import sys

import numpy
import scipy.sparse


def entries():
    return [(i * 37 % 50, i * 53 % 40, 1 + i % 5 / 2) for i in range(100)]


def main(folder):
    row, column, value = zip(*entries())
    coo = scipy.sparse.coo_matrix((numpy.array(value), (row, column)), shape=(51, 40))
    wide = coo.tocsr()
    wide.indices = wide.indices.astype(numpy.int64)
    wide.indptr = wide.indptr.astype(numpy.int64)
    files = {
        "coo": (coo, True),
        "csr": (coo.tocsr(), True),
        "csr-stored": (wide.astype(numpy.float32), False),
        "csc": (coo.tocsc(), True),
        "dia": (scipy.sparse.eye(5, format="dia"), True),
    }
    for name, (matrix, compressed) in files.items():
        scipy.sparse.save_npz(os.path.join(folder, f"matrix-{name}.npz"), matrix, compressed)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
