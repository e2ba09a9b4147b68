"""The ranking losses of make_golden.py in PyTorch, written from their papers' formulas."""
import numpy as np
import torch

# Options that a variant does not set.
DEFAULTS = {"loss.kind": "bpr", "loss.logits": "auto", "loss.power": 1,
            "loss.exclude_positive": "true", "loss.popularity_correction": 0}


def softmax(o, chance, users, items):
    if o["loss.logits"] != "dot":
        users, items = [torch.nn.functional.normalize(x) for x in (users, items)]
    logits = users @ items.T / o["loss.temperature"]
    if o["loss.popularity_correction"]:
        logits = logits - o["loss.popularity_correction"] * chance.log()
    own = torch.eye(len(items), dtype=torch.bool)
    total = logits.masked_fill(own, -torch.inf) if o["loss.exclude_positive"] == "true" else logits
    return (o["loss.power"] * total.logsumexp(1) - logits[own]).mean()


def over_negatives(o, beta, users, items, negatives):
    """negatives [M, B, d]; beta [1 + M, B]: of the positive, then of the negatives."""
    if o["loss.logits"] == "cosine" or (o["loss.logits"] == "auto"
                                        and o["loss.kind"] in ("softmax", "ccl")):
        users, items, negatives = [torch.nn.functional.normalize(x, dim=-1)
                                   for x in (users, items, negatives)]
    own, others = (users * items).sum(1), (users * negatives).sum(2)
    if o["loss.kind"] == "bpr":
        return torch.nn.functional.softplus(others - own).mean()
    if o["loss.kind"] == "hinge":
        return (o["loss.margin"] + others - own).clamp(min=0).mean()
    if o["loss.kind"] == "ccl":
        return (1 - own + o["loss.negative_weight"]
                * (others - o["loss.margin"]).clamp(min=0).mean(0)).mean()
    if o["loss.kind"] == "bce":
        def entropy(scores, label, a, b, beta):
            return torch.nn.functional.binary_cross_entropy_with_logits(
                scores, torch.full_like(scores, label), a + b * beta, reduction="none")
        return (entropy(own, 1, o["loss.bce_w1"], o["loss.bce_w2"], beta[0])
                + o["loss.negative_weight"] * entropy(others, 0, o["loss.bce_w3"], o["loss.bce_w4"],
                                                      beta[1:]).mean(0)).mean()
    terms = others if o["loss.exclude_positive"] == "true" else torch.cat([own[None], others])
    logits = terms / o["loss.temperature"]
    return (o["loss.power"] * logits.logsumexp(0) - own / o["loss.temperature"]).mean()


def align_uniform(o, users, items):
    users, items = [torch.nn.functional.normalize(x) for x in (users, items)]
    align = (users - items).norm(dim=1).pow(2).mean()
    users, items = [torch.pdist(x).pow(2).mul(-2).exp().mean().log() for x in (users, items)]
    return align + o["loss.uniformity"] * (users + items) / 2


def item_neighbours(edges, n_users, n_items, k):
    """UltraGCN's neighbours of each item, as (item, weight) with the largest weight first, ties to
    the smaller item; in the form of the authors' program."""
    has = np.zeros((n_users, n_items))
    has[edges[:, 0], edges[:, 1]] = 1
    common = has.T @ has
    total = common.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = common * (np.sqrt(total + 1) / total)[:, None] / np.sqrt(total + 1)
    weight = np.float32(np.nan_to_num(weight))
    nearest = np.argsort(-weight, axis=1, kind="stable")[:, :k]
    return [[(j, weight[i, j]) for j in row if weight[i, j] > 0] for i, row in enumerate(nearest)]


def neighbour_loss(o, neighbours, users, table, positives):
    """users: the batch's rows; table: all items' rows; positives: ids."""
    if o.get("loss.logits") == "cosine" or o.get("loss.kind") == "softmax":
        users, table = [torch.nn.functional.normalize(x) for x in (users, table)]
    terms = [-float(w) * torch.nn.functional.logsigmoid((user * table[j]).sum())
             for user, i in zip(users, positives.tolist()) for j, w in neighbours[i]]
    return o["loss.neighbours_weight"] * torch.stack(terms).sum() / len(users)


def ranking_loss(o, chances, beta, users, items, negatives, ids):
    """The loss of a batch's rows; chances: of each item to be a positive; ids: the positives."""
    o = DEFAULTS | o
    if o["loss.kind"] == "align_uniform":
        return align_uniform(o, users, items)
    if o["loss.kind"] == "softmax" and len(negatives) == 0:
        return softmax(o, torch.tensor(chances, dtype=users.dtype)[ids], users, items)
    return over_negatives(o, torch.tensor(beta, dtype=users.dtype), users, items, negatives)
