#!/usr/bin/env python3
"""Makes the golden file of ranking metrics, tests/golden/metrics.txt, with NumPy.

    python3 tools/make_golden_metrics.py [tests/golden]       (needs numpy; the tests do not)

Loops over sorted lists, by the formulas that `rankine info --metrics` prints; nothing follows the
engine's code. Format as in make_golden.py:
  train, valid, test           n 2               user, item
  scores                       users items       with ties
  metrics.valid, metrics.test  names x cut-offs  in the order of eval.metrics and eval.k
"""
import sys
from pathlib import Path

import numpy as np


def write(path, comment, options, arrays):
    with open(path, "w") as f:
        f.write("".join(f"# {line}\n" for line in comment))
        f.write("".join(f"set {key}={value}\n" for key, value in options.items()))
        for name, array in arrays.items():
            f.write(f"{name} {array.shape[0]} {array.shape[1]}\n")
            f.writelines(" ".join("%.9g" % v for v in row) + "\n" for row in array)


def metrics_of(ranked, relevant, k):
    hits = [item in relevant for item in ranked[:k]]
    gains = [h / np.log2(r + 2) for r, h in enumerate(hits)]
    ideal = sum(1 / np.log2(r + 2) for r in range(min(k, len(relevant))))
    first = next((1 / (r + 1) for r, h in enumerate(hits) if h), 0)
    precision_at_hits = [sum(hits[:r + 1]) / (r + 1) for r, h in enumerate(hits) if h]
    return {"recall": sum(hits) / len(relevant), "ndcg": sum(gains) / ideal,
            "precision": sum(hits) / k, "hit": float(any(hits)), "mrr": first,
            "map": sum(precision_at_hits) / min(k, len(relevant))}


def served(scores, train):
    """Scores by which users are ranked: those without train items get the items' popularity, items
    without train users are in no ranking."""
    popularity = np.array([sum(i in items for items in train) for i in range(scores.shape[1])])
    out = np.array([row if items else popularity for row, items in zip(scores, train)])
    out[:, popularity == 0] = -np.inf
    return out


def evaluate(scores, seen, targets, names, cuts):
    table = np.zeros((len(names), len(cuts)))
    users = [u for u in range(len(scores)) if targets[u]]
    shown = [set() for _ in cuts]
    for u in users:
        possible = set(np.flatnonzero(scores[u] > -np.inf)) - seen[u]
        ranked = sorted(possible, key=lambda i: (-scores[u, i], i))
        for c, k in enumerate(cuts):
            shown[c].update(ranked[:k])
            values = metrics_of(ranked, targets[u], k)
            table[:, c] += [values.get(name, 0) / len(users) for name in names]
    if "coverage" in names:
        table[names.index("coverage")] = [len(s) / scores.shape[1] for s in shown]
    return table


def make_metrics(folder):
    r, users, items, cuts = np.random.RandomState(5), 60, 40, [1, 5, 10]
    names = ["recall", "ndcg", "precision", "hit", "mrr", "map", "coverage"]
    part = r.choice(4, p=[0.6, 0.2, 0.08, 0.12], size=(users, items))  # none, train, valid, test
    part[0], part[1, part[1] == 3], part[2, part[2] == 1] = 1, 0, 0  # all seen; no test; no train
    part[0, :2] = [3, 2]
    part[part[:, 7] == 1, 7] = 2  # an item without train
    scores = np.round(r.randn(users, items) + (part == 3) + (part == 2), 1)  # one digit: many ties
    lists = [[set(np.flatnonzero(row == p)) for row in part] for p in range(4)]
    seen = [a | b for a, b in zip(lists[1], lists[2])]
    ranks = served(scores, lists[1])
    write(folder / "metrics.txt",
          ["metrics of a ranking with ties; made by tools/make_golden_metrics.py"],
          {"eval.metrics": str(names).replace("'", ""), "eval.k": cuts},
          {"train": np.argwhere(part == 1), "valid": np.argwhere(part == 2),
           "test": np.argwhere(part == 3), "scores": scores,
           "metrics.valid": evaluate(ranks, lists[1], lists[2], names, cuts),
           "metrics.test": evaluate(ranks, seen, lists[3], names, cuts)})


def golden_folder(arguments):
    beside = Path(__file__).resolve().parent.parent / "tests/golden"
    folder = Path(arguments[1]) if len(arguments) > 1 else beside
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    make_metrics(golden_folder(sys.argv))
