#!/usr/bin/env python3
"""Makes the golden files of link prediction, tests/golden/links_*.txt, with PyTorch.

    python3 tools/make_golden_links.py [tests/golden]       (needs torch and numpy)

A small knowledge graph, float64, autograd's gradients, torch.optim.Adam. Arrays:
  sizes        1 2    entities, relations
  triples      n 3    train: head, relation, tail
  batch        B 3+M  entity, relation (2 r, or 2 r + 1 backward: then the entity is a tail),
                      positive answer, M negatives (none of them with sampling.negatives all)
  initial_P    ...    of each parameter P
  loss         1 1    of the batch
  gradient_P   ...    of that loss
  after_P      ...    after three steps of Adam with the same batch
"""
import sys

import numpy as np
import torch

from make_golden_metrics import golden_folder, write

ENTITIES, RELATIONS, DIM, BATCH = 19, 3, 6, 11
ALL = {"loss.kind": "bce", "sampling.negatives": "all"}
VARIANTS = {
    "distmult_all": {"model.kind": "distmult", "loss.label_smoothing": 0.1} | ALL,
    "distmult_plain": {"model.kind": "distmult"} | ALL,
    "distmult_bpr": {"model.kind": "distmult", "loss.kind": "bpr", "sampling.per_positive": 3},
    "distmult_bce": {"model.kind": "distmult", "loss.kind": "bce", "sampling.per_positive": 2},
    "transe_hinge": {"model.kind": "transe", "loss.kind": "hinge", "loss.margin": 1.5,
                     "sampling.per_positive": 2},
    "transe_softmax": {"model.kind": "transe", "model.norm": 2, "loss.kind": "softmax",
                       "loss.temperature": 0.5, "loss.exclude_positive": "false",
                       "sampling.per_positive": 4},
    "conve_all": {"model.kind": "conve", "model.filters": 4, "model.kernel": 2,
                  "model.image_width": 3, "loss.label_smoothing": 0.1} | ALL,
    "conve_bpr": {"model.kind": "conve", "model.filters": 3, "model.kernel": 2,
                  "model.image_width": 2, "loss.kind": "bpr", "sampling.per_positive": 2},
    "rgcn_bases": {"model.kind": "distmult", "model.encoder": "rgcn", "model.layers": 2,
                   "model.bases": 2, "loss.kind": "bpr", "sampling.per_positive": 2},
    "rgcn_blocks": {"model.kind": "distmult", "model.encoder": "rgcn", "model.layers": 1,
                    "model.blocks": 3} | ALL,
    "compgcn_mult": {"model.kind": "distmult", "model.encoder": "compgcn", "model.layers": 2,
                     "model.activation": "tanh"} | ALL,
    "compgcn_sub": {"model.kind": "transe", "model.encoder": "compgcn", "model.layers": 1,
                    "model.composition": "sub", "model.activation": "tanh", "loss.kind": "hinge",
                    "loss.margin": 2.0, "sampling.per_positive": 2},
    "compgcn_corr": {"model.kind": "conve", "model.filters": 4, "model.kernel": 2,
                     "model.image_width": 3, "model.encoder": "compgcn", "model.layers": 1,
                     "model.composition": "corr", "model.activation": "tanh",
                     "model.batch_norm": "true", "loss.label_smoothing": 0.1} | ALL,
}


def draw_graph(rng):
    """Distinct triples in which each entity and each relation occurs."""
    triples = {(i, int(rng.integers(RELATIONS)), int(rng.integers(ENTITIES)))
               for i in range(ENTITIES)}
    while len(triples) < 60 or len({r for _, r, _ in triples}) < RELATIONS:
        triples.add((int(rng.integers(ENTITIES)), int(rng.integers(RELATIONS)),
                     int(rng.integers(ENTITIES))))
    return sorted(triples)


def answers_of(triples):
    """The answers of each query (entity, relation)."""
    answers = {}
    for h, r, t in triples:
        answers.setdefault((h, 2 * r), set()).add(t)
        answers.setdefault((t, 2 * r + 1), set()).add(h)
    return answers


def draw_batch(rng, answers, negatives):
    queries = sorted(answers)
    chosen = [queries[i] for i in rng.permutation(len(queries))[:BATCH]]
    rows = []
    for query in chosen:
        others = [e for e in range(ENTITIES) if e not in answers[query]]
        positive = int(rng.choice(sorted(answers[query])))
        rows.append([*query, positive, *rng.choice(others, negatives)])
    return np.array(rows, dtype=int)


