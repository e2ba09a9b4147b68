#!/usr/bin/env python3
"""Makes the golden files of training, tests/golden/train_*.txt, with PyTorch.

    python3 tools/make_golden.py [tests/golden]       (needs torch and numpy; the tests do not)

Nothing here follows the engine's code: the graph is a dense matrix, the gradients are autograd's,
the optimizer is torch.optim's. Everything is computed in float64 from float32 initial values. The
same in float32 must agree; each file notes how closely.

Format, text: '#' begins a comment line; "set KEY=VALUE" is an option of the engine; any other
line "NAME ROWS COLS" is followed by ROWS lines of COLS numbers with 9 significant digits:
  sizes      1 2   users, items
  edges      E 2   user, item: a train interaction; user 5 and item 3 have none
  initial    N d   parameters: users, then items
  triplets.t B 3+  user, positive, negatives (in_batch: one, unused) of step
                   t = 1 to 3; the last batch is short
  loss.t     1 3   total, ranking loss, L2; with loss.neighbours 1 4: also its term
  gradient.t N d   of the total with respect to the parameters, without weight decay
  weights.t  N d   after the update; with Adam and "full" also its moments m.t and v.t
"""
import sys

import numpy as np
import torch

from golden_losses import item_neighbours, neighbour_loss, ranking_loss
from golden_variants import COMMON, VARIANTS
from make_golden_metrics import golden_folder, write

USERS, ITEMS, BATCH, LAST_BATCH, STEPS = 23, 17, COMMON["train.batch"], 9, 3
LONELY_USER, LONELY_ITEM = 5, 3


def draw_problem(dim, n_negatives):
    """Edges, triplets of each step, initial values. RandomState's streams never change."""
    r, more = np.random.RandomState(17), np.random.RandomState(18)
    likes = r.rand(USERS, ITEMS) < 0.1 + 0.6 * r.rand(ITEMS)
    likes[LONELY_USER, :] = likes[:, LONELY_ITEM] = False
    for u in range(USERS):
        if u != LONELY_USER and not likes[u].any():
            likes[u, 0] = True
    edges = np.argwhere(likes)
    triplets = []
    for step in range(STEPS):
        rows = []
        while len(rows) < (BATCH if step < STEPS - 1 else LAST_BATCH):
            u, p = edges[r.randint(len(edges))]
            n = LONELY_ITEM if len(rows) == 3 else r.choice(np.flatnonzero(~likes[u]))
            others = [more.choice(np.flatnonzero(~likes[u])) for _ in range(n_negatives - 1)]
            rows.append((u, p, n, *others))
        triplets.append(np.array(rows))
    return edges, triplets, (0.1 * r.randn(USERS + ITEMS, dim)).astype(np.float32)


def final_embeddings(o, adjacency, x):
    layers = [x]
    for _ in range(o["model.layers"] if o["model.kind"] == "lightgcn" else 0):
        layers.append(adjacency @ layers[-1])
    used = {"mean": layers, "mean_without_ego": layers[1:], "last": layers[-1:]}
    return torch.stack(used[o["model.layer_weights"]]).mean(0)


def item_chances(o, edges):
    """The chance of each item to be drawn as a positive."""
    by_user = np.bincount(edges[:, 0], minlength=USERS)
    share = 1 / by_user[edges[:, 0]] / (by_user > 0).sum()
    if o.get("sampling.positives") == "shuffle":
        share = np.full(len(edges), 1 / len(edges))
    return np.bincount(edges[:, 1], weights=share, minlength=ITEMS)


def betas(edges, triplet):
    """UltraGCN's beta for each user and its items: [items, B]."""
    users, items = [np.bincount(edges[:, i], minlength=n) for i, n in ((0, USERS), (1, ITEMS))]
    with np.errstate(divide="ignore", invalid="ignore"):
        of_user = np.where(users > 0, np.sqrt(users + 1) / users, 0)
    return (of_user[triplet[:, :1]] / np.sqrt(items + 1)[triplet[:, 1:]]).T


