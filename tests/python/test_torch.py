"""Beside PyTorch in one process, each with an OpenMP of its own: whoever is loaded first, both
train, and each gives the same bits as alone."""
import json
import math
import os
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="no torch, which is gigabytes on PyPI: make test-torch")

CODE = """
import json, os, sys
order = sys.argv[1].split(",")
for name in order:
    __import__(name)
import numpy as np

def train_torch():
    import torch
    torch.manual_seed(3)
    torch.set_num_threads(2)
    x = torch.linspace(-1, 1, 512 * 64).reshape(512, 64).sin()
    net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        loss = ((net(x) - x.mean(1, keepdim=True)) ** 2).mean()
        loss.backward()
        optimizer.step()
    return [float(loss), float(sum(p.double().abs().sum() for p in net.parameters()))]

def train_rankine(kind):
    import rankine as rk
    rng = np.random.default_rng(5)
    users, items = rng.integers(0, 300, 6000), rng.integers(0, 120, 6000) ** 2 // 120
    data = rk.Dataset.from_arrays(users, items, config={"split.seed": 1})
    options = {"model.kind": kind, "run.device": "cpu", "run.threads": 2, "eval.k": [10],
               "eval.metric": "ndcg@10", "train.refit": False}
    if kind == "lightgcn":
        options |= {"model.dim": 16, "train.epochs": 3}
    model = rk.train(options, data=data)
    ids, scores = model.recommend_many(model.user_ids, 5)
    return [ids.tolist(), [float(s) for s in scores.ravel()]]

found = {}
for name in order + order:  # again, when both have run
    said = (train_torch() if name == "torch" else
            [train_rankine(kind) for kind in ("lightgcn", "ease")])
    assert found.setdefault(name, said) == said, name
if "loader" in sys.argv[2:]:  # processes of torch's own, forked when both have run
    import torch
    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 40
        def __getitem__(self, i):
            return torch.full((3,), float(i)).sin()
    loader = torch.utils.data.DataLoader(Rows(), batch_size=5, num_workers=2)
    found["loader"] = float(sum(batch.double().sum() for batch in loader))
json.dump(found, sys.stdout)
"""


def found_by(*arguments, **environment):
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True,
                          timeout=300, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_both_orders_give_what_each_gives_alone():
    alone = {**found_by("torch"), **found_by("rankine")}
    assert found_by("torch,rankine") == alone
    both = found_by("rankine,torch", "loader")
    assert both.pop("loader") == pytest.approx(3 * sum(map(math.sin, range(40))), abs=1e-4)
    assert both == alone
