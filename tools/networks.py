"""The graph networks of make_golden_networks.py, as dense formulas."""
import torch

from golden_world import (DIM, ENDS, ITEMS, PURPOSE_DROPOUT, SEED, TAGS, USERS, Case, pair_cases,
                          philox, relations, splitmix)
from network_relations import relation_cases

# ---- layers of graph networks ----


ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
               "elu": torch.nn.functional.elu, "none": lambda x: x,
               "leaky_relu": lambda x: torch.nn.functional.leaky_relu(x, 0.01)}


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
        "gat_mean": Case(common | {"model.heads": 3, "model.join_heads": "mean",
                                   "model.widths": [5, 6], "model.activation": "elu"},
                         shapes([5, 6, DIM], 3, own=False), network, scale=0.8),
        "gat_self": Case(common | {"model.heads": 2, "model.self": "weight",
                                   "model.scorer": "cosine", "loss.kind": "hinge",
                                   "loss.margin": 0.3},
                         shapes([DIM] * 3, 1, own=True), network),
    }


def network(o, w, t, step):
    layer, pyg = LAYERS[o["model.kind"]]
    w = w.with_fields() if o.get("model.scorer") == "fm" else w
    nodes = max(USERS + ITEMS, len(t.get("embedding", ())))
    own = torch.ones(nodes, 1)  # of users and items without interactions none counts
    own[:USERS + ITEMS, 0] = torch.tensor([*w.has.any(1), *w.has.any(0)])
    x = ego = t["embedding"] * own if "embedding" in t else 0
    if "features.weight" in t:
        x = ego = x + w.features @ t["features.weight"]
    joins, parts = o["model.kind"] == "ngcf", [x]
    for k in range(1, o["model.layers"] + 1):
        steps = (step,) if layer is compgcn_layer else ()
        y, other = layer(o, w, t, k, x, *steps), pyg(o, w, t, k, x)
        assert other is None or torch.allclose(y, other, rtol=1e-10, atol=1e-12), (o, k)
        x = y
        if k < o["model.layers"] or joins or o.get("model.activate_last"):
            if o.get("model.batch_norm"):
                x = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
                x = x * t[f"layer{k}.gain"] + t[f"layer{k}.shift"]
            activation = ACTIVATIONS[o.get("model.activation", "relu")]
            x = torch.nn.functional.leaky_relu(x, 0.2) if joins else activation(x)
            x = dropout(x, o.get("model.dropout", 0), k - 1, step)
        parts.append(torch.nn.functional.normalize(x, dim=1))
    x = torch.cat(parts, 1) if joins else x
    if o.get("model.scorer") == "cosine":
        x = torch.nn.functional.normalize(x, dim=1)
    biases = torch.zeros(nodes)
    if o.get("model.scorer") == "biased":
        biases = (t["bias"] * own + w.features @ t["features.bias"])[:, 0]
    if o.get("loss.kind") == "mse":
        biases = biases + torch.cat([torch.full((USERS,), w.values[w.has].mean()),
                                     torch.zeros(nodes - USERS)])

    def scores(u, i, *_):
        return (x[u] * x[USERS + i]).sum(1) + biases[u] + biases[USERS + i]

    def fm_scores(u, i, _, positives):
        """What compares items; without a row at hand the field is empty."""
        field = torch.tensor(w.field)[u, positives] + 1 if positives is not None else 0 * u
        query = x[u] + x[USERS + ITEMS + field]
        return (query * x[USERS + i]).sum(1) + t["weight"][USERS + i, 0]
    return fm_scores if o.get("model.scorer") == "fm" else scores, ego


FEATURES = """[{of: user, file: users, header: false, separator: " ", id: "0", columns: [
{column: "1", name: age}, {column: "2", name: job, kind: category}]}, {of: item, file: items,
header: false, separator: " ", id: "0", columns: [{column: "1:4", kind: flags}]}]"""
FEATURES = FEATURES.replace("\n", " ")


