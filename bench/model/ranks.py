"""A training step on several GPUs. A rank has its columns of every table and the whole graph, so
all that ranks send each other are sums: the scores of a batch, and a few scalars.

Rows are narrow there: a rank of P gathers dim / P floats an edge, but never less than a sector, and
reads the edge's column and weight whatever P is. There, and not at the sums, ranks stop paying.

Graphs may be too large for lists of degrees: a side is how many nodes have which degree.
"""
import dataclasses
import math
from dataclasses import dataclass

from . import schedule
from .step import SECTOR, Model

LEAST_LANES = 4  # of a row: kernels/edge_sum.cuh


# ---- graphs ----

@dataclass
class Side:
    """(degree, how many nodes have it), largest first."""
    groups: list

    @property
    def nodes(self):
        return sum(n for _, n in self.groups)

    @property
    def edges(self):
        return sum(degree * n for degree, n in self.groups)

    def share_of_top(self, rows):
        """Of the gathers of this side's rows, those of the `rows` that are gathered most."""
        found = 0.0
        for degree, n in self.groups:
            taken = min(n, max(0.0, rows))
            found, rows = found + taken * degree, rows - taken
        return found / max(1.0, self.edges)


@dataclass
class Shape:
    name: str
    users: Side
    items: Side

    @property
    def nodes(self):
        return self.users.nodes + self.items.nodes

    @property
    def pairs(self):
        return self.users.edges

    def active(self, batch):
        """[(degree, nodes, of them in a batch)] of users, of items: a uniform user, an item by its
        degree, a uniform item, each `batch` times."""
        def split(side, uniform, by_degree):
            return [(degree, n, n * -math.expm1(-batch * (uniform + by_degree * degree)))
                    for degree, n in side.groups]
        return (split(self.users, 1 / self.users.nodes, 0) +
                split(self.items, 1 / self.items.nodes, 1 / self.pairs))


def grouped(degrees):
    counts = {}
    for degree in degrees:
        counts[degree] = counts.get(degree, 0) + 1
    return Side(sorted(counts.items(), reverse=True))


def of_graph(graph):
    return Shape(graph.name, grouped(graph.users), grouped(graph.items))


def of_size(name, n_users, n_items, n_pairs, exponent=0.9, spread=0.77, groups=400):
    """The degrees of graphs.generated, in groups of like ones: users lognormal by quantiles, items
    a power of their rank, bent so that nobody has one twice."""
    quantiles = [math.exp(spread * normal_quantile((i + 0.5) / groups)) for i in range(groups)]
    mean = n_pairs / n_users / (sum(quantiles) / groups)
    users = Side([(max(1.0, q * mean), n_users / groups) for q in reversed(quantiles)])
    edges = [round(n_items ** (i / groups)) for i in range(groups + 1)]
    edges[0] = 0
    ranks = [((low + high) / 2, high - low) for low, high in zip(edges, edges[1:]) if high > low]

    def items(scale):
        return [(max(1.0, n_users * w / (n_users + w)), n)
                for w, n in ((scale * (rank + 1) ** -exponent, n) for rank, n in ranks)]
    low, high = 0.0, float(n_users) * n_items
    for _ in range(80):
        scale = (low + high) / 2
        enough = sum(degree * n for degree, n in items(scale)) >= n_pairs
        low, high = (low, scale) if enough else (scale, high)
    return Shape(name, users, Side(items(high)))


def normal_quantile(p):
    """By bisection of the normal distribution."""
    low, high = -10.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if 0.5 * math.erfc(-middle / math.sqrt(2)) < p else (low, middle)
    return low


# ---- what ranks send ----

