"""The networks of make_golden_networks.py, as dense formulas, and the data that they see."""
from dataclasses import dataclass, field

import numpy as np
import torch

USERS, ITEMS, LONELY_USER, LONELY_ITEM = 11, 9, 4, 6
DIM, TAGS = 4, 3
SEED, PURPOSE_DROPOUT = 77, 19


ENDS = {"has": ("user", "item"), "view": ("user", "item"), "cart": ("user", "item"),
        "tags": ("item", "tag"), "friends": ("user", "user")}


def relations(*names):
    """data.relations of those, each in a file of its name."""
    return "[" + ", ".join(
        f"{{name: {name}, file: {name}, from: {ENDS[name][0]}, to: {ENDS[name][1]}, header: false, "
        f"separator: \" \", head: \"0\", tail: \"1\"}}" for name in names) + "]"


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
        return out | {f"file.{name}": np.argwhere(getattr(self, name)) for name in case.files}

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


# ---- layers of graph networks ----


ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
               "elu": torch.nn.functional.elu, "none": lambda x: x,
               "leaky_relu": lambda x: torch.nn.functional.leaky_relu(x, 0.01)}


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


def dropout(x, ratio, layer, step):
    """The elements that step and layer drop; step None: nobody is training."""
    if step is None or not ratio:
        return x
    high, low = philox([0, layer | PURPOSE_DROPOUT << 20, step, 0], [SEED, 0])[:2]
    key, rows = high << 32 | low, x.shape[1]
    kept = [splitmix((key + element) % 2**64) >> 32 >= int(ratio * 2**32)
            for element in range(x.numel())]
    return x * torch.tensor(kept).reshape(-1, rows) / (1 - ratio)


def gathering(o, adjacency):
    """What a layer of gcn multiplies x with."""
    a = adjacency
    if o.get("model.self", "loop") == "loop":
        a = a + torch.eye(len(a), dtype=a.dtype)
    degree = a.sum(1)
    kind = o.get("model.edges", "symmetric")
    power = torch.where(degree > 0, degree.clamp(min=1) ** (-1 if kind == "mean" else -0.5), 0.0)
    if kind == "symmetric":
        return power[:, None] * a * power
    return power[:, None] * a if kind == "mean" else a


def gcn_layer(o, w, t, k, x):
    name = f"layer{k}."
    y = gathering(o, w.adjacency) @ x
    if o.get("model.maps") == "false":
        y = y + x if o.get("model.self") == "weight" else y
    else:
        y = y @ t[name + "weight"]
        y = y + x @ t[name + "self"] if o.get("model.self") == "weight" else y
    return y + t[name + "bias"]


def pyg_gcn(o, w, t, k, x):
    """The same by PyTorch Geometric, or None where it has no such layer."""
    from torch_geometric.nn import GCNConv, SAGEConv
    edges, name = w.adjacency.nonzero().T.flip(0), f"layer{k}."
    width = t[name + "bias"].shape[1]
    if o.get("model.maps") == "false":
        return None
    if o.get("model.self", "loop") == "loop":
        layer = GCNConv(x.shape[1], width).double()
        values = {"lin.weight": t[name + "weight"].T, "bias": t[name + "bias"][0]}
    else:
        layer = SAGEConv(x.shape[1], width, aggr=o["model.edges"]).double()
        values = {"lin_l.weight": t[name + "weight"].T, "lin_l.bias": t[name + "bias"][0],
                  "lin_r.weight": t[name + "self"].T}
    layer.load_state_dict({key: value.detach() for key, value in values.items()})
    return layer(x.detach(), edges)


# ---- attention ----


def gat_layer(o, w, t, k, x):
    """Dense: softmax over each row's edges, head by head."""
    name, heads = f"layer{k}.", o.get("model.heads", 1)
    a = w.adjacency
    if o.get("model.self", "loop") == "loop":
        a = a + torch.eye(len(a), dtype=a.dtype)
    h = x @ t[name + "weight"]
    parts = []
    for part, to, source in zip(h.chunk(heads, 1), t[name + "to"].chunk(heads),
                                t[name + "from"].chunk(heads)):
        logits = torch.nn.functional.leaky_relu(part @ to + (part @ source).T, 0.2)
        weights = torch.softmax(torch.where(a > 0, logits, -torch.inf), 1).nan_to_num(0)
        parts.append(weights @ part)
    y = torch.cat(parts, 1) if o.get("model.join_heads") != "mean" else sum(parts) / heads
    if o.get("model.self") == "weight":
        y = y + x @ t[name + "self"]
    return y + t[name + "bias"]


