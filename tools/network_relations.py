"""Models of make_golden_networks.py that know relations: joined graphs, behaviours, item graphs."""
import torch

from golden_world import DIM, ITEMS, TAGS, USERS, Case, messages, relations


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
    counts = [r.sum(1, keepdim=True) for r in behaviours]
    behaviours[-1] = messages(o, w, step)
    near = [mean_rows(r) @ q for r in behaviours]
    total = sum(a * n for a, n in zip(shares, counts))
    sums = sum(a * n * x for a, n, x in zip(shares, counts, near))
    p1 = torch.where(total != 0, sums / torch.where(total == 0, 1.0, total), 0.0) @ t["weights"]
    grown = 1 if step is None else 1 / o.get("train.message_share", 1)
    q1 = grown * behaviours[-1].T @ p @ t["weights"]
    users, items = torch.cat([p, p1], 1), torch.cat([q, q1], 1)
    by_item = []
    for k, r in enumerate(behaviours, 1):
        i = torch.cat([q, mean_rows(r.T) @ (mean_rows(r) @ q) @ t[f"behaviour.{k}.item_weights"]],
                      1)
        identity = torch.eye(2 * DIM) if o.get("model.residual") else 0
        m = t[f"behaviour.{k}.score_weights"] + identity
        by_item.append((mean_rows(r) @ i @ m, i))

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
        a[:USERS, USERS:] = messages(o, w, step) if name == "has" else torch.tensor(
            getattr(w, name))
        e = layers_of(symmetric(a + a.T), x, o["model.hops"][k - 1])
        total = total + e
        if k < 3:
            m = t[f"transform.{k}"]
            x = torch.cat([e[:USERS] @ m[:DIM], e[USERS:] @ m[DIM:]])
    return product_of(total), t["embedding"]


def irgnn(o, w, t, step):
    near = torch.tensor(w.near).double()
    g, x = symmetric(near + near.T), t["embedding"]
    h = x
    for k in range(1, o["model.layers"] + 1):
        h = g @ h @ t[f"layer{k}.weight"] + h @ t[f"layer{k}.self"]
        h = torch.tanh(h) if k < o["model.layers"] else h
    z, r = torch.cat([h + x, t["bias"]], 1), torch.tensor(w.has).double()
    n = r.sum(1, keepdim=True)

    def scores(u, i, _, positives):
        sums, count = r[u] @ z[:, :-1], n[u]
        if positives is not None:
            sums, count = sums - z[positives, :-1], count - 1
        query = torch.where(count > 0, sums / count.clamp(min=1), 0.0)
        return (query * z[i, :-1]).sum(1) + z[i, -1]
    return scores, torch.cat([mean_rows(r) @ z, z])


def relation_cases():
    n = USERS + ITEMS
    common = {"model.dim": DIM, "train.learning_rate": 0.1}
    behaviours = {"data.relations": relations("view", "cart"), "model.relations": "view,cart"}
    of_each = {f"behaviour.{k}.{name}": (size, size) for k in (1, 2, 3)
               for name, size in (("item_weights", DIM), ("score_weights", 2 * DIM))}
    of_mbgcn = {"embedding": (n, DIM), "shares": (1, 3), "weights": (DIM, DIM)} | of_each
    of_cascade = {"embedding": (n, DIM), "transform.1": (2 * DIM, DIM),
                  "transform.2": (2 * DIM, DIM)}
    hides = {"train.message_share": 0.6}
    return {
        "lightgcn_joined": Case(
            common | {"data.relations": relations("tags", "view", "friends"),
                      "model.kind": "lightgcn", "model.layers": 2,
                      "model.relations": "view,tags,friends"},
            {"embedding": (n + TAGS, DIM)}, joined({"view": 1.0, "tags": 1.0, "friends": 1.0}),
            files=("tags", "view", "friends")),
        "mbgcn": Case(
            common | behaviours | {"model.kind": "mbgcn", "model.item_score": 1},
            of_mbgcn, mbgcn, files=("view", "cart")),
        "mbgcn_messages": Case(
            common | behaviours | hides | {"model.kind": "mbgcn", "model.item_score": 1,
                                           "model.residual": "true"},
            of_mbgcn, mbgcn, files=("view", "cart")),
        "irgnn": Case(
            common | {"data.relations": relations("near"), "model.kind": "irgnn",
                      "model.relations": "near", "model.layers": 2, "model.activation": "tanh",
                      "sampling.per_positive": 2},
            {"embedding": (ITEMS, DIM), "bias": (ITEMS, 1)}
            | {f"layer{k}.{name}": (DIM, DIM) for k in (1, 2) for name in ("weight", "self")},
            irgnn, files=("near",)),
        "mbgcn_cascade": Case(
            common | behaviours | {"model.kind": "mbgcn_cascade", "model.hops": [1, 2, 1]},
            of_cascade, cascade, files=("view", "cart")),
        "mbgcn_cascade_messages": Case(
            common | behaviours | hides | {"model.kind": "mbgcn_cascade", "model.hops": [1, 2, 1]},
            of_cascade, cascade, files=("view", "cart")),
    }
