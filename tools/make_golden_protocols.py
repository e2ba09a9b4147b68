#!/usr/bin/env python3
"""Makes the golden file of protocols and metric styles, tests/golden/protocols.txt, with NumPy.

    python3 tools/make_golden_protocols.py [tests/golden]       (needs numpy; the tests do not)

Sorted lists and loops, by what `rankine info --metrics` prints; the expectations over draws of
candidates are counted with fractions, ties over every place that a target may have among them.
Format as in make_golden.py; the data are those of metrics.txt with ratings and candidates:
  train, valid, test    n 2              user, item
  ratings               n 1              of the rows of test
  candidates            n 8              of the rows of test
  scores                users items      with ties
  full.STYLE            values 1         of the full ranking of test, all metrics, by eval.style
  sampled, expected     metrics k        of the test rows among their candidates; of metrics of hits
"""
import sys
from fractions import Fraction
from math import comb, log2

import numpy as np

from make_golden_metrics import golden_folder, served, write

USER_METRICS = ["recall", "ndcg", "precision", "hit", "mrr", "map", "capped_recall"]
STYLES = ["recbole", "lightgcn", "lenskit", "rectools", "implicit", "elliot"]


def of_hits(name, style, ranked, gains, k):
    """ranked: items, best first; gains: {held-out item: gain}."""
    hits = [i in gains for i in ranked[:k]] + [False] * (k - len(ranked[:k]))
    n, t = sum(hits), len(gains)
    if name == "recall":
        return n / (min(k, t) if style == "lenskit" else t)
    if name == "capped_recall":
        return n / min(k, t)
    if name == "precision":
        length = len(ranked[:k])
        return n / ({"lenskit": length, "implicit": min(k, t)}.get(style, k) or 1)
    if name == "hit":
        return float(n > 0)
    if name == "mrr":
        return next((1 / (r + 1) for r in range(k) if hits[r]), 0)
    if name == "map":
        at = [sum(hits[:r + 1]) / (r + 1) for r in range(k)]
        if style == "elliot":
            return sum(at) / k
        by = t if style in ("lightgcn", "rectools") else min(k, t)
        return sum(a for a, h in zip(at, hits) if h) / by
    discount = [1 / log2(max(r + 1, 2)) if style == "lenskit" else 1 / log2(r + 2)
                for r in range(k)]
    gain = [(gains[i] if style == "elliot" else 1) if i in gains else 0 for i in ranked[:k]]
    best = sorted(gains.values(), reverse=True) if style == "elliot" else [1] * t
    best = [1] * k if style == "rectools" else best[:k]
    return sum(g * d for g, d in zip(gain, discount)) / sum(g * d for g, d in zip(best, discount))


def full(scores, seen, gains, train, style, cuts):
    users = [u for u in range(len(scores)) if gains[u]]
    items = scores.shape[1]
    degree = np.array([sum(i in t for t in train) for i in range(items)])
    trained = sum(bool(t) for t in train)
    lists = {u: sorted(set(np.flatnonzero(scores[u] > -np.inf)) - seen[u],
                       key=lambda i: (-scores[u, i], i)) for u in users}
    out = []
    for name in USER_METRICS:
        for k in cuts:
            w = [min(k, len(gains[u])) if style == "implicit" and name == "precision" else 1
                 for u in users]
            out.append(sum(x * of_hits(name, style, lists[u], gains[u], k)
                           for x, u in zip(w, users)) / sum(w))
    for name in ("coverage", "gini"):
        for k in cuts:
            c = np.sort([sum(i in lists[u][:k] for u in users) for i in range(items)])
            j = np.arange(1, items + 1)
            out.append((c > 0).mean() if name == "coverage" else
                       ((2 * j - items - 1) * c).sum() / (items * c.sum()))
    for name in ("novelty", "avg_popularity"):
        value = degree if name == "avg_popularity" else \
            np.array([log2(trained / d) if d else 0 for d in degree])
        for k in cuts:
            out.append(np.mean([np.mean(value[lists[u][:k]]) if lists[u][:k] else 0
                                for u in users]))
    auc = []
    for u in users:
        others = [j for j in range(items) if j not in seen[u] and j not in gains[u]]
        ahead = [0 if scores[u, t] == -np.inf else
                 np.mean([float(scores[u, t] > scores[u, j]) + .5 * (scores[u, t] == scores[u, j])
                          for j in others]) if others else 1 for t in gains[u]]
        auc.append(np.mean(ahead))
    return np.array(out + [np.mean(auc)])[:, None]


