"""The ranking losses of make_golden.py in PyTorch, written from their papers' formulas."""
import torch

# What an option is that a variant does not name.
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
    """negatives [M, B, d]; beta [1 + M, B]: of the positive, of the negatives."""
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


def ranking_loss(o, chances, beta, users, items, negatives, ids):
    """Of a batch's rows; chances: of every item to be a positive; ids: the positives'."""
    o = DEFAULTS | o
    if o["loss.kind"] == "align_uniform":
        return align_uniform(o, users, items)
    if o["loss.kind"] == "softmax" and len(negatives) == 0:
        return softmax(o, torch.tensor(chances, dtype=users.dtype)[ids], users, items)
    return over_negatives(o, torch.tensor(beta, dtype=users.dtype), users, items, negatives)
