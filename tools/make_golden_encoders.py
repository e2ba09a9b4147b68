#!/usr/bin/env python3
"""Golden files of encoders, from PyTorch: tests/golden/encoder_*.txt.

    python3 tools/make_golden_encoders.py [tests/golden]       (needs torch and numpy)

As make_golden.py: a dense adjacency matrix, autograd's gradients, float64. The loss is the BPR loss
of one batch. Arrays beside sizes, edges, initial and triplets:
  initial_weights  1 K+1   learned weights of layers, before the softmax if there is one
  final            N d     final embeddings
  loss             1 1
  gradient         N d     of the loss by the initial embeddings
  gradient_weights 1 K+1   and by the weights
"""
import sys

import numpy as np
import torch

from make_golden import LAST_BATCH, USERS, draw_problem
from make_golden_metrics import golden_folder, write

DIM = 8
VARIANTS = {
    "given": {"model.layers": 3, "model.layer_weights": "given",
              "model.given_weights": "[0.5, -0.25, 0.25, 1]"},
    "learned": {"model.layers": 3, "model.layer_weights": "learned"},
    "learned_softmax": {"model.layers": 2, "model.layer_weights": "learned_softmax"},
    "lightgcnpp": {"model.kind": "lightgcn++", "model.layers": 2},
    "lightgcnpp_deep": {"model.kind": "lightgcn++", "model.layers": 3, "model.alpha": 0.45,
                        "model.beta": 0.2, "model.gamma": 0.35},
}
LEARNED = {"learned": [0.4, 0.1, -0.3, 0.6], "learned_softmax": [0.2, -0.5, 0.9]}


def encode(o, a, x, weights):
    """a: the 0/1 adjacency; x: layer 0."""
    degree = a.sum(1)

    def power(p):
        return torch.where(degree > 0, degree.clamp(min=1) ** p, torch.zeros_like(degree))

    layers = [x]
    if o.get("model.kind") == "lightgcn++":
        left, right = power(-o.get("model.alpha", 0.6)), power(-o.get("model.beta", -0.1))
        gamma = o.get("model.gamma", 0.2)
        for _ in range(o["model.layers"]):
            h = layers[-1]
            unit = h / (h.norm(dim=1, keepdim=True) + 1e-12)
            layers.append(left[:, None] * (a @ (right[:, None] * unit)))
        return gamma * x + (1 - gamma) * torch.stack(layers[1:]).mean(0)
    for _ in range(o["model.layers"]):
        layers.append(power(-0.5)[:, None] * (a @ (power(-0.5)[:, None] * layers[-1])))
    if o["model.layer_weights"] == "learned_softmax":
        weights = torch.softmax(weights, 0)
    return sum(w * layer for w, layer in zip(weights, layers))


def make(folder):
    edges, triplets, initial = draw_problem(DIM)
    batch = triplets[0][:LAST_BATCH]
    for name, different in VARIANTS.items():
        o = {"model.dim": DIM} | different
        n = len(initial)
        a = torch.zeros(n, n, dtype=torch.float64)
        a[edges[:, 0], USERS + edges[:, 1]] = a[USERS + edges[:, 1], edges[:, 0]] = 1
        x = torch.tensor(initial, dtype=torch.float64, requires_grad=True)
        given = eval(o.get("model.given_weights", "[]"))
        weights = torch.tensor(LEARNED.get(name, given), dtype=torch.float64, requires_grad=True)
        final = encode(o, a, x, weights)
        u, p, q = batch[:, 0], USERS + batch[:, 1], USERS + batch[:, 2]
        difference = (final[u] * final[q]).sum(1) - (final[u] * final[p]).sum(1)
        loss = torch.nn.functional.softplus(difference).mean()
        loss.backward()
        arrays = {"sizes": np.array([[USERS, n - USERS]]), "edges": edges, "initial": initial,
                  "triplets": batch, "final": final.detach().numpy(),
                  "loss": np.array([[loss.item()]]), "gradient": x.grad.numpy()}
        if name in LEARNED:
            arrays |= {"initial_weights": weights.detach().numpy()[None],
                       "gradient_weights": weights.grad.numpy()[None]}
        write(folder / f"encoder_{name}.txt",
              [f"{name}; tools/make_golden_encoders.py says how it was made"], o, arrays)


if __name__ == "__main__":
    make(golden_folder(sys.argv))