def initial_of(o, rng):
    initial = {"entity": rng.normal(0, 0.6, (ENTITIES, DIM)),
               "relation": rng.normal(0, 0.6, (2 * RELATIONS, DIM))}
    if o["model.kind"] != "transe":
        initial["bias"] = rng.normal(0, 0.3, (1, ENTITIES))
    if o["model.kind"] == "conve":
        filters, kernel, width = o["model.filters"], o["model.kernel"], o["model.image_width"]
        places = (2 * DIM // width - kernel + 1) * (width - kernel + 1)
        initial["filters"] = rng.normal(0, 0.6, (kernel * kernel, filters))
        initial["layer"] = rng.normal(0, 0.6, (places * filters, DIM))
        for number, cols in enumerate((1, filters, DIM)):
            initial[f"gain{number}"] = rng.uniform(0.5, 1.5, (1, cols))
            initial[f"shift{number}"] = rng.normal(0, 0.3, (1, cols))
    for k in range(1, o.get("model.layers", 0) + 1):
        shapes = {"bias": (1, DIM), "self": (DIM, DIM)}
        if o["model.encoder"] == "compgcn":
            shapes |= {"forward": (DIM, DIM), "backward": (DIM, DIM), "relations": (DIM, DIM),
                       "loop": (1, DIM)}
        elif "model.blocks" in o:
            shapes["relations"] = (2 * RELATIONS, DIM * DIM // o["model.blocks"])
        else:
            shapes |= {"coefficients": (2 * RELATIONS, o["model.bases"]),
                       "bases": (o["model.bases"] * DIM, DIM)}
        if "model.batch_norm" in o:
            shapes |= {"gain": (1, DIM), "shift": (1, DIM)}
        initial |= {f"layer{k}.{key}": rng.normal(0, 0.6, shape) for key, shape in shapes.items()}
    return initial


def rgcn_layer(o, p, k, x, links):
    """sum over relations of the mean over all edges of an entity, by a matrix of each relation."""
    y = x @ p[f"layer{k}.self"] + p[f"layer{k}.bias"]
    degree = torch.bincount(links[:, 0], minlength=ENTITIES)
    for r in range(2 * RELATIONS):
        if "model.blocks" in o:
            size = DIM // o["model.blocks"]
            matrix = torch.block_diag(*p[f"layer{k}.relations"][r].reshape(-1, size, size))
        else:
            bases = p[f"layer{k}.bases"].reshape(-1, DIM, DIM)
            matrix = torch.einsum("b,bij->ij", p[f"layer{k}.coefficients"][r], bases)
        for v, u, _ in links[links[:, 2] == r].tolist():
            y = y.index_add(0, torch.tensor([v]), (x[u] @ matrix / degree[v])[None])
    return y


def compgcn_layer(o, p, k, x, z, links):
    """As the paper has it; the correlation by its definition."""
    def phi(a, b):
        kind = o.get("model.composition", "mult")
        if kind != "corr":
            return a - b if kind == "sub" else a * b
        return torch.stack([(a * torch.roll(b, -j, 1)).sum(1) for j in range(DIM)], 1)
    y = phi(x, p[f"layer{k}.loop"].expand(ENTITIES, -1)) @ p[f"layer{k}.self"]
    for direction, name in ((0, "forward"), (1, "backward")):
        some = links[links[:, 2] % 2 == direction]
        rows = torch.bincount(some[:, 0], minlength=ENTITIES).double()
        columns = torch.bincount(some[:, 1], minlength=ENTITIES).double()
        weights = (rows[some[:, 0]] * columns[some[:, 1]]) ** -0.5
        messages = weights[:, None] * phi(x[some[:, 1]], z[some[:, 2]])
        gathered = torch.zeros_like(x).index_add(0, some[:, 0], messages)
        y = y + gathered @ p[f"layer{k}.{name}"]
    y = y / 3 + p[f"layer{k}.bias"]
    if "model.batch_norm" in o:
        y = torch.nn.functional.batch_norm(y, None, None, p[f"layer{k}.gain"][0],
                                           p[f"layer{k}.shift"][0], training=True)
    return torch.tanh(y), z @ p[f"layer{k}.relations"]


def encoded(o, p, answers):
    """Vectors of entities and relations behind the layers. A query's answers gather from it."""
    x, z = p["entity"], p["relation"]
    links = torch.tensor([[answer, entity, relation] for (entity, relation), known
                          in answers.items() for answer in known])
    for k in range(1, o.get("model.layers", 0) + 1):
        if o["model.encoder"] == "compgcn":
            x, z = compgcn_layer(o, p, k, x, z, links)
        else:
            x = rgcn_layer(o, p, k, x, links)
            x = torch.relu(x) if k < o["model.layers"] else x
    return {"entity": x, "relation": z}


def convolved(o, p, head, relation):
    """By PyTorch's own layers; the columns of `layer` are in the order of places, then filters."""
    def norm(x, number):
        return torch.nn.functional.batch_norm(x, None, None, p[f"gain{number}"][0],
                                              p[f"shift{number}"][0], training=True)
    filters, kernel, width = o["model.filters"], o["model.kernel"], o["model.image_width"]
    x = torch.cat([head, relation], 1).reshape(len(head), 1, -1, width)
    weights = p["filters"].T.reshape(filters, 1, kernel, kernel)
    x = torch.relu(norm(torch.nn.functional.conv2d(norm(x, 0), weights), 1))
    x = x.permute(0, 2, 3, 1).reshape(len(head), -1) @ p["layer"]
    return torch.relu(norm(x, 2))


def scores_of(o, p, queries):
    """The scores of all entities: [B, E]."""
    head, relation = p["entity"][queries[:, 0]], p["relation"][queries[:, 1]]
    if o["model.kind"] == "transe":
        apart = (head + relation)[:, None] - p["entity"][None]
        return -torch.linalg.vector_norm(apart, ord=o.get("model.norm", 1), dim=2)
    query = convolved(o, p, head, relation) if o["model.kind"] == "conve" else head * relation
    return query @ p["entity"].T + p["bias"]


def loss_of(o, p, batch, answers):
    scores = scores_of(o, p | encoded(o, p, answers), batch[:, :2])
    if o.get("sampling.negatives") == "all":
        labels = torch.zeros_like(scores)
        for b, (entity, relation) in enumerate(batch[:, :2]):
            labels[b, sorted(answers[entity, relation])] = 1
        smoothing = o.get("loss.label_smoothing", 0)
        if smoothing > 0:
            labels = (1 - smoothing) * labels + 1 / ENTITIES
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, labels)
    rows = torch.arange(len(batch))
    positive = scores[rows, batch[:, 2]][:, None]
    negative = torch.gather(scores, 1, torch.tensor(batch[:, 3:]))
    softplus = torch.nn.functional.softplus
    if o["loss.kind"] == "bpr":
        return softplus(negative - positive).mean()
    if o["loss.kind"] == "bce":
        return softplus(-positive).mean() + softplus(negative).mean()
    if o["loss.kind"] == "hinge":
        return torch.relu(o["loss.margin"] + negative - positive).mean()
    logits = torch.cat([positive, negative], 1) / o["loss.temperature"]
    return torch.nn.functional.cross_entropy(logits, torch.zeros(len(batch), dtype=torch.long))


def make(folder):
    for number, (name, different) in enumerate(VARIANTS.items()):
        o = {"model.dim": DIM} | different
        rng = np.random.default_rng(number)
        triples = draw_graph(rng)
        answers = answers_of(triples)
        negatives = o.get("sampling.per_positive", 0)
        batch = draw_batch(rng, answers, negatives)
        initial = initial_of(o, rng)
        p = {key: torch.tensor(value, requires_grad=True) for key, value in initial.items()}
        adam = torch.optim.Adam(p.values(), lr=0.05)
        arrays = {"sizes": np.array([[ENTITIES, RELATIONS]]), "triples": np.array(triples),
                  "batch": batch}
        arrays |= {f"initial_{key}": value for key, value in initial.items()}
        for step in range(3):
            adam.zero_grad()
            loss = loss_of(o, p, batch, answers)
            loss.backward()
            if step == 0:
                arrays["loss"] = np.array([[loss.item()]])
                arrays |= {f"gradient_{key}": value.grad.numpy().copy() for key, value in p.items()}
            adam.step()
        arrays |= {f"after_{key}": value.detach().numpy() for key, value in p.items()}
        write(folder / f"links_{name}.txt",
              [f"{name}; tools/make_golden_links.py says how it was made"], o, arrays)


if __name__ == "__main__":
    make(golden_folder(sys.argv))
