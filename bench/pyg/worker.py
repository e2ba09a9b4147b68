#!/usr/bin/env python3
"""A network of PyTorch Geometric as an arm of bench/networks: commands come as JSON lines on stdin,
answers go as JSON lines to stdout. --dump is a folder that bench_worker wrote."""
import argparse
import json
import os
import sys
import time

import torch
import torch.nn.functional as F
import torch_geometric
from torch_geometric.nn import GATConv, GCNConv, RGCNConv
from torch_geometric.utils import to_torch_csr_tensor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pytorch"))
import sampling  # noqa: E402
from graph import Graph, read  # noqa: E402


def edges_of(graph):
    """[2, 2E], both directions, sorted by target."""
    rows, columns, _ = graph.adjacency()
    return torch.stack([columns, rows])


class Network(torch.nn.Module):
    """Layers with ReLU between, on a table of all nodes."""

    def __init__(self, graph, options):
        super().__init__()
        self.layers, self.folder, self.options = options.layers, graph.folder, options
        self.embedding = torch.nn.Parameter(self.parameter("embedding", graph.nodes))
        with torch.no_grad():  # who has no interactions has no embedding; negatives may be such
            self.known = (torch.bincount(edges_of(graph)[1], minlength=graph.nodes) > 0).float()
        self.convolutions = torch.nn.ModuleList(self.make(k + 1) for k in range(options.layers))
        self.prepare(graph)

    def parameter(self, name, rows=1):
        return read(self.folder, name + ".f32").reshape(rows, -1).clone()

    def set(self, parameter, value):
        with torch.no_grad():
            parameter.copy_(value.reshape(parameter.shape))

    def ego(self):
        return self.embedding * self.known[:, None]

    def forward(self):
        x = self.ego()
        for k, convolution in enumerate(self.convolutions):
            x = self.apply_layer(convolution, x)
            x = torch.relu(x) if k + 1 < self.layers else x
        return x


class Gcn(Network):
    """GCNConv on a CSR matrix that is normalised once: its product is one call."""

    def make(self, k):
        dim = self.options.dim
        layer = GCNConv(dim, dim, normalize=False)
        self.set(layer.lin.weight, self.parameter(f"layer{k}.weight", dim).T)
        self.set(layer.bias, self.parameter(f"layer{k}.bias"))
        return layer

    def prepare(self, graph):
        edges, weights = torch_geometric.nn.conv.gcn_conv.gcn_norm(
            edges_of(graph), None, graph.nodes, dtype=torch.float32)  # fmt: skip
        self.adjacency = to_torch_csr_tensor(edges, weights, (graph.nodes, graph.nodes))

    def apply_layer(self, layer, x):
        return layer(x, self.adjacency)


class Gat(Network):
    def make(self, k):
        dim, heads = self.options.dim, self.options.heads
        layer = GATConv(dim, dim // heads, heads=heads, add_self_loops=False)
        self.set(layer.lin.weight, self.parameter(f"layer{k}.weight", dim).T)
        self.set(layer.att_dst, self.parameter(f"layer{k}.to"))
        self.set(layer.att_src, self.parameter(f"layer{k}.from"))
        self.set(layer.bias, self.parameter(f"layer{k}.bias"))
        return layer

    def prepare(self, graph):
        loops = torch.arange(graph.nodes).repeat(2, 1)
        self.edges = torch.cat([edges_of(graph), loops], 1)

    def apply_layer(self, layer, x):
        return layer(x, self.edges)


class Rgcn(Network):
    """Relation 0 from items to users, relation 1 back; each has its matrix; means of neighbours."""

    def make(self, k):
        dim = self.options.dim
        layer = RGCNConv(dim, dim, num_relations=2, aggr="mean")
        self.set(layer.weight, self.parameter(f"layer{k}.relations", 2 * dim))
        self.set(layer.root, self.parameter(f"layer{k}.self", dim))
        self.set(layer.bias, self.parameter(f"layer{k}.bias"))
        return layer

    def prepare(self, graph):
        self.edges = edges_of(graph)
        self.types = (self.edges[0] < graph.users).long()

    def apply_layer(self, layer, x):
        return layer(x, self.edges, self.types)


NETWORKS = {"gcn": Gcn, "gat": Gat, "rgcn": Rgcn}


class Worker:
    def __init__(self, options):
        self.options = options
        device = torch.device("cpu")
        self.graph = Graph(options.dump, options.users, options.items, options.dim, device)
        self.network = NETWORKS[options.network](self.graph, options)
        try:
            self.adam = torch.optim.Adam(self.network.parameters(), lr=options.learning_rate,
                                         fused=True)  # fmt: skip
        except (RuntimeError, TypeError):
            self.adam = torch.optim.Adam(self.network.parameters(), lr=options.learning_rate)

    def step(self, triplets):
        self.adam.zero_grad()
        user, positive, negative = self.network()[triplets.flatten()].chunk(3)
        difference = (user * negative).sum(1) - (user * positive).sum(1)
        ego = self.network.ego()[triplets.flatten()]
        loss = F.softplus(difference).mean()
        loss = loss + self.options.l2 * 0.5 * ego.square().sum() / len(user)
        loss.backward()
        self.adam.step()
        return loss.detach()

    def check(self, steps):
        triplets = self.graph.triplets(self.options.batch)[:steps]
        return {"losses": [float(self.step(some)) for some in triplets]}

    def train(self, steps):
        begin = time.perf_counter()
        for _ in range(steps):
            self.step(sampling.on_device(self.graph, self.options.batch))
        return {"seconds": time.perf_counter() - begin}

    def about(self):
        return {"torch": torch.__version__, "torch_geometric": torch_geometric.__version__,
                "python": sys.version.split()[0], "threads": torch.get_num_threads()}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", choices=list(NETWORKS), required=True)
    parser.add_argument("--dump", required=True)
    for name in ("users", "items", "dim", "layers", "heads", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--l2", type=float, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    worker = Worker(options)
    print(json.dumps(worker.about()), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(worker, command.pop("do"))(**command)), flush=True)


if __name__ == "__main__":
    main()