def layer_shapes(widths, *, own, **before):
    out = before or {"embedding": (USERS + ITEMS, widths[0])}
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
        "gcn_norm": Case(common | {"model.batch_norm": "true", "model.activation": "leaky_relu"},
                         layer_shapes([DIM] * 3, own=False)
                         | {"layer1.gain": (1, DIM), "layer1.shift": (1, DIM)}, network),
        "ngcf": Case(common | {"model.kind": "ngcf", "model.activation": "leaky_relu",
                               "train.learning_rate": 0.1},
                     {"embedding": (USERS + ITEMS, DIM)}
                     | {f"layer{k}.{name}": (1 if name == "bias" else DIM, DIM) for k in (1, 2)
                        for name in ("weight", "products", "bias")}, network),
        "gcn_features": Case(common | {"data.features": FEATURES, "model.ids": "none",
                                       "model.edges": "mean", "model.self": "weight",
                                       "model.widths": [5, 6]},
                             layer_shapes([5, 6, DIM], own=True,
                                          **{"features.weight": (9, 5)}), network),
        "gcn_ratings": Case(common | {"data.features": FEATURES, "loss.kind": "mse",
                                      "model.scorer": "biased", "model.layers": 1,
                                      "train.learning_rate": 0.05},
                            layer_shapes([DIM] * 2, own=False, **{
                                "embedding": (USERS + ITEMS, DIM), "features.weight": (9, DIM),
                                "bias": (USERS + ITEMS, 1), "features.bias": (9, 1)}), network,
                            has_values=True),
        "gcn_dropout": Case(common | {"model.dropout": 0.4, "train.optimizer": "adam",
                                      "train.learning_rate": 0.01},
                            layer_shapes([DIM] * 3, own=False), network),
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
    by = {"symmetric": (rows * columns).sqrt(), "mean": rows.expand_as(a),
          "sum": torch.ones_like(a)}
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


def compgcn_layer(o, w, t, k, x, step):
    edges, name, z = edges_by_type(o, w), f"layer{k}.", t["relation"]
    phi = COMPOSITIONS[o.get("model.composition", "mult")]
    for j in range(1, k):
        z = z @ t[f"layer{j}.relations"]
    y = phi(x, t[name + "loop"].expand_as(x)) @ t[name + "self"]
    for first, matrix in ((0, "forward"), (1, "backward")):
        direction = sum(edges[first::2])
        gathered = sum(normalised(o, a, direction) @ phi(x, relation[None].expand_as(x))
                       for a, relation in zip(edges[first::2], z[first::2]))
        y = y + dropout(gathered @ t[name + matrix], o.get("model.gather_dropout", 0),
                        192 + 2 * (k - 1) + first, step)
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
        "compgcn_paper": Case(compgcn | {"model.composition": "corr", "model.layers": 1,
                                         "model.activation": "tanh", "model.batch_norm": "true",
                                         "model.activate_last": "true", "model.dropout": 0.3,
                                         "model.gather_dropout": 0.2},
                              shapes([DIM] * 2, lambda a, b, last: composed(a, b, last) |
                                     {"gain": (1, b), "shift": (1, b)},
                                     relation=(types, DIM)), network, files=files),
    }


def machine_cases():
    """FM-GCN and FM-GCN-ATT: one layer over the pairs of user, item and field of rows."""
    n = USERS + ITEMS + 4
    common = {"data.fields": "[{name: mood, column: mood}]", "model.scorer": "fm",
              "model.dim": DIM, "model.layers": 1, "model.activation": "none"}
    own = {"embedding": (n, DIM), "weight": (n, 1)}
    return {
        "fm_gcn": Case(common | {"model.kind": "gcn", "model.maps": "false"},
                       own | {"layer1.bias": (1, DIM)}, network, has_field=True),
        "fm_gat": Case(common | {"model.kind": "gat", "model.heads": 2},
                       own | {"layer1.weight": (DIM, DIM), "layer1.to": (DIM, 1),
                              "layer1.from": (DIM, 1), "layer1.bias": (1, DIM)}, network,
                       scale=0.6, has_field=True),
    }


def cases():
    return (pair_cases() | gcn_cases() | gat_cases() | machine_cases() | relation_cases()
            | typed_cases())


def ngcf_layer(o, w, t, k, x):
    g, name = gathering({"model.self": "none"}, w.adjacency) @ x, f"layer{k}."
    return (g + x) @ t[name + "weight"] + (g * x) @ t[name + "products"] + t[name + "bias"]


LAYERS = {"gcn": (gcn_layer, pyg_gcn), "ngcf": (ngcf_layer, lambda *_: None),
          "gat": (gat_layer, pyg_gat), "rgcn": (rgcn_layer, pyg_rgcn),
          "compgcn": (compgcn_layer, lambda *_: None)}