def pyg_gat(o, w, t, k, x):
    from torch_geometric.nn import GATConv
    if o.get("model.self") == "weight":
        return None
    edges, name, heads = w.adjacency.nonzero().T.flip(0), f"layer{k}.", o.get("model.heads", 1)
    width, is_mean = t[name + "to"].shape[0] // heads, o.get("model.join_heads") == "mean"
    layer = GATConv(x.shape[1], width, heads=heads, concat=not is_mean,
                    add_self_loops=o.get("model.self", "loop") == "loop").double()
    values = {"lin.weight": t[name + "weight"].T, "bias": t[name + "bias"][0],
              "att_dst": t[name + "to"].reshape(1, heads, width),
              "att_src": t[name + "from"].reshape(1, heads, width)}
    layer.load_state_dict({key: value.detach() for key, value in values.items()})
    return layer(x.detach(), edges)


def gat_cases():
    common = {"model.kind": "gat", "model.dim": DIM, "model.layers": 2}

    def shapes(widths, heads, *, own):
        out = {"embedding": (USERS + ITEMS, widths[0])}
        for k, (a, b) in enumerate(zip(widths, widths[1:]), 1):
            out |= {f"layer{k}.weight": (a, b * heads), f"layer{k}.to": (b * heads, 1),
                    f"layer{k}.from": (b * heads, 1)}
            out |= ({f"layer{k}.self": (a, b)} if own else {}) | {f"layer{k}.bias": (1, b)}
        return out
    return {
        "gat": Case(common | {"model.heads": 2}, shapes([DIM] * 3, 1, own=False), network),
        "gat_mean": Case(common | {"model.heads": 2, "model.join_heads": "mean",
                                   "model.widths": [5, 6], "model.activation": "elu",
                                   "loss.kind": "hinge", "loss.margin": 2},
                         shapes([5, 6, DIM], 2, own=False), network),
        "gat_self": Case(common | {"model.heads": 2, "model.self": "weight",
                                   "model.scorer": "cosine", "loss.kind": "hinge",
                                   "loss.margin": 0.3},
                         shapes([DIM] * 3, 1, own=True), network),
    }


def network(o, w, t, step):
    layer, pyg = LAYERS[o["model.kind"]]
    own = torch.ones(len(t["embedding"]), 1)  # of users and items without interactions none counts
    own[:USERS + ITEMS, 0] = w.adjacency.sum(1) > 0
    x = ego = t["embedding"] * own
    for k in range(1, o["model.layers"] + 1):
        y, other = layer(o, w, t, k, x), pyg(o, w, t, k, x)
        assert other is None or torch.allclose(y, other, rtol=1e-10, atol=1e-12), (o, k)
        x = y
        if k < o["model.layers"]:
            x = ACTIVATIONS[o.get("model.activation", "relu")](x)
            x = dropout(x, o.get("model.dropout", 0), k - 1, step)
    if o.get("model.scorer") == "cosine":
        x = torch.nn.functional.normalize(x, dim=1)

    def scores(u, i, *_):
        return (x[u] * x[USERS + i]).sum(1)
    return scores, ego


def layer_shapes(widths, *, own):
    out = {"embedding": (USERS + ITEMS, widths[0])}
    for k, (a, b) in enumerate(zip(widths, widths[1:]), 1):
        out |= {f"layer{k}.weight": (a, b)} | ({f"layer{k}.self": (a, b)} if own else {})
        out[f"layer{k}.bias"] = (1, b)
    return out


