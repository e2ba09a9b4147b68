"""The networks of make_golden_networks.py, as dense formulas, and the data that they see."""
from dataclasses import dataclass, field

import numpy as np
import torch

USERS, ITEMS, LONELY_USER, LONELY_ITEM = 11, 9, 4, 6
DIM = 4


class World:
    """Interactions, ratings and a field of their rows."""
    users, items = USERS, ITEMS

    def __init__(self):
        r = np.random.RandomState(19)
        self.has = r.rand(USERS, ITEMS) < 0.45
        self.has[LONELY_USER, :] = self.has[:, LONELY_ITEM] = False
        self.has[0, 0] = True
        self.edges = np.argwhere(self.has)
        self.values = r.randint(1, 6, (USERS, ITEMS)).astype(np.float64)
        self.adjacency = torch.zeros(USERS + ITEMS, USERS + ITEMS, dtype=torch.float64)
        self.adjacency[:USERS, USERS:] = torch.tensor(self.has)
        self.adjacency += self.adjacency.T.clone()

    def arrays(self, case):
        rows = [(u, i, 0) for u, i in self.edges]
        rows += [(LONELY_USER, 0, 2), (0, LONELY_ITEM, 2)]
        out = {"rows": np.array(rows)}
        if case.has_values:
            out["values"] = np.array([[self.values[u, i]] for u, i, _ in rows])
        return out | {f"file.{name}": table for name, table in case.files.items()}


@dataclass
class Case:
    options: dict
    shapes: dict  # of the parameters, in the order of their declaration
    model: object  # (options, world, tensors, step) -> scores of pairs, rows for the L2 term
    scale: float = 0.4
    has_values: bool = False
    has_scores: bool = True
    files: dict = field(default_factory=dict)
    world: World = field(default_factory=World)


def svd(o, w, t, step):
    factors = t["factors"]
    mean = w.values[w.has].mean()

    def scores(u, i, *_):
        a, b = factors[u], factors[USERS + i]
        return mean + (a[:, :-1] * b[:, :-1]).sum(1) + a[:, -1] + b[:, -1]
    return scores, factors


def neumf(o, w, t, step):
    p, q = t["gmf.embedding"], t["mlp.embedding"]

    def scores(u, i, *_):
        x = torch.cat([q[u], q[USERS + i]], 1)
        for k in (1, 2):
            x = torch.relu(x @ t[f"mlp.layer{k}"].T + t[f"mlp.bias{k}"])
        x = x @ t["mlp.output"].T + t["mlp.output_bias"]
        return x[:, 0] + (p[u] * p[USERS + i]) @ t["gmf.output"][0]
    return scores, torch.cat([p, q], 1)


def cases():
    n = USERS + ITEMS
    return {
        "svd": Case({"model.kind": "svd", "model.dim": DIM, "loss.kind": "mse",
                     "train.learning_rate": 0.05}, {"factors": (n, DIM + 1)}, svd,
                    has_values=True),
        "neumf": Case({"model.kind": "neumf", "model.dim": DIM, "model.hidden": [6, 3],
                       "loss.kind": "bce", "sampling.per_positive": 2},
                      {"gmf.embedding": (n, DIM), "gmf.output": (1, DIM), "mlp.embedding": (n, DIM),
                       "mlp.layer1": (6, 2 * DIM), "mlp.bias1": (1, 6), "mlp.layer2": (3, 6),
                       "mlp.bias2": (1, 3), "mlp.output": (1, 3), "mlp.output_bias": (1, 1)},
                      neumf),
    }