def losses(o, edges, adjacency, x, triplet):
    final = final_embeddings(o, adjacency, x)
    u, p, n = triplet[:, 0], USERS + triplet[:, 1], USERS + triplet[:, 2:]
    n = [] if o.get("sampling.negatives") == "in_batch" else list(n.T)
    rows = final[torch.stack(n)] if n else []
    ranking = ranking_loss(o, item_chances(o, edges), betas(edges, triplet), final[u], final[p],
                           rows, triplet[:, 1])
    groups = [u, p, torch.cat(n)] if n else [u, p]
    table = x if o["loss.l2_on"] == "ego" else final
    if o["loss.l2_rows"] == "unique":
        # One sum over all nodes, or three norms, one for each group.
        groups = groups if o["loss.l2_form"] == "norm" else [torch.cat(groups)]
        groups = [torch.unique(g) for g in groups]
    if o["loss.l2_form"] == "norm":
        l2 = sum(table[g].norm() for g in groups)
    else:
        l2 = sum((table[g] ** 2).sum() for g in groups) / 2
    divisor = {"actual": len(triplet), "nominal": BATCH, "one": 1}[o["loss.l2_divisor"]]
    terms = [ranking, o["loss.l2"] * l2 / divisor]
    if o.get("loss.neighbours"):
        near = item_neighbours(edges, USERS, ITEMS, o["loss.neighbours"])
        terms.append(neighbour_loss(o, near, final[u], final[USERS:], triplet[:, 1]))
    return terms


def train(o, edges, triplets, initial, dtype):
    n = USERS + ITEMS
    a = np.zeros((n, n))
    a[edges[:, 0], USERS + edges[:, 1]] = a[USERS + edges[:, 1], edges[:, 0]] = 1
    with np.errstate(divide="ignore"):
        scale = np.where(a.sum(1) > 0, a.sum(1) ** -0.5, 0)
    adjacency = torch.tensor(scale[:, None] * a * scale, dtype=dtype)
    x = torch.tensor(initial, dtype=dtype, requires_grad=True)
    kind = torch.optim.Adam if o["train.optimizer"] == "adam" else torch.optim.SGD
    optimizer = kind([x], lr=o["train.learning_rate"], weight_decay=o["train.weight_decay"])
    out = {}
    for t, triplet in enumerate(triplets, 1):
        optimizer.zero_grad()
        terms = losses(o, edges, adjacency, x, torch.tensor(triplet))
        sum(terms).backward()
        out[f"loss.{t}"] = torch.stack([sum(terms), *terms]).detach().numpy()[None]
        out[f"gradient.{t}"] = x.grad.numpy().copy()
        optimizer.step()
        out[f"weights.{t}"] = x.detach().numpy().copy()
        if kind is torch.optim.Adam:
            out[f"m.{t}"] = optimizer.state[x]["exp_avg"].numpy().copy()
            out[f"v.{t}"] = optimizer.state[x]["exp_avg_sq"].numpy().copy()
    return out


def make_training(folder):
    for name, (different, full) in VARIANTS.items():
        o = COMMON | different
        edges, triplets, initial = draw_problem(o["model.dim"], o.get("sampling.per_positive", 1))
        exact = train(o, edges, triplets, initial, torch.float64)
        single = train(o, edges, triplets, initial, torch.float32)
        worst = {}
        for key in exact:
            error = np.abs(single[key] - exact[key]).max() / np.abs(exact[key]).max()
            worst[key[:-2]] = max(worst.get(key[:-2], 0), error)
        assert max(worst.values()) < 1e-5, (name, worst)
        note = ", ".join(f"{key} {value:.1e}" for key, value in worst.items())
        kept = {k: v for k, v in exact.items() if full or k[0] in "lgw"}
        given = {"sizes": np.array([[USERS, ITEMS]]), "edges": edges, "initial": initial}
        given |= {f"triplets.{t}": rows for t, rows in enumerate(triplets, 1)}
        write(folder / f"train_{name}.txt",
              [f"{name}: {USERS} users, {ITEMS} items; tools/make_golden.py says how it was made",
               f"torch in float32 is off by at most, of each array's largest: {note}"],
              o, given | kept)


if __name__ == "__main__":
    make_training(golden_folder(sys.argv))