def gcn_cases():
    common = {"model.kind": "gcn", "model.dim": DIM, "model.layers": 2}
    return {
        "gcn": Case(common, layer_shapes([DIM] * 3, own=False), network),
        "gcn_mean": Case(common | {"model.edges": "mean", "model.self": "weight",
                                   "model.widths": [6, 5], "model.activation": "elu",
                                   "model.scorer": "cosine", "loss.kind": "hinge",
                                   "loss.margin": 0.3, "sampling.per_positive": 2},
                         layer_shapes([6, 5, DIM], own=True), network),
        "gcn_sum": Case(common | {"model.edges": "sum", "model.self": "weight",
                                  "model.activation": "tanh", "train.learning_rate": 0.1},
                        layer_shapes([DIM] * 3, own=True), network, scale=0.2),
        "gcn_plain": Case(common | {"model.layers": 3, "model.maps": "false",
                                    "model.activation": "none"},
                          {"embedding": (USERS + ITEMS, DIM)}
                          | {f"layer{k}.bias": (1, DIM) for k in (1, 2, 3)}, network),
        "gcn_dropout": Case(common | {"model.dropout": 0.4, "train.optimizer": "adam",
                                      "train.learning_rate": 0.01},
                            layer_shapes([DIM] * 3, own=False), network),
    }


# ---- interactions and relations as one graph, and behaviours apart ----


def symmetric(a):
    """D^-1/2 A D^-1/2, D the sums of rows; zeros where there is nothing."""
    degree = a.sum(1)
    power = torch.where(degree > 0, degree.clamp(min=1e-9) ** -0.5, 0.0)
    return power[:, None] * a * power


def mean_rows(a):
    return a / a.sum(1, keepdim=True).clamp(min=1e-9)


def layers_of(a, x, n):
    out = [x]
    for _ in range(n):
        out.append(a @ out[-1])
    return torch.stack(out).mean(0)


def product_of(x):
    return lambda u, i, *_: (x[u] * x[USERS + i]).sum(1)


def joined(weights):
    def model(o, w, t, step):
        x = layers_of(symmetric(w.joined(weights)), t["embedding"], o["model.layers"])
        return product_of(x), t["embedding"]
    return model


def mbgcn(o, w, t, step):
    p, q = t["embedding"][:USERS], t["embedding"][USERS:]
    behaviours = [torch.tensor(x).double() for x in (w.view, w.cart, w.has)]
    shares = t["shares"][0]
    near = [mean_rows(r) @ q for r in behaviours]
    counts = [r.sum(1, keepdim=True) for r in behaviours]
    total = sum(a * n for a, n in zip(shares, counts))
    sums = sum(a * n * x for a, n, x in zip(shares, counts, near))
    p1 = torch.where(total != 0, sums / torch.where(total == 0, 1.0, total), 0.0) @ t["weights"]
    q1 = behaviours[-1].T @ p @ t["weights"]
    users, items = torch.cat([p, p1], 1), torch.cat([q, q1], 1)
    by_item = []
    for k, r in enumerate(behaviours, 1):
        i = torch.cat([q, mean_rows(r.T) @ (mean_rows(r) @ q) @ t[f"behaviour.{k}.item_weights"]],
                      1)
        by_item.append((mean_rows(r) @ i @ t[f"behaviour.{k}.score_weights"], i))

    def scores(u, i, *_):
        out = (users[u] * items[i]).sum(1)
        for a, b in by_item:
            out = out + o["model.item_score"] / 3 * (a[u] * b[i]).sum(1)
        return out
    return scores, torch.cat([2 ** 0.5 * users, items])


def cascade(o, w, t, step):
    x, total = t["embedding"], 0
    for k, name in enumerate(("view", "cart", "has"), 1):
        a = torch.zeros(USERS + ITEMS, USERS + ITEMS, dtype=torch.float64)
        a[:USERS, USERS:] = torch.tensor(getattr(w, name))
        e = layers_of(symmetric(a + a.T), x, o["model.hops"][k - 1])
        total = total + e
        if k < 3:
            m = t[f"transform.{k}"]
            x = torch.cat([e[:USERS] @ m[:DIM], e[USERS:] @ m[DIM:]])
    return product_of(total), t["embedding"]


