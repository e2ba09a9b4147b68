#!/usr/bin/env python3
"""A LightGCN training step and a full ranking in PyTorch on the CPU, timed on request.

Started by train_step.py, one process per arm, under whichever Python has the PyTorch to be
measured: commands come as JSON lines on stdin, answers go as JSON lines to stdout. Needs PyTorch
alone, any version from 1.13 on.

Arms
  csr    what a careful author writes: CSR products, the symmetric adjacency as its own adjoint
         (no transpose, no coalesce), the layer mean and its gradient at the batch's rows only,
         rejection sampling without a Python loop over triplets, fused Adam where there is one
  bag    the same, the product taken by embedding_bag, which on the CPU is FBGEMM's vectorised
         gather and several times faster than the sparse product: the strongest PyTorch we know
  coo    what the usual reference code does: a coalesced COO matrix, autograd through
         torch.sparse.mm, stack and mean over all layers, plain Adam; sampling as in csr
All draw the same triplets from the same seed and start from the same weights.
"""
import argparse
import ast
import json
import os
import resource
import sys
import time

import warnings

import torch
import torch.nn.functional as F


class Bags:
    """A sparse matrix whose rows are weighted bags of the rows of what it is multiplied with."""

    def __init__(self, offsets, columns, values):
        self.offsets, self.columns, self.values = offsets, columns, values

    def __matmul__(self, x):
        return F.embedding_bag(
            self.columns, x, self.offsets, mode="sum", per_sample_weights=self.values
        )


class Graph:
    """Adjacency lists of train.txt and test.txt as sorted keys user * items + item."""

    def __init__(self, folder):
        train_users, train_items = self.read(os.path.join(folder, "train.txt"))
        test_users, test_items = self.read(os.path.join(folder, "test.txt"))
        self.users = int(max(train_users.max(), test_users.max())) + 1
        self.items = int(max(train_items.max(), test_items.max())) + 1
        self.train = torch.sort(train_users * self.items + train_items).values
        self.test = torch.sort(test_users * self.items + test_items).values
        self.degree = torch.bincount(train_users, minlength=self.users)
        self.begin = torch.cumsum(self.degree, 0) - self.degree
        self.eligible = torch.nonzero(self.degree).flatten()

    @staticmethod
    def read(path):
        users, items = [], []
        with open(path, encoding="ascii") as file:
            for line in file:
                numbers = [int(word) for word in line.split()]
                users += numbers[:1] * (len(numbers) - 1)
                items += numbers[1:]
        return torch.tensor(users), torch.tensor(items)

    def adjacency(self, kind):
        """D^-1/2 [[0, R], [R', 0]] D^-1/2 over users, then items."""
        user, item = self.train // self.items, self.train % self.items + self.users
        rows, columns = torch.cat([user, item]), torch.cat([item, user])
        n = self.users + self.items
        scale = torch.bincount(rows, minlength=n).double().clamp(min=1).rsqrt()
        values = (scale[rows] * scale[columns]).float()
        coo = torch.sparse_coo_tensor(torch.stack([rows, columns]), values, (n, n)).coalesce()
        if kind == "coo":
            return coo
        rows, columns = coo.indices()
        offsets = torch.zeros(n + 1, dtype=torch.long)
        offsets[1:] = torch.cumsum(torch.bincount(rows, minlength=n), 0)
        offsets, columns = offsets.int(), columns.int()
        if kind == "bag":
            return Bags(offsets[:-1].clone(), columns, coo.values())
        return torch.sparse_csr_tensor(offsets, columns, coo.values(), (n, n))

    def sample(self, count, generator):
        """Uniform users, one of their items each, and an item they have not."""

        def draw(limit):
            return (torch.rand(len(limit), generator=generator, dtype=torch.double) * limit).long()

        users = self.eligible[
            torch.randint(len(self.eligible), (count,), generator=generator)
        ]
        positives = self.train[self.begin[users] + draw(self.degree[users])] % self.items
        negatives = torch.randint(self.items, (count,), generator=generator)
        todo = torch.arange(count)
        while len(todo):
            keys = users[todo] * self.items + negatives[todo]
            place = torch.searchsorted(self.train, keys).clamp(max=len(self.train) - 1)
            todo = todo[self.train[place] == keys]
            negatives[todo] = torch.randint(self.items, (len(todo),), generator=generator)
        return users, positives + self.users, negatives + self.users


class PropagatedRows(torch.autograd.Function):
    """mean_k A^k x at some rows; the gradient runs through the same A because A is symmetric."""

    @staticmethod
    def forward(ctx, ego, adjacency, layers, rows):
        ctx.adjacency, ctx.layers, ctx.rows, ctx.nodes = adjacency, layers, rows, len(ego)
        total, x = ego[rows], ego
        for _ in range(layers):
            x = adjacency @ x
            total += x[rows]
        return total / (layers + 1)

    @staticmethod
    def backward(ctx, gradient):
        source = gradient.new_zeros(ctx.nodes, gradient.shape[1])
        source.index_add_(0, ctx.rows, gradient / (ctx.layers + 1))
        x = source
        for _ in range(ctx.layers):
            x = (ctx.adjacency @ x).add_(source)
        return x, None, None, None


