#!/usr/bin/env python3
"""The mixtures of hyperopt's adaptive_parzen_normal, as tests/unit/test_tpe.c has them.

usage: make_golden_tpe.py            prints C (needs PyPI's hyperopt 0.2.7)
       make_golden_tpe.py FUNCTION N finds of hyperopt's TPE and random search after N trials,
                                     20 seeds: branin, hartmann6
"""
import math
import sys

import numpy as np
from hyperopt import fmin, hp, rand, tpe
from hyperopt.tpe import adaptive_parzen_normal

CASES = [([], 0.5, 1.0), ([0.2], 0.5, 1.0), ([0.9], 0.5, 1.0), ([0.3, 0.1, 0.7], 0.5, 1.0),
         ([2.0, 2.0, -1.0, 4.5, 0.25], 1.0, 6.0), ([math.sin(i) for i in range(31)], 0.0, 2.0)]


def branin(x):
    a, b = x["x0"], x["x1"]
    return ((b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6) ** 2
            + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10)


A = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
              [17, 8, 0.05, 10, 0.1, 14]])
P = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                     [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])


def hartmann6(x):
    v = np.array([x[f"x{i}"] for i in range(6)])
    return -float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(A * (v - P) ** 2).sum(1)))


def finds(name, n):
    function = {"branin": branin, "hartmann6": hartmann6}[name]
    bounds = [(-5, 10), (0, 15)] if name == "branin" else [(0, 1)] * 6
    space = {f"x{i}": hp.uniform(f"x{i}", *b) for i, b in enumerate(bounds)}
    for label, suggest in (("tpe", tpe.suggest), ("random", rand.suggest)):
        if label == "tpe":  # as many random ones as ours
            def suggest(*a):
                return tpe.suggest(*a, n_startup_jobs=10)
        best = []
        for seed in range(20):
            seen = []

            def watched(x):
                seen.append(function(x))
                return seen[-1]
            fmin(watched, space, suggest, n, rstate=np.random.default_rng(seed),
                 show_progressbar=False)
            best.append(min(seen))
        print(f"{name} {label}: median {np.median(best):.4f}, quartiles "
              f"{np.quantile(best, .25):.4f} {np.quantile(best, .75):.4f}")


def main():
    for seen, mean, sd in CASES:
        for values in adaptive_parzen_normal(seen, 1.0, mean, sd):
            print("{" + ", ".join(repr(float(v)) for v in np.atleast_1d(values)) + "},")


if len(sys.argv) > 1:
    finds(sys.argv[1], int(sys.argv[2]))
else:
    main()
