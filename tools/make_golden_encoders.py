#!/usr/bin/env python3
"""Makes the golden files of encoders, tests/golden/encoder_*.txt, with PyTorch.

    python3 tools/make_golden_encoders.py [tests/golden]       (needs torch and numpy)

As in make_golden.py: a dense adjacency matrix, autograd's gradients, float64. The loss is the BPR
loss of one batch. Arrays besides sizes, edges, initial and triplets:
  initial_weights  1 K+1   learned layer weights, before the softmax if there is one
  final            N d     final embeddings
  loss             1 1
  gradient         N d     of the loss with respect to the initial embeddings
  gradient_weights 1 K+1   the same with respect to the layer weights
With loss.contrast the loss includes the contrastive term. The noise is that of seed 77, step 3, the
dropped edges are those of epoch 2, from this script's own generators; `final` has neither.
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
CONTRAST = {"model.layers": 3, "model.layer_weights": "mean_without_ego",
            "loss.contrast_temperature": 0.25, "loss.contrast_weight": 0.5,
            "loss.contrast_noise": 0.05}
VARIANTS["simgcl"] = CONTRAST | {"loss.contrast": "simgcl"}
VARIANTS["xsimgcl"] = CONTRAST | {"loss.contrast": "xsimgcl", "loss.contrast_layer": 2}
VARIANTS["xsimgcl_last"] = CONTRAST | {"loss.contrast": "xsimgcl", "loss.contrast_layer": 3}
VARIANTS["sgl"] = {"model.layers": 3, "loss.contrast": "sgl", "loss.contrast_dropout": 0.3,
                   "loss.contrast_temperature": 0.25, "loss.contrast_weight": 0.5}
SEED, STEP, EPOCH, PURPOSE_NOISE, PURPOSE_EDGES = 77, 3, 2, 17, 18
LEARNED = {"learned": [0.4, 0.1, -0.3, 0.6], "learned_softmax": [0.2, -0.5, 0.9]}


def philox(c, k):
    """Philox4x32-10 (Salmon et al. 2011): four words."""
    mask = 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & mask, (a >> 32) ^ c[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


def splitmix(z):
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    mask = 2**64 - 1
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
    return z ^ z >> 31


def dropped(o, a, view):
    """The adjacency of a view; an edge is dropped if its 32 bits are below dropout * 2^32."""
    high, low = philox([view, PURPOSE_EDGES << 20, EPOCH, 0], [SEED, 0])[:2]
    key, left = high << 32 | low, a.clone()
    for u, i in torch.nonzero(torch.triu(a)).tolist():
        bits = splitmix((key + (u << 32 | i)) % 2**64) >> 32
        if bits < int(o["loss.contrast_dropout"] * 2**32):
            left[u, i] = left[i, u] = 0
    return left


def noisy(o, x, view, layer):
    noise = torch.zeros_like(x)
    groups = (DIM + 3) // 4
    for node in range(len(x)):
        for j in range(DIM):
            counter = [node * groups + j // 4, (16 * view + layer) | PURPOSE_NOISE << 20, STEP, 0]
            noise[node, j] = (philox(counter, [SEED, 0])[j % 4] >> 8) * 2.0**-24
    unit = noise / noise.norm(dim=1, keepdim=True)
    return x + o["loss.contrast_noise"] * torch.sign(x) * unit


def info_nce(o, first, second):
    first = torch.nn.functional.normalize(first, dim=1)
    second = torch.nn.functional.normalize(second, dim=1)
    logits = first @ second.T / o["loss.contrast_temperature"]
    return (torch.logsumexp(logits, 1) - logits.diag()).mean()


def view_of(o, a, x, view):
    """Mean of layers 1 .. K with noise, and those layers."""
    scale = torch.where(a.sum(1) > 0, a.sum(1).clamp(min=1) ** -0.5, torch.zeros(len(a)).double())
    layers = [x]
    for k in range(1, o["model.layers"] + 1):
        layers.append(noisy(o, scale[:, None] * (a @ (scale[:, None] * layers[-1])), view, k))
    return torch.stack(layers[1:]).mean(0), layers


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
    if "model.layer_weights" not in o:
        return torch.stack(layers).mean(0)
    if o["model.layer_weights"] == "mean_without_ego":
        return torch.stack(layers[1:]).mean(0)
    if o["model.layer_weights"] == "learned_softmax":
        weights = torch.softmax(weights, 0)
    return sum(w * layer for w, layer in zip(weights, layers))


def make(folder):
    edges, triplets, initial = draw_problem(DIM, 1)
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
        if "loss.contrast" in o:
            if o["loss.contrast"] == "sgl":
                first, second = (encode(o, dropped(o, a, view), x, weights) for view in (0, 1))
                trained = final
            else:
                first, layers = view_of(o, a, x, 0)
                second = layers[o.get("loss.contrast_layer", 1)]
                trained = first
            if o["loss.contrast"] == "simgcl":
                second, trained = view_of(o, a, x, 1)[0], final
            difference = (trained[u] * trained[q]).sum(1) - (trained[u] * trained[p]).sum(1)
            loss = torch.nn.functional.softplus(difference).mean()
            for nodes in (np.unique(u), np.unique(p)):
                loss = loss + o["loss.contrast_weight"] * info_nce(o, first[nodes], second[nodes])
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
