"""The data that the networks of make_golden_networks.py see, and the models that score pairs."""
import copy
from dataclasses import dataclass, field

import numpy as np
import torch

USERS, ITEMS, LONELY_USER, LONELY_ITEM = 11, 9, 4, 6
DIM, TAGS = 4, 3
SEED, PURPOSE_DROPOUT, PURPOSE_MASK = 77, 19, 40


ENDS = {"has": ("user", "item"), "view": ("user", "item"), "cart": ("user", "item"),
        "tags": ("item", "tag"), "friends": ("user", "user"), "near": ("item", "item")}


def relations(*names):
    """data.relations of those, each in a file of its name."""
    return "[" + ", ".join(
        f"{{name: {name}, file: {name}, from: {ENDS[name][0]}, to: {ENDS[name][1]}, header: false, "
        f"separator: \" \", head: \"0\", tail: \"1\"}}" for name in names) + "]"


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


def messages(o, w, step):
    """Users by items: the interactions that vectors are made of in epoch 0; step None: all."""
    left, share = torch.tensor(w.has).double(), o.get("train.message_share", 1)
    if step is None or share == 1:
        return left
    high, low = philox([0, PURPOSE_MASK << 20, 0, 0], [SEED, 0])[:2]
    key = high << 32 | low
    for u, i in w.edges.tolist():
        bits = splitmix((key + (u << 32 | (USERS + i))) % 2**64) >> 32
        left[u, i] = bits >= int((1 - share) * 2**32)
    return left


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
        self.field = r.randint(-1, 3, (USERS, ITEMS))  # -1: none
        self.view, self.cart = r.rand(USERS, ITEMS) < 0.3, r.rand(USERS, ITEMS) < 0.2
        self.tags = r.rand(ITEMS, TAGS) < 0.4
        self.tags[0, :] = True  # no tag is without an item
        self.friends = np.triu(r.rand(USERS, USERS) < 0.25, 1)
        age, job = np.round(r.rand(USERS), 2), r.randint(0, 3, USERS)
        job[:3] = 0, 1, 2
        flags = r.rand(ITEMS, 3) < 0.4
        self.tables = {"users": np.stack([np.arange(USERS), age, job], 1),
                       "items": np.concatenate([np.arange(ITEMS)[:, None], flags], 1)}
        of_users = np.concatenate([np.ones((USERS, 1)), age[:, None], np.eye(3)[job]], 1)
        of_items = np.concatenate([np.ones((ITEMS, 1)), flags], 1)
        self.features = torch.block_diag(*map(torch.tensor, (of_users, of_items)))
        self.near = np.triu(r.rand(ITEMS, ITEMS) < 0.4, 1)
        self.adjacency = torch.zeros(USERS + ITEMS, USERS + ITEMS, dtype=torch.float64)
        self.adjacency[:USERS, USERS:] = torch.tensor(self.has)
        self.adjacency += self.adjacency.T.clone()

    def arrays(self, case):
        rows = [(u, i, 0) for u, i in self.edges]
        rows += [(LONELY_USER, 0, 2), (0, LONELY_ITEM, 2)]
        out = {"rows": np.array(rows)}
        if case.has_values:
            out["values"] = np.array([[self.values[u, i]] for u, i, _ in rows])
        if case.has_field:
            out["field"] = np.array([[self.field[u, i]] for u, i, _ in rows])
        return out | {f"file.{name}": np.argwhere(getattr(self, name)) for name in case.files} | (
            {f"file.{name}": table for name, table in self.tables.items()}
            if "data.features" in case.options else {})

    def with_fields(self):
        """The same, values of the field as nodes behind items (the first for none): each train row
        joins its user, item and value."""
        n = USERS + ITEMS
        out = copy.copy(self)
        out.adjacency = torch.zeros(n + 4, n + 4, dtype=torch.float64)
        out.adjacency[:n, :n] = self.adjacency
        for u, i in self.edges:
            value = n + 1 + self.field[u, i]
            for node in (u, USERS + i):
                out.adjacency[node, value] = out.adjacency[value, node] = 1
        return out

    def joined(self, relations):
        """The sum of symmetric matrices: of the interactions, and a weight times each relation."""
        n = USERS + ITEMS + (TAGS if "tags" in relations else 0)
        first = {"user": 0, "item": USERS, "tag": USERS + ITEMS}
        out = torch.zeros(n, n, dtype=torch.float64)
        for name, weight in ({"has": 1.0} | relations).items():
            matrix = torch.tensor(getattr(self, name))
            row, column = (first[side] for side in ENDS[name])
            out[row:row + len(matrix), column:column + matrix.shape[1]] += weight * matrix
            out[column:column + matrix.shape[1], row:row + len(matrix)] += weight * matrix.T
        return out


@dataclass
class Case:
    options: dict
    shapes: dict  # of the parameters, in the order of their declaration
    model: object  # (options, world, tensors, step) -> scores of pairs, rows for the L2 term
    scale: float = 0.4
    has_values: bool = False
    has_field: bool = False
    has_scores: bool = True
    files: tuple = ()  # relations: each is a file of its name
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


def fm(o, w, t, step):
    """Without a row at hand the field is empty, which is row 0 of its table."""
    v, c = t["embedding"], t["context"]

    def scores(u, i, _, positives):
        row = torch.tensor(w.field)[u, positives] + 1 if positives is not None else 0 * u
        fields = torch.stack([v[u], v[USERS + i], c[row]])
        pairs = (fields.sum(0) ** 2 - (fields ** 2).sum(0)).sum(1) / 2
        linear = t["weight"][u] + t["weight"][USERS + i] + t["context_weight"][row] + t["bias"]
        return pairs + linear[:, 0]
    return scores, v


def pair_cases():
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
        "fm": Case({"data.fields": "[{name: mood, column: mood}]", "model.kind": "fm",
                    "model.dim": DIM, "loss.kind": "bce", "sampling.per_positive": 2},
                   {"embedding": (n, DIM), "weight": (n, 1), "context": (4, DIM),
                    "context_weight": (4, 1), "bias": (1, 1)}, fm, has_field=True),
    }
