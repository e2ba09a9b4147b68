#!/usr/bin/env python3
"""fold_in_movielens.py RANKINE U_DATA: strong generalisation on MovieLens-100K.

Ratings of 3 and more of u1.base (the last 80,000 rows of u.data). Users are permuted as numpy's
RandomState(42).permutation(943) has it: 94 are left out, the next 95 are test users, models see the
others. A test user is known by the earlier half of their items (by time, then item), and the later
half is to be found: precision, recall, MRR and NDCG at 10, the items known masked. Expected: what
scripts in numpy gave. Ties of scores make the difference, so 1 % (or one hit in all) is allowed.
"""
import math
import random
import subprocess
import sys
import tempfile

EXPECTED = {
    "popularity": (0.1547, 0.0597, 0.3460, 0.1659),
    "item_knn": (0.2695, 0.1073, 0.4584, 0.2857),
    "ease": (0.2221, 0.0888, 0.4034, 0.2334),
}
SETTINGS = {
    "popularity": [],
    "item_knn": ["model.neighbours=300"],
    "ease": ["model.l2=200"],
}
TOP = 10


def permutation(n, seed):
    """numpy.random.RandomState(seed).permutation(n): MT19937 seeded by Knuth's generator, and a
    shuffle from the end whose indices are drawn by masking and rejecting."""
    key = [seed]
    for i in range(1, 624):
        key.append((1812433253 * (key[-1] ^ key[-1] >> 30) + i) & 0xFFFFFFFF)
    generator = random.Random()
    generator.setstate((3, tuple(key) + (624,), None))
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        mask = (1 << i.bit_length()) - 1
        j = generator.getrandbits(32) & mask
        while j > i:
            j = generator.getrandbits(32) & mask
        order[i], order[j] = order[j], order[i]
    return order


def metrics_of(ranked, held_out):
    hits = [item in held_out for item in ranked]
    first = next((1 / (r + 1) for r, hit in enumerate(hits) if hit), 0.0)
    gain = sum(1 / math.log2(r + 2) for r, hit in enumerate(hits) if hit)
    ideal = sum(1 / math.log2(r + 2) for r in range(min(TOP, len(held_out))))
    return sum(hits) / TOP, sum(hits) / len(held_out), first, gain / ideal


def main():
    program, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        rows = [tuple(map(int, line.split())) for line in file][-80000:]
    rows = [row for row in rows if row[2] >= 3]
    order = permutation(943, 42)
    test = {user + 1 for user in order[94:189]}
    train = {user + 1 for user in order[189:]}
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/train.tsv", "w", encoding="utf-8") as file:
            file.writelines(f"{u}\t{i}\n" for u, i, _, _ in rows if u in train)
        with open(f"{folder}/m.yaml", "w", encoding="utf-8") as file:
            file.write('data:\n  sources:\n    - {file: train.tsv, part: train, separator: "\\t", '
                       'header: false, user: "0", item: "1"}\n'
                       'eval: {k: [10], every: 0, select: last}\n')
        known = {i for u, i, _, _ in rows if u in train}
        for kind, expected in EXPECTED.items():
            run = f"{folder}/{kind}"
            settings = [f"model.kind={kind}"] + SETTINGS[kind]
            subprocess.run([program, "train", f"{folder}/m.yaml", "--run", run, "--device", "cpu",
                            "--quiet"] + [word for s in settings for word in ("--set", s)],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            values = []
            for user in sorted(test):
                mine = [i for _, i in sorted((t, i) for u, i, _, t in rows if u == user)]
                half = len(mine) // 2
                given = [str(i) for i in mine[:half] if i in known]
                if half == 0:
                    continue
                answer = subprocess.run([program, "recommend", run, "--items", ",".join(given),
                                         "--top", str(TOP), "--tsv"], check=True,
                                        capture_output=True, text=True).stdout
                ranked = [int(line.split("\t")[2]) for line in answer.splitlines()]
                values.append(metrics_of(ranked, set(mine[half:])))
            means = [sum(column) / len(values) for column in zip(*values)]
            print(kind, len(values), "users:", " ".join(
                f"{name} {mean:.4f} (expected {wanted})" for name, mean, wanted
                in zip(("P", "R", "MRR", "NDCG"), means, expected)))
            one_hit = 1.05 / TOP / len(values)
            failed |= any(abs(mean - wanted) > 0.01 * wanted + one_hit
                          for mean, wanted in zip(means, expected))
    sys.exit(failed)


if __name__ == "__main__":
    main()