class Trainer:
    def __init__(self, options):
        self.options = options
        self.graph = Graph(options.data)
        self.adjacency = self.graph.adjacency(options.arm)
        self.generator = torch.Generator().manual_seed(options.seed)
        nodes = self.graph.users + self.graph.items
        self.ego = torch.randn(nodes, options.dim, generator=self.generator) * 0.1
        self.ego.requires_grad_()
        adam = {"lr": options.learning_rate}
        if options.arm != "coo":
            try:
                self.adam = torch.optim.Adam([self.ego], fused=True, **adam)
            except (RuntimeError, TypeError):  # no fused kernel for the CPU before PyTorch 2.4
                self.adam = torch.optim.Adam([self.ego], **adam)
        else:
            self.adam = torch.optim.Adam([self.ego], **adam)

    def final_rows(self, triplets):
        if self.options.arm != "coo":
            rows = PropagatedRows.apply(
                self.ego, self.adjacency, self.options.layers, torch.cat(triplets)
            )
            return rows.split(len(triplets[0]))
        layers = [self.ego]
        for _ in range(self.options.layers):
            layers.append(torch.sparse.mm(self.adjacency, layers[-1]))
        final = torch.stack(layers, 1).mean(1)
        return [final[nodes] for nodes in triplets]

    def step(self, triplets):
        user, positive, negative = self.final_rows(triplets)
        loss = F.softplus((user * negative).sum(1) - (user * positive).sum(1)).mean()
        squares = sum(self.ego[nodes].square().sum() for nodes in triplets)
        total = loss + self.options.l2 * 0.5 * squares / len(user)
        self.adam.zero_grad()
        total.backward()
        self.adam.step()
        return loss.detach()

    def train(self, steps):
        begin = time.perf_counter()
        batch = self.options.batch
        drawn = self.graph.sample(steps * batch, self.generator)
        losses = [
            self.step([part[k * batch : (k + 1) * batch] for part in drawn]) for k in range(steps)
        ]
        mean = float(torch.stack(losses).mean())
        return {"seconds": time.perf_counter() - begin, "loss": mean}


def read_npy(path):
    """A little-endian float32 C-order array, as `rankine export --format npy` writes it."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    end = 10 if data[6] == 1 else 12  # of the length, which version 2 stores in four bytes
    begin = end + int.from_bytes(data[8:end], "little")
    header = ast.literal_eval(data[end:begin].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"]
    return torch.frombuffer(data, dtype=torch.float32, offset=begin).reshape(header["shape"])


@torch.no_grad()
def evaluate(graph, users, items, k, chunk=1024):
    """Recall@k and NDCG@k over all test users, every item ranked but those in train."""
    begin = time.perf_counter()
    test_degree = torch.bincount(graph.test // graph.items, minlength=graph.users)
    ends = torch.cumsum(graph.degree, 0)
    discount = 1 / torch.log2(torch.arange(2, k + 2, dtype=torch.double))
    ideal = torch.cat([torch.zeros(1, dtype=torch.double), torch.cumsum(discount, 0)])
    recall = ndcg = 0.0
    testers = torch.nonzero(test_degree).flatten()
    for some in testers.split(chunk):
        scores = users[some] @ items.T
        low, high = int(some[0]), int(some[-1]) + 1
        seen = graph.train[graph.begin[low] : ends[high - 1]]
        place = torch.full((high - low,), -1)
        place[some - low] = torch.arange(len(some))
        row = place[seen // graph.items - low]
        scores[row[row >= 0], (seen % graph.items)[row >= 0]] = -torch.inf
        top = scores.topk(k).indices
        keys = some[:, None] * graph.items + top
        found = torch.searchsorted(graph.test, keys).clamp(max=len(graph.test) - 1)
        hits = (graph.test[found] == keys).double()
        relevant = test_degree[some]
        recall += float((hits.sum(1) / relevant).sum())
        ndcg += float(((hits * discount).sum(1) / ideal[relevant.clamp(max=k)]).sum())
    seconds = time.perf_counter() - begin
    n = len(testers)
    return {"seconds": seconds, "recall": recall / n, "ndcg": ndcg / n, "users": n}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arm", choices=["csr", "bag", "coo"], required=True)
    parser.add_argument("--data", required=True, help="folder with train.txt and test.txt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--l2", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=2020)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Sparse")  # "support is in beta state"
    torch.set_num_threads(options.threads)
    trainer = Trainer(options)

    def answer(values):
        print(json.dumps(values), flush=True)

    answer({"torch": torch.__version__, "mkl": torch.backends.mkl.is_available(),
            "adam": "fused" if trainer.adam.defaults.get("fused") else "default",
            "threads": torch.get_num_threads(), "python": sys.version.split()[0]})  # fmt: skip
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "train":
            result = trainer.train(command["steps"])
        else:
            result = evaluate(trainer.graph, read_npy(command["users"]), read_npy(command["items"]),
                              command["k"])  # fmt: skip
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer(dict(result, peak_megabytes=peak))


if __name__ == "__main__":
    main()
