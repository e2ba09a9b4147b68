"""Times of the kernels that gather rows, of a whole step, and of the full ranking."""
from dataclasses import dataclass, field

from . import schedule

SIDE = {"fold": "items", "fold_from_rows": "items", "unfold": "users", "unfold_rows": "users"}
SECTOR = 32  # bytes that a small load moves


def kind_of(operation):
    """all, rows, from_rows of an operation that gathers rows; None of others."""
    if not operation.startswith(("propagate", "fold", "unfold")):
        return None
    if "from_rows" in operation:
        return "from_rows"
    return "rows" if operation.endswith("rows") else "all"


@dataclass
class Time:
    """us by each of what a kernel may wait for, and of all together."""
    latency: float
    cache: float
    memory: float
    us: float
    waste: float = 1.0
    edge_bytes: float = 0.0


@dataclass
class Step:
    """us of a step; of all its work, some of it beside other; of kernels that gather rows, one of
    each operation and all of them."""
    us: float = 0.0
    work: float = 0.0
    gathered: float = 0.0
    gathering: dict = field(default_factory=dict)


class Model:
    def __init__(self, device, assumptions):
        self.device, self.a = device, assumptions

    def blended(self, *times):
        return sum(t ** self.a.blend for t in times) ** (1 / self.a.blend)

    def gather_rate(self):
        """Bytes a us."""
        return self.device.l2_read * self.a.gather_share * 1e6

    def slots(self, is_plain):
        """Blocks that run at a time."""
        registers = self.a.registers if is_plain else self.a.registers_end
        block = -(-registers // 8) * 8 * schedule.WARP * self.a.block_warps
        return self.device.sms * max(1, min(self.device.registers // block,
                                            self.device.warps // self.a.block_warps))

    # ---- lives of warps ----

    def warp_life(self, edges, groups, halves):
        loads = self.a.weight_loads_fp16 if halves else self.a.weight_loads_fp32
        return schedule.warp_cycles(edges, self.device.l2_latency, groups, self.a.loads_in_flight,
                                    loads, self.a.columns_prefetched)

    def sparse_life(self, edges, groups, share):
        """Of a piece where a share of the columns is gathered, in the middle."""
        loads = 2.0
        for first in range(0, edges, schedule.WARP):
            n = min(schedule.WARP, edges - first)
            some = 1 - (1 - share) ** n
            rounds = n * share / groups + 0.5 * some
            loads += 1.15 + some + rounds / self.a.sparse_loads_in_flight
        return loads * self.device.l2_latency

    def schedule(self, degrees, life, is_plain, active=None):
        """(us, waste) of rows of these degrees; life(edges, whether the row is of the batch) is a
        warp's."""
        a, known = self.a, {}

        def of(edges, row):
            key = (edges, active is None or active[row])
            if key not in known:
                known[key] = life(*key)
            return known[key]

        long_blocks, lives = [], []
        for row, degree in enumerate(degrees):
            if degree <= a.piece_edges:
                lives.append(of(degree, row))
            elif a.long_rows in ("merge", "last"):
                pieces = schedule.pieces_of([degree], a.piece_edges)
                lives += [of(n, row) for n in pieces]
                if a.long_rows == "last":
                    rounds = -(-len(pieces) // a.loads_in_flight)
                    lives[-1] += rounds * self.device.l2_latency
            else:
                share = -(-degree // a.block_warps)
                long_blocks.append(of(share, row) + self.device.l2_latency)
        if a.sorted_pieces:
            lives.sort(reverse=True)
            long_blocks.sort(reverse=True)
        blocks = long_blocks + schedule.into_blocks(lives, a.block_warps)
        cycles = schedule.makespan(blocks, self.slots(is_plain))
        return cycles / (self.device.clock * 1e3), schedule.waste(lives, a.block_warps)

    # ---- kernels ----

    def gathering(self, graph, operation, precision, narrow=True):
        """A propagation, or half of one."""
        a, device = self.a, self.device
        kind, side = kind_of(operation), SIDE.get(operation)
        degrees = {"users": graph.users, "items": graph.items}.get(side, graph.degrees)
        halves = precision == "fp16" and kind != "from_rows" and not side
        row = a.dim * (2 if halves else 4)
        out_row = a.dim * (2 if precision == "fp16" and kind != "rows" else 4)
        weight = a.weight_bytes_fp16 if halves else a.weight_bytes_fp32
        groups = max(1, schedule.WARP * 16 // row)
        edges, rows = sum(degrees), len(degrees)
        active = graph.batch_rows(a.batch)
        streamed = 4 + a.weights_in_order

        is_plain = kind == "rows" or (precision != "fp16" and not operation.endswith("adam"))
        if kind == "from_rows":
            share = sum(d for d, is_used in zip(graph.degrees, active) if is_used) / graph.edges
            latency, waste = self.schedule(
                degrees, lambda n, _: self.sparse_life(n, groups, share), is_plain)
            gathers = edges * share
            moved = edges * 4 + gathers * (row + 2 * SECTOR) + rows * out_row
            streams = edges * 4 + rows * out_row
        elif kind == "rows":
            first = 0 if side != "items" else len(graph.users)
            active = active[first:first + rows]
            latency, waste = self.schedule(
                degrees, lambda n, is_used: self.warp_life(n, groups, halves) if is_used else
                2 * device.l2_latency, is_plain, active)
            gathers = sum(d for d, is_used in zip(degrees, active) if is_used)
            moved = gathers * (row + 4 + weight) + sum(active) * out_row + rows * 8
            streams = gathers * streamed
        else:
            latency, waste = self.schedule(
                degrees, lambda n, _: self.warp_life(n, groups, halves), is_plain)
            gathers = edges
            moved = edges * (row + 4 + weight) + rows * out_row
            streams = edges * streamed + rows * out_row
        if operation.endswith("adam"):
            extra = rows * a.dim * (a.adam_bytes + (0 if narrow else 2))
            moved, streams = moved + extra, streams + extra
        miss = 1 - graph.hit_share(side, 0.9 * device.l2_holds * 1e6 / row)
        cache = moved / self.gather_rate()
        memory = (streams + miss * gathers * row) / (device.memory * 1e6)
        return Time(latency, cache, memory, self.blended(latency, cache, memory), waste,
                    row + 4 + weight)

    def plain(self, graph, operation, megabytes):
        """Everything else, by what it moves."""
        us = megabytes * 1e6 / self.gather_rate()
        if megabytes > self.device.l2_holds:
            us = megabytes / self.device.memory
        if operation == "gram_product":
            flops = 3 * 2.0 * min(len(graph.users), len(graph.items)) ** 2 * self.a.dim
            us = max(us, flops / (self.a.gram_share * self.device.tf32 * 1e6))
        return us

    def node(self):
        """us from the begin of a node of a graph to the begin of the next, beyond what it does."""
        early = self.a.dependent_launch and self.device.capability >= 90
        return self.device.node - (self.a.dependent_saving if early else 0)

    def step(self, graph, program, precision):
        """A Step. An operation begins when the one before it in its lane, and those that it reads,
        have ended; nodes beyond one an operation are small ones that nothing runs beside."""
        is_narrowed = any(op.name == "narrow" for op in program.operations)
        result, ends, lanes = Step(), [], {}
        for op in program.operations:
            us = self.node()
            if kind_of(op.name):
                if op.name not in result.gathering:
                    result.gathering[op.name] = self.gathering(graph, op.name, precision,
                                                               is_narrowed)
                time = result.gathering[op.name].us
                result.gathered += time
            else:
                time = self.plain(graph, op.name, op.megabytes) + self.a.small_kernel
            us += time
            result.work += us
            begin = max([lanes.get(op.lane, 0.0)] + [ends[number] for number in op.reads])
            ends.append(begin + us)
            lanes[op.lane] = ends[-1]
        more = max(0, program.nodes - len(program.operations))
        rest = self.a.slow_kernels + more * (self.node() + self.a.small_kernel)
        result.work += rest
        result.us = max(ends) + rest
        return result

    def ranking(self, graph):
        """ms of ranking all items for all users, and its parts in ms."""
        a, device = self.a, self.device
        users = a.ranking_users or len(graph.users)
        items = len(graph.items)
        flops, scores = 2.0 * users * items * a.dim, 4.0 * users * items
        runs = -(-users // a.ranking_runs_users) if a.ranking_runs_users else 1
        parts = {"product": flops / (a.tensor_share * device.tf32 * 1e9)}
        if not a.ranking_fused:
            parts["product"] = max(parts["product"],
                                   scores / (a.score_write_share * device.l2_read * 1e9))
            parts["scores read again"] = scores / (device.l2_read * 1e9)
        parts["sample"] = a.sample_share * (parts["product"] +
                                            2 * scores / (self.gather_rate() * 1e3))
        parts["exact scores"] = users * a.survivors * a.dim * 4 / (self.gather_rate() * 1e3)
        parts["nodes"] = runs * a.ranking_nodes * device.node / 1e3
        parts["once a run"] = a.ranking_once / 1e3
        host = runs * a.ranking_host / 1e3
        if a.ranking_overlapped:
            host = max(a.ranking_host / 1e3, host - sum(parts.values()))
        parts["host"] = host
        return sum(parts.values()), parts