def relation_cases():
    n = USERS + ITEMS
    common = {"model.dim": DIM, "train.learning_rate": 0.1}
    behaviours = {"data.relations": relations("view", "cart"), "model.relations": "view,cart"}
    of_each = {f"behaviour.{k}.{name}": (size, size) for k in (1, 2, 3)
               for name, size in (("item_weights", DIM), ("score_weights", 2 * DIM))}
    return {
        "lightgcn_joined": Case(
            common | {"data.relations": relations("tags", "view", "friends"),
                      "model.kind": "lightgcn", "model.layers": 2,
                      "model.relations": "view,tags,friends"},
            {"embedding": (n + TAGS, DIM)}, joined({"view": 1.0, "tags": 1.0, "friends": 1.0}),
            files=("tags", "view", "friends")),
        "mbgcn": Case(
            common | behaviours | {"model.kind": "mbgcn", "model.item_score": 1},
            {"embedding": (n, DIM), "shares": (1, 3), "weights": (DIM, DIM)} | of_each, mbgcn,
            files=("view", "cart")),
        "mbgcn_cascade": Case(
            common | behaviours | {"model.kind": "mbgcn_cascade", "model.hops": [1, 2, 1]},
            {"embedding": (n, DIM), "transform.1": (2 * DIM, DIM), "transform.2": (2 * DIM, DIM)},
            cascade, files=("view", "cart")),
    }


# ---- types of edges ----


def edges_by_type(o, w):
    """A matrix for each type: relation r as its edges go, then back; the interactions first."""
    out = []
    for name in ["has"] + [r for r in o.get("model.relations", "").split(",") if r]:
        n = USERS + ITEMS + (TAGS if "tags" in o.get("model.relations", "") else 0)
        first = {"user": 0, "item": USERS, "tag": USERS + ITEMS}
        part, a = torch.tensor(getattr(w, name)), torch.zeros(n, n, dtype=torch.float64)
        row, column = (first[side] for side in ENDS[name])
        a[row:row + len(part), column:column + part.shape[1]] = part
        out += [a, a.T.clone()]
    return out


def normalised(o, a, of):
    """a by the sums over rows and columns of `of`."""
    rows, columns = of.sum(1, keepdim=True), of.sum(0, keepdim=True)
    kind = o.get("model.edges", "symmetric")
    by = {"symmetric": (rows * columns).sqrt(), "mean": rows.expand_as(a), "sum": torch.ones_like(a)}
    return torch.where(a != 0, a / by[kind].clamp(min=1e-9), 0.0)


def relation_matrices(o, t, k, n):
    """The n matrices of the relations at layer k."""
    name = f"layer{k}."
    if o.get("model.bases"):
        bases = t[name + "bases"].reshape(o["model.bases"], -1, t[name + "bias"].shape[1])
        return torch.einsum("tb,bij->tij", t[name + "coefficients"], bases)
    if o.get("model.blocks"):
        size = t[name + "bias"].shape[1] // o["model.blocks"]
        blocks = t[name + "relations"].reshape(n, o["model.blocks"], size, size)
        return torch.stack([torch.block_diag(*of) for of in blocks])
    return t[name + "relations"].reshape(n, -1, t[name + "bias"].shape[1])


def rgcn_layer(o, w, t, k, x):
    edges, name = edges_by_type(o, w), f"layer{k}."
    y = t[name + "bias"] + (x @ t[name + "self"] if o.get("model.self") != "none" else 0)
    for a, matrix in zip(edges, relation_matrices(o, t, k, len(edges))):
        y = y + normalised(o, a, a) @ x @ matrix
    return y


def pyg_rgcn(o, w, t, k, x):
    from torch_geometric.nn import RGCNConv
    if o["model.edges"] == "symmetric":
        return None
    edges, name = edges_by_type(o, w), f"layer{k}."
    out, bases, blocks = t[name + "bias"].shape[1], o.get("model.bases"), o.get("model.blocks")
    layer = RGCNConv(x.shape[1], out, len(edges), num_bases=bases, num_blocks=blocks,
                     aggr={"mean": "mean", "sum": "add"}[o["model.edges"]]).double()
    weight = t[name + ("bases" if bases else "relations")]
    values = {"weight": weight.reshape(layer.weight.shape), "root": t[name + "self"],
              "bias": t[name + "bias"][0]}
    if bases:
        values["comp"] = t[name + "coefficients"]
    layer.load_state_dict({key: value.detach() for key, value in values.items()})
    index = torch.cat([a.nonzero().T.flip(0) for a in edges], 1)
    types = torch.cat([torch.full((int((a != 0).sum()),), i) for i, a in enumerate(edges)])
    return layer(x.detach(), index, types)