def expect_item(value_at, pool, n, above, tied):
    """The mean over all sets of n of the pool, and all places among those that tie."""
    total = 0.0
    for ahead in range(above, above + tied + 1):
        for r, value in enumerate(value_at[:n + 1]):
            chance = Fraction(comb(ahead, r) * comb(pool - ahead, n - r), comb(pool, n))
            total += float(chance) * value / (tied + 1)
    return total


def among_candidates(scores, lists, rows, candidates, names, cuts):
    shape = (len(names), len(cuts))
    sampled, expected = np.zeros(shape), np.zeros(shape)
    users = sorted(set(u for u, _ in rows))
    for u in users:
        mine = [x for x, (v, _) in enumerate(rows) if v == u]
        had = set.union(*[part[u] for part in lists])
        pool = [j for j in range(scores.shape[1]) if j not in had]
        for x in mine:
            t = rows[x][1]
            alone = [t] + list(candidates[x])
            ranked = sorted((i for i in alone if scores[u, i] > -np.inf),
                            key=lambda i: (-scores[u, i], i))
            above = sum(scores[u, j] > scores[u, t] for j in pool)
            tied = sum(scores[u, j] == scores[u, t] for j in pool)
            for m, name in enumerate(names):
                for c, k in enumerate(cuts):
                    weight = 1 / len(mine) / len(users)
                    sampled[m, c] += weight * of_hits(name, "recbole", ranked, {t: 1}, k)
                    if scores[u, t] > -np.inf:
                        at = [of_hits(name, "recbole", [-1] * r + [t], {t: 1}, k)
                              for r in range(k)]
                        expected[m, c] += weight * expect_item(at, len(pool), len(candidates[x]),
                                                               int(above), int(tied))
    return sampled, expected


def make_protocols(folder):
    r, users, items, cuts, n = np.random.RandomState(8), 50, 40, [1, 5, 10], 8
    part = r.choice(4, p=[0.6, 0.2, 0.08, 0.12], size=(users, items))  # none, train, valid, test
    part[1, part[1] == 3], part[2, part[2] == 1] = 0, 0  # no test; no train
    part[part[:, 7] == 1, 7] = 3  # an item without train
    scores = np.round(r.randn(users, items) + (part == 3), 1)
    lists = [[set(np.flatnonzero(row == p)) for row in part] for p in range(4)]
    rows = [tuple(x) for x in np.argwhere(part == 3)]
    ratings = r.randint(1, 6, size=len(rows))
    candidates = np.array([r.choice([j for j in range(items) if part[u, j] == 0], n, False)
                           for u, _ in rows])
    gains = [{i: 2.0 ** (ratings[x] + 1) - 1 for x, (v, i) in enumerate(rows) if v == u}
             for u in range(users)]
    ranks = served(scores, lists[1])
    seen = [a | b for a, b in zip(lists[1], lists[2])]
    sampled, expected = among_candidates(ranks, lists[1:], rows, candidates, USER_METRICS, cuts)
    names = USER_METRICS + ["coverage", "gini", "novelty", "avg_popularity", "auc"]
    arrays = {"train": np.argwhere(part == 1), "valid": np.argwhere(part == 2),
              "test": np.argwhere(part == 3), "ratings": ratings[:, None],
              "candidates": candidates, "scores": scores}
    for style in STYLES:
        arrays["full." + style] = full(ranks, seen, gains, lists[1], style, cuts)
    arrays.update({"sampled": sampled, "expected": expected})
    write(folder / "protocols.txt",
          ["styles, candidates and expectations; made by tools/make_golden_protocols.py"],
          {"eval.metrics": str(names).replace("'", ""), "eval.k": cuts}, arrays)


if __name__ == "__main__":
    make_protocols(golden_folder(sys.argv))
