#!/usr/bin/env python3
"""check_lists.py PARTS PART EVALUATED LISTS: the metrics of `rankine evaluate --json` (EVALUATED)
are those of the lists of `rankine recommend --all --tsv` (LISTS), to 1e-12.

PARTS holds train, valid and test: a user and an item a line. Whatever the program computes, this
reads only who has what, and who is recommended what.
"""
import collections
import json
import math
import sys


def read_pairs(path):
    try:
        with open(path, encoding="utf-8") as file:
            return [tuple(line.split()[:2]) for line in file]
    except FileNotFoundError:
        return []


def metrics_of(ranked, held_out, k):
    """Of one user: the list and the set of held-out items."""
    hits = [item in held_out for item in ranked[:k]]
    ideal = sum(1 / math.log2(r + 2) for r in range(min(k, len(held_out))))
    first = next((r for r, hit in enumerate(hits) if hit), None)
    found, precisions = 0, 0.0
    for r, hit in enumerate(hits):
        found += hit
        precisions += found / (r + 1) if hit else 0
    return {
        "recall": sum(hits) / len(held_out),
        "ndcg": sum(1 / math.log2(r + 2) for r, hit in enumerate(hits) if hit) / ideal,
        "precision": sum(hits) / k,
        "hit": float(any(hits)),
        "mrr": 0.0 if first is None else 1 / (first + 1),
        "map": precisions / min(k, len(held_out)),
    }


def main():
    folder, part, evaluated, lists = sys.argv[1:]
    pairs = {name: read_pairs(f"{folder}/{name}") for name in ("train", "valid", "test")}
    catalogue = {item for rows in pairs.values() for _, item in rows}
    held_out = collections.defaultdict(set)
    for user, item in pairs[part]:
        held_out[user].add(item)
    seen = set(pairs["train"]) | (set(pairs["valid"]) if part == "test" else set())
    ranked = collections.defaultdict(list)
    with open(lists, encoding="utf-8") as file:
        for line in file:
            user, rank, item, score, basis = line.rstrip("\n").split("\t")
            if not item:  # there is nothing left for this user
                continue
            assert basis in ("model", "popularity"), line
            ranked[user].append(item)
            assert int(rank) == len(ranked[user]), line
            assert math.isfinite(float(score)), line
            assert (user, item) not in seen, f"{line}: is seen already"
    assert set(held_out) <= set(ranked), "a user has no list"
    with open(evaluated, encoding="utf-8") as file:
        printed = json.load(file)
    assert printed["users"] == len(held_out), (printed["users"], len(held_out))
    cutoffs = sorted({int(name.split("@")[1]) for name in printed["metrics"]})
    assert cutoffs, "no metrics"
    for k in cutoffs:
        of_users = [metrics_of(ranked[user], held_out[user], k) for user in held_out]
        expected = {name: math.fsum(m[name] for m in of_users) / len(of_users)
                    for name in of_users[0]}
        shown = {item for user in held_out for item in ranked[user][:k]}
        expected["coverage"] = len(shown) / len(catalogue)
        for name, value in expected.items():
            actual = printed["metrics"][f"{name}@{k}"]
            assert abs(actual - value) <= 1e-12, f"{name}@{k}: {actual!r}, its lists say {value!r}"
    assert len(printed["metrics"]) == 7 * len(cutoffs), printed["metrics"]
    print(f"{evaluated}: {len(held_out)} users, recall@{cutoffs[-1]} "
          f"{printed['metrics'][f'recall@{cutoffs[-1]}']:.4f}")


if __name__ == "__main__":
    main()