COMPOSITIONS = {"sub": lambda x, z: x - z, "mult": lambda x, z: x * z,
                "corr": lambda x, z: torch.fft.irfft(torch.fft.rfft(x).conj() * torch.fft.rfft(z),
                                                     n=x.shape[1])}


def compgcn_layer(o, w, t, k, x):
    edges, name, z = edges_by_type(o, w), f"layer{k}.", t["relation"]
    phi = COMPOSITIONS[o.get("model.composition", "mult")]
    for j in range(1, k):
        z = z @ t[f"layer{j}.relations"]
    y = phi(x, t[name + "loop"].expand_as(x)) @ t[name + "self"]
    for first, matrix in ((0, "forward"), (1, "backward")):
        direction = sum(edges[first::2])
        for a, relation in zip(edges[first::2], z[first::2]):
            gathered = normalised(o, a, direction) @ phi(x, relation[None].expand_as(x))
            y = y + gathered @ t[name + matrix]
    return y / 3 + t[name + "bias"]


def typed_cases():
    files = ("view", "tags")
    n, types = USERS + ITEMS + TAGS, 6
    common = {"data.relations": relations(*files), "model.relations": "view,tags",
              "model.dim": DIM, "model.layers": 2, "train.learning_rate": 0.1}

    def shapes(widths, of_layer, **after):
        out = {"embedding": (n, widths[0])}
        for k, (a, b) in enumerate(zip(widths, widths[1:]), 1):
            of = of_layer(a, b, k == len(widths) - 1) | {"bias": (1, b)}
            out |= {f"layer{k}.{name}": shape for name, shape in of.items()}
        return out | after

    def composed(a, b, is_last):
        out = {name: (a, b) for name in ("forward", "backward", "self")} | {"loop": (1, a)}
        return out if is_last else out | {"relations": (a, b)}
    rgcn, compgcn = common | {"model.kind": "rgcn"}, common | {"model.kind": "compgcn"}
    return {
        "rgcn": Case(rgcn | {"model.edges": "mean", "model.widths": [6, 5]},
                     shapes([6, 5, DIM], lambda a, b, _: {"relations": (types * a, b),
                                                          "self": (a, b)}),
                     network, files=files),
        "rgcn_bases": Case(rgcn | {"model.edges": "symmetric", "model.bases": 2,
                                   "model.self": "none", "model.activation": "tanh"},
                           shapes([DIM] * 3, lambda a, b, _: {"coefficients": (types, 2),
                                                              "bases": (2 * a, b)}),
                           network, files=files),
        "rgcn_blocks": Case(rgcn | {"model.edges": "sum", "model.blocks": 2,
                                    "model.activation": "elu"},
                            shapes([DIM] * 3, lambda a, b, _: {"relations": (types, a * 2),
                                                               "self": (a, b)}),
                            network, scale=0.2, files=files),
        "compgcn_sub": Case(compgcn | {"model.composition": "sub", "model.layers": 1,
                                       "model.edges": "mean", "model.activation": "tanh"},
                            shapes([DIM] * 2, composed, relation=(types, DIM)), network,
                            files=files),
        "compgcn_mult": Case(compgcn, shapes([DIM] * 3, composed, relation=(types, DIM)), network,
                             scale=0.9, files=files),
        "compgcn_corr": Case(compgcn | {"model.composition": "corr", "model.widths": [5, 6],
                                        "model.activation": "tanh"},
                             shapes([5, 6, DIM], composed, relation=(types, 5)), network,
                             files=files),
    }


def cases():
    return pair_cases() | gcn_cases() | gat_cases() | relation_cases() | typed_cases()


LAYERS = {"gcn": (gcn_layer, pyg_gcn), "gat": (gat_layer, pyg_gat), "rgcn": (rgcn_layer, pyg_rgcn),
          "compgcn": (compgcn_layer, lambda *_: None)}
