#!/usr/bin/env python3
"""Makes the golden file of derived relations and scaled features, tests/golden/sides.txt.

    python3 tools/make_golden_sides.py [tests/golden]     (needs numpy, scipy; the tests do not)

Products of SciPy's sparse matrices and NumPy's statistics; nothing follows the engine's code.
Format as in make_golden.py:
  train                      n 3            user, item, time in seconds
  count, decay, walk, users  nodes nodes    weights, without the diagonal; walk with it
  best                       items items    count, the 3 largest of each row
  shared                     items items    items by the tags that they share
  tags                       n 2            item, tag
  ages                       users 1        a number of each user; the scaled ones beside it:
  max, min_max, standard, log
"""
import sys

import numpy as np
import scipy.sparse as sp

from make_golden_metrics import golden_folder, write

USERS, ITEMS, TAGS, DAY = 12, 9, 4, 86400


def without_diagonal(matrix):
    matrix = matrix.tolil()
    matrix.setdiag(0)
    return matrix.toarray()


def co_count(r):
    return r.T @ r


def walk(r):
    step = [sp.diags(1 / np.maximum(np.asarray(m.sum(1)).ravel(), 1)) @ m for m in (r.T, r)]
    return (step[0] @ step[1]).toarray()


def time_decay(r, times):
    """n / (1 + mean days apart), pair by pair over the users that both have."""
    out = np.zeros((r.shape[1], r.shape[1]))
    dense = r.toarray() > 0
    for i in range(r.shape[1]):
        for j in range(r.shape[1]):
            both = dense[:, i] & dense[:, j]
            if i != j and both.any():
                days = np.abs(times[both, i] - times[both, j]).mean() / DAY
                out[i, j] = both.sum() / (1 + days)
    return out


def best(weights, k):
    out = np.zeros_like(weights)
    for i, row in enumerate(weights):
        for j in sorted(np.flatnonzero(row), key=lambda j: (-row[j], j))[:k]:
            out[i, j] = row[j]
    return out


def main():
    rng = np.random.default_rng(7)
    mask = rng.random((USERS, ITEMS)) < 0.45
    mask[np.arange(USERS), np.arange(USERS) % ITEMS] = True
    times = np.where(mask, rng.integers(0, 40, mask.shape) * DAY // 4 + 10 * DAY, 0)
    r = sp.csr_matrix(mask.astype(float))
    tags = sp.csr_matrix((rng.random((ITEMS, TAGS)) < 0.5).astype(float))
    count = without_diagonal(co_count(r))
    ages = np.round(rng.normal(35, 12, USERS), 1)
    users, items = np.nonzero(mask)
    write(golden_folder(sys.argv) / "sides.txt",
          ["derived relations and scaled features; made by tools/make_golden_sides.py"], {},
          {"train": np.stack([users, items, times[users, items]], 1), "count": count,
           "decay": time_decay(r, times), "walk": walk(r), "best": best(count, 3),
           "users": without_diagonal(r @ r.T), "shared": without_diagonal(tags @ tags.T),
           "tags": np.stack(tags.nonzero(), 1), "ages": ages[:, None],
           "max": ages[:, None] / np.abs(ages).max(),
           "min_max": (ages[:, None] - ages.min()) / (ages.max() - ages.min()),
           "standard": (ages[:, None] - ages.mean()) / ages.std(),
           "log": np.log1p(ages[:, None])})


if __name__ == "__main__":
    main()
