#!/usr/bin/env python3
"""Makes the golden files of networks, tests/golden/network_*.txt, with PyTorch.

    python3 tools/make_golden_networks.py [tests/golden]
                                  (needs torch, torch_geometric and numpy; the tests do not)

Dense matrices, autograd's gradients, torch.optim's updates, everything in float64 from float32
initial values; where PyTorch Geometric has a layer, it must give what the dense formula gives.
Nothing here follows the engine's code. Format as in make_golden.py:
  rows       R 3   user, item, part (0 train, 2 test): user 4 and item 6 have a row of test only
  values     R 1   ratings, of models that want some
  field      R 1   numbers of a field of rows, -1 for none
  file.NAME  n k   a file of data.relations or data.features
  triplets.t B 3+  user, positive, negatives of step t = 1 to 3; the last batch is short
  p.NAME           initial values of a parameter
  scores     U I   of all users and items, with the initial values; rows and columns of those
                   without train interactions are not compared
  loss.t     1 1
  g.NAME           gradient of a parameter in step 1
  w.NAME           its values after step 3
"""
import sys

import numpy as np
import torch

import networks
from golden_world import messages
from make_golden_metrics import golden_folder, write

BATCH, LAST_BATCH, STEPS = 8, 5, 3
COMMON = {"train.batch": BATCH, "train.optimizer": "sgd", "train.learning_rate": 0.5,
          "loss.l2": 0.02}


def draw_triplets(world, n_negatives):
    r, edges = np.random.RandomState(23), world.edges
    out = []
    for step in range(STEPS):
        rows = []
        for _ in range(BATCH if step < STEPS - 1 else LAST_BATCH):
            u, p = edges[r.randint(len(edges))]
            rows.append((u, p, *r.choice(np.flatnonzero(~world.has[u]), n_negatives)))
        out.append(np.array(rows))
    return out


def loss_of(o, world, scores, ego, triplets, t):
    """scores: (users, items) -> scores of pairs; ego: rows that the L2 term reads, by nodes."""
    u, p = (torch.tensor(triplets[:, k]) for k in (0, 1))
    positive = scores(u, p, t, p)
    groups = [u, world.users + p]
    if o.get("loss.kind", "bpr") == "mse":
        loss = ((positive - torch.tensor(world.values[u, p])) ** 2).mean()
    else:
        negatives = [torch.tensor(triplets[:, k]) for k in range(2, triplets.shape[1])]
        negative = torch.stack([scores(u, n, t, p) for n in negatives])
        groups += [world.users + n for n in negatives]
        difference, share = negative - positive, o.get("train.message_share", 1)
        weight = 1.0
        if share < 1:
            weight = (1 - messages(o, world, t)[u, p]) / (1 - share)
        kind = o.get("loss.kind", "bpr")
        if kind == "bce":
            softplus = torch.nn.functional.softplus
            loss = (softplus(-positive) + softplus(negative).mean(0)).mean()
        elif kind == "hinge":
            loss = torch.relu(difference + o["loss.margin"]).mean()
        else:
            loss = (weight * torch.nn.functional.softplus(difference)).mean()
    return loss + o["loss.l2"] / 2 * sum((ego[g] ** 2).sum() for g in groups) / len(u)


def make(folder, name, case):
    o = COMMON | case.options
    world = case.world
    triplets = draw_triplets(world, 1 if o.get("loss.kind") == "mse" else
                             o.get("sampling.per_positive", 1))
    if o.get("loss.kind") == "mse":
        triplets = [t[:, :2] for t in triplets]
    r = np.random.RandomState(29)
    start = {key: (case.scale * r.randn(*shape)).astype(np.float32)
             for key, shape in case.shapes.items()}
    tensors = {key: torch.tensor(value, dtype=torch.float64, requires_grad=True)
               for key, value in start.items()}
    kind = torch.optim.Adam if o["train.optimizer"] == "adam" else torch.optim.SGD
    optimizer = kind(list(tensors.values()), lr=o["train.learning_rate"])
    arrays = world.arrays(case) | {f"triplets.{t + 1}": rows for t, rows in enumerate(triplets)}
    arrays |= {f"p.{key}": value for key, value in start.items()}
    with torch.no_grad():
        scores, _ = case.model(o, world, tensors, None)
        u, i = torch.meshgrid(torch.arange(world.users), torch.arange(world.items), indexing="ij")
        if case.has_scores:
            arrays["scores"] = scores(u.reshape(-1), i.reshape(-1), None, None).reshape(
                world.users, world.items).numpy()
    for step, rows in enumerate(triplets):
        optimizer.zero_grad()
        scores, ego = case.model(o, world, tensors, step)
        loss = loss_of(o, world, scores, ego, rows, step)
        loss.backward()
        arrays[f"loss.{step + 1}"] = np.array([[loss.item()]])
        if step == 0:
            arrays |= {f"g.{key}": x.grad.numpy().copy() for key, x in tensors.items()}
        optimizer.step()
    arrays |= {f"w.{key}": x.detach().numpy() for key, x in tensors.items()}
    write(folder / f"network_{name}.txt",
          [f"{name}; tools/make_golden_networks.py says how it was made"], o, arrays)


if __name__ == "__main__":
    for name, case in networks.cases().items():
        if len(sys.argv) < 3 or name in sys.argv[2:]:
            make(golden_folder(sys.argv), name, case)
