"""The ranking losses of make_golden.py in PyTorch, written from their papers' formulas."""
import torch

# What an option is that a variant does not name.
DEFAULTS = {"loss.kind": "bpr", "loss.logits": "cosine", "loss.power": 1,
            "loss.exclude_positive": "true", "loss.popularity_correction": 0}


def softmax(o, chance, users, items):
    if o["loss.logits"] == "cosine":
        users, items = [torch.nn.functional.normalize(x) for x in (users, items)]
    logits = users @ items.T / o["loss.temperature"]
    if o["loss.popularity_correction"]:
        logits = logits - o["loss.popularity_correction"] * chance.log()
    own = torch.eye(len(items), dtype=torch.bool)
    total = logits.masked_fill(own, -torch.inf) if o["loss.exclude_positive"] == "true" else logits
    return (o["loss.power"] * total.logsumexp(1) - logits[own]).mean()


def bpr(users, items, negatives):
    difference = (users * negatives).sum(1) - (users * items).sum(1)
    return torch.nn.functional.softplus(difference).mean()


def ranking_loss(o, chances, users, items, negatives, ids):
    """Of a batch's rows; chances: of every item to be a positive; ids: the positives'."""
    o = DEFAULTS | o
    if o["loss.kind"] == "softmax":
        return softmax(o, torch.tensor(chances, dtype=users.dtype)[ids], users, items)
    return bpr(users, items, negatives)