@dataclass
class Network:
    """Between GPUs: GB/s one way and us of a small sum over ranks."""
    title: str
    inside: float  # GB/s of a GPU to those of its machine
    outside: float  # GB/s of a GPU to those of other machines
    gpus: int  # of a machine

    def sum_us(self, ranks, size, factor):
        """us of an all-reduce of so many bytes: NCCL's own estimate (src/graph/tuning.cc of NCCL
        2.12, protocol LL: a ring inside a machine, a tree over several), times a factor."""
        if ranks == 1:
            return 0.0
        machines = -(-ranks // self.gpus)
        if machines == 1:
            latency, rate = 3.6 + 2 * (ranks - 1) * 0.47, self.inside / 4
        else:
            latency = 4.4 + 2 * ((self.gpus - 1) * 0.52 * 1.8 + math.log2(machines) * 5.0)
            rate = self.outside / 4
        return factor * latency + 2 * (ranks - 1) / ranks * size / (rate * 1e3)

    def gather_us(self, ranks, size):
        """us until each rank has the `size` bytes of every other one."""
        machines = -(-ranks // self.gpus)
        rate = self.inside if machines == 1 else min(self.inside, self.outside)
        return (ranks - 1) * size / (rate * 1e3)


# 900 GB/s of NVLink 4 both ways, of which a copy reaches 376 to 380 of 450 one way (NVIDIA/nccl
# issue 1264); a port of InfiniBand NDR a GPU, 46 to 48 of 50 GB/s (NVIDIA/nccl-tests issue 290).
HGX = Network("8 GPUs of a machine by NVLink, machines by one port of InfiniBand NDR a GPU",
              376, 47, 8)


# ---- a step ----

@dataclass
class Part:
    """us of a step; what it waits for."""
    us: float
    why: str


class RankModel:
    """Of one rank of `ranks`, with its share of `dim` columns."""

    def __init__(self, device, assumptions, ranks, network=HGX):
        self.full = assumptions
        self.ranks, self.network, self.device = ranks, network, device
        self.a = dataclasses.replace(assumptions, dim=-(-assumptions.dim // ranks))
        self.model = Model(device, self.a)

    # ---- kernels ----

    def row_bytes(self):
        return max(SECTOR, 4 * self.a.dim)

    def groups(self):
        width = 16 if self.a.dim % 4 == 0 else 4
        packs = 4 * self.a.dim // width
        lanes = LEAST_LANES
        while lanes < min(packs, schedule.WARP):
            lanes *= 2
        return schedule.WARP // lanes

    def rate(self):
        """Bytes a us of gathered rows. A sector by itself costs the cache as much as two."""
        one_sector = self.row_bytes() <= SECTOR
        return self.model.gather_rate() * (self.full.sector_share if one_sector else 1)

    def latency(self, rows, life, is_plain):
        """us of rows [(degree, nodes)], pieces longest first, so that no place stays empty."""
        cycles = 0.0
        for degree, n in rows:
            pieces = max(1, math.ceil(degree / self.a.piece_edges))
            cycles += n * pieces * life(max(1, round(degree / pieces)))
        slots = self.model.slots(is_plain) * self.a.block_warps
        return cycles / slots / (self.device.clock * 1e3)

    def miss(self, shape):
        """Of the gathers, those that memory answers: the cache has what is gathered most."""
        both = Side(sorted(shape.users.groups + shape.items.groups, reverse=True))
        return 1 - both.share_of_top(0.9 * self.device.l2_holds * 1e6 / self.row_bytes())

    def gathering(self, shape, kind, ends_in_adam=False):
        a, groups, edge = self.a, self.groups(), 4 + self.full.weight_bytes_fp32
        rows = shape.active(a.batch)
        out = 4 * a.dim
        if kind == "rows":
            gathers = sum(degree * used for degree, _, used in rows)
            written = sum(used for _, _, used in rows)
            latency = self.latency([(d, used) for d, _, used in rows],
                                   lambda n: self.model.warp_life(n, groups, False), True)
            streams = gathers * edge + written * out
        elif kind == "from_rows":
            gathers = sum(degree * used for degree, _, used in rows)
            share = gathers / (2 * shape.pairs)
            latency = self.latency([(d, n) for d, n, _ in rows],
                                   lambda n: self.model.sparse_life(n, groups, share), True)
            streams = 2 * shape.pairs * 4 + gathers * 2 * SECTOR + shape.nodes * out
        else:
            gathers = 2 * shape.pairs
            latency = self.latency([(d, n) for d, n, _ in rows],
                                   lambda n: self.model.warp_life(n, groups, False), True)
            streams = gathers * edge + shape.nodes * out
        if ends_in_adam:
            streams += shape.nodes * a.dim * a.adam_bytes
        gathered = gathers * self.row_bytes()
        cache = gathered / self.rate() + streams / self.model.gather_rate()
        far = gathered * (0 if kind == "from_rows" else self.miss(shape))
        # what fits into the cache with everything else stays there between kernels
        far += streams if self.step_bytes(shape) > self.device.l2_holds * 1e6 else 0
        memory = far / (self.device.memory * 1e6)
        us = self.model.blended(latency, cache, memory)
        why = max((latency, "latency of loads"), (cache, "second-level cache"),
                  (memory, "memory bandwidth"))[1]
        return Part(us, why)

    def step_bytes(self, shape):
        """Bytes of what a step goes through."""
        edge = 4 + self.full.weight_bytes_fp32
        return 2 * shape.pairs * edge + shape.nodes * 4 * self.a.dim * 4

    # ---- together ----

    def parts(self, shape):
        """Of a step of LightGCN with 3 layers as bench/model/after.ini has it."""
        a = self.a
        kernels = [self.gathering(shape, "all"), self.gathering(shape, "all"),
                   self.gathering(shape, "rows"), self.gathering(shape, "from_rows"),
                   self.gathering(shape, "all"), self.gathering(shape, "all", True)]
        nodes = 15
        small = nodes * self.model.node() + (nodes - len(kernels)) * a.small_kernel
        small += shape.nodes * 4 / self.model.gather_rate()  # the map of a batch is cleared
        sums = self.network.sum_us(self.ranks, self.payload(), a.sum_factor)
        sums += self.network.sum_us(self.ranks, 8 * 3, a.sum_factor)
        return kernels + [Part(small, "launches"), Part(sums, "latency of the sums over ranks")]

    def step(self, shape):
        """(us, what most of it waits for)."""
        waits = {}
        for part in self.parts(shape):
            waits[part.why] = waits.get(part.why, 0.0) + part.us
        return sum(waits.values()), max(waits, key=waits.get)

    def payload(self):
        """Bytes that a rank puts into the sum over scores: B (1 + M) floats."""
        return 4 * self.a.batch * (1 + 1)

    def sent(self):
        """Bytes that all ranks send in a step, in a ring: 2 (P - 1) times the payload."""
        return 2 * (self.ranks - 1) * self.payload()

    def memory(self, shape):
        """Bytes of a GPU: the graph with weights beside its columns, and tables: the parameter, two
        moments, and the layers and gradients that are alive at once."""
        graph = 2 * shape.pairs * (4 + 4) + shape.nodes * (8 + 4 + 32)
        return graph + shape.nodes * 4 * self.a.dim * self.full.tables

    def evaluation_us(self, shape):
        """Before an evaluation every rank needs whole rows: all columns of all nodes."""
        return self.network.gather_us(self.ranks, shape.nodes * 4 * self.a.dim)

