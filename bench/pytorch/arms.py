"""LightGCN in PyTorch, as it is usually written and as well as it can be.

A step is the same in all: triplets, the layers, the mean of the layers at the triplets' nodes, BPR
plus the L2 term on their layer-0 rows, Adam.

  Plain   the usual reference code: a coalesced COO matrix, autograd through torch.sparse.mm, stack
          and mean of whole tables, Adam as it comes
  Csr     what a careful author writes: CSR with 32-bit indices; A as its own adjoint in a custom
          autograd function (no transpose, no coalesce); layer mean and gradient at the batch's rows
          only; triplets drawn on the device; fused Adam; torch.compile on a CPU, one CUDA graph a
          step on a GPU
  Bag     the same, the product taken by embedding_bag
  Gram    the same for 3 layers through C = S'S of the smaller side: two half products and two
          products with the dense C each way instead of six halves
"""
import torch
import torch.nn.functional as F

from graph import Bags, csr


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


class GramRows(torch.autograd.Function):
    """The same for three layers. With S = D^-1/2 R D^-1/2 seen from the large side l to the small
    side s, and C = S'S:  4 s = (1 + C)(s0 + s1) with s1 = S'l0,  4 l = l0 + S(s0 + s1 + C s0)."""

    @staticmethod
    def forward(ctx, ego, gram, rows):
        ctx.gram, ctx.rows, ctx.nodes = gram, rows, len(ego)
        large0, small0 = gram.split(ego)
        small1 = gram.to_small @ large0
        products = gram.c @ torch.cat([small0, small1], 1)
        c_small0, c_small1 = products.chunk(2, 1)
        small = small0 + small1 + c_small0 + c_small1
        large = large0 + gram.to_large @ (small0 + small1 + c_small0)
        return gram.join(large, small)[rows] / 4

    @staticmethod
    def backward(ctx, gradient):
        gram = ctx.gram
        source = gradient.new_zeros(ctx.nodes, gradient.shape[1])
        source.index_add_(0, ctx.rows, gradient / 4)
        large, small = gram.split(source)
        a = gram.to_small @ large
        c_small, c_a = (gram.c @ torch.cat([small, a], 1)).chunk(2, 1)
        h = a + small + c_small
        return gram.join(large + gram.to_large @ h, h + c_a), None, None


class Gram:
    CHUNK = 512  # columns of C made at once

    def __init__(self, graph, product):
        self.items_small = graph.items <= graph.users
        self.users = graph.users
        small, large = graph.side(self.items_small), graph.side(not self.items_small)
        self.to_small, self.to_large = product(*small), product(*large)
        rows, columns, values, n_large, n_small = large
        self.c = torch.empty(n_small, n_small, device=rows.device)
        for first in range(0, n_small, self.CHUNK):
            last = min(first + self.CHUNK, n_small)
            some = (columns >= first) & (columns < last)
            dense = torch.zeros(n_large, last - first, device=rows.device)
            dense[rows[some], columns[some] - first] = values[some]
            self.c[:, first:last] = self.to_small @ dense

    def split(self, x):
        users, items = x[: self.users], x[self.users :]
        return (users, items) if self.items_small else (items, users)

    def join(self, large, small):
        return torch.cat([large, small] if self.items_small else [small, large])


def bpr_and_l2(final, ego, l2):
    """final, ego: rows of users, positives and negatives, one below the other."""
    user, positive, negative = final.chunk(3)
    loss = F.softplus((user * negative).sum(1) - (user * positive).sum(1)).mean()
    return loss + l2 * 0.5 * ego.square().sum() / len(user)


class Arm:
    """What the arms share: the step over given triplets [3, batch], and Adam."""

    def __init__(self, graph, options):
        self.graph, self.options = graph, options
        self.notes = []
        self.ego = graph.weights.clone().requires_grad_()
        self.prepare()
        self.adam = self.make_adam()

    def make_adam(self):
        return torch.optim.Adam([self.ego], lr=self.options.learning_rate)

    def step(self, triplets):
        self.adam.zero_grad()
        loss = self.loss(triplets)
        loss.backward()
        self.adam.step()
        return loss.detach()


class Plain(Arm):
    def prepare(self):
        rows, columns, values = self.graph.adjacency()
        size = (self.graph.nodes, self.graph.nodes)
        self.adjacency = torch.sparse_coo_tensor(torch.stack([rows, columns]), values, size)
        self.adjacency = self.adjacency.coalesce()

    def loss(self, triplets):
        layers = [self.ego]
        for _ in range(self.options.layers):
            layers.append(torch.sparse.mm(self.adjacency, layers[-1]))
        final = torch.stack(layers, 1).mean(1)
        nodes = triplets.flatten()
        return bpr_and_l2(final[nodes], self.ego[nodes], self.options.l2)


class Csr(Arm):
    def product(self, *matrix):
        return csr(*matrix)

    def prepare(self):
        self.adjacency = self.product(*self.graph.adjacency(), self.graph.nodes, self.graph.nodes)
        self.dense = bpr_and_l2
        if self.graph.device.type == "cpu" and self.options.compile:
            self.dense = torch.compile(bpr_and_l2)
            self.notes.append("loss compiled")

    def make_adam(self):
        on_gpu = self.graph.device.type == "cuda"
        how = {"lr": self.options.learning_rate, "fused": True, "capturable": on_gpu}
        try:
            adam = torch.optim.Adam([self.ego], **how)
            self.notes.append("fused Adam")
        except (RuntimeError, TypeError):  # no fused kernel for a CPU before PyTorch 2.4
            del how["fused"]
            adam = torch.optim.Adam([self.ego], **how)
        return adam

    def rows(self, nodes):
        return PropagatedRows.apply(self.ego, self.adjacency, self.options.layers, nodes)

    def loss(self, triplets):
        nodes = triplets.flatten()
        return self.dense(self.rows(nodes), self.ego[nodes], self.options.l2)


class Bag(Csr):
    def product(self, *matrix):
        return Bags(*matrix)


class GramArm(Csr):
    MOST_NODES = 32768  # of the smaller side; C is dense

    def product(self, *matrix):
        return csr(*matrix) if self.graph.device.type == "cuda" else Bags(*matrix)

    def prepare(self):
        small = min(self.graph.users, self.graph.items)
        if small > self.MOST_NODES or self.options.layers != 3:
            raise SystemExit(f"a smaller side of {small} nodes, {self.options.layers} layers: the "
                             f"Gram form here is for up to {self.MOST_NODES} and 3")  # fmt: skip
        super().prepare()
        self.gram = Gram(self.graph, self.product)

    def rows(self, nodes):
        return GramRows.apply(self.ego, self.gram, nodes)


ARMS = {"plain": Plain, "csr": Csr, "bag": Bag, "gram": GramArm}
