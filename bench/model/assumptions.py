"""The numbers that the model stands on, each by name: read from a settings file and changed by
--set. before.ini and after.ini hold those that differ; these are the rest, and what all mean."""
import configparser
import dataclasses
from dataclasses import dataclass, field

COMMON, KERNEL, STEP, RANKS, RANKING = "all", "propagation", "step", "ranks", "ranking"


def number(default, room, meaning):
    return field(default=default, metadata={"room": room, "meaning": meaning})


@dataclass
class Assumptions:
    gather_share: float = number(
        0.70, COMMON, "of l2_read: what rows of 128 or 256 bytes in any order reach; bench/run "
        "measures it as its gather ceiling")
    blend: float = number(
        2, COMMON, "a kernel's time is the norm of this order of its time by latency, by the "
        "second-level cache and by memory: near a limit it waits for both")
    dim: int = number(64, COMMON, "floats of a row")
    batch: int = number(2048, COMMON, "triplets")
    piece_edges: int = number(256, KERNEL, "most edges of a piece (cuda.piece_edges)")
    long_rows: str = number(
        "merge", KERNEL, "rows of more edges: pieces, and merge: a second kernel adds their sums; "
        "last: the warp that is done last does; block: the warps of a block take the row")
    block_warps: int = number(8, KERNEL, "warps of a block")
    sorted_pieces: int = number(0, KERNEL, "1: longest first, 0: in the order of rows")
    loads_in_flight: int = number(1, KERNEL, "16-byte gathers of a warp at a time")
    sparse_loads_in_flight: int = number(1, KERNEL, "the same where columns are looked up first")
    columns_prefetched: int = number(0, KERNEL, "1: the next columns are there in time")
    weight_loads_fp32: float = number(
        1, KERNEL, "loads between a column and its gather; 0.15 of one that the first-level cache "
        "answers")
    weight_loads_fp16: float = number(1, KERNEL, "the same where rows are halves")
    weight_bytes_fp32: float = number(
        16, KERNEL, "bytes an edge for weights: looked up, a sector of 32 for each table unless "
        "it lies in the first-level cache, half of them here; read in order, their own size")
    weight_bytes_fp16: float = number(32, KERNEL, "the same where rows are halves")
    weights_in_order: float = number(0, KERNEL, "bytes of those that are read in order")
    registers: int = number(32, KERNEL, "of a thread: they limit the blocks of a processor")
    registers_end: int = number(40, KERNEL, "the same where rows end as halves or an Adam step")
    small_kernel: float = number(
        1.0, STEP, "us that a small kernel runs beyond the tiny one that `node` was measured with: "
        "two or three loads that wait for each other")
    slow_kernels: float = number(
        0, STEP, "us of kernels that are slower than small: l2_sum by one block, bpr_grad by "
        "scalar loads")
    dependent_launch: int = number(0, STEP, "1: programmatic dependent launch, on 9.0 and newer")
    dependent_saving: float = number(0.6, STEP, "us of `node` that it saves")
    gram_share: float = number(0.4, STEP, "of the TF32 peak: the three products of halves that "
                               "are one with a Gram matrix; 200 TFLOP/s of an H200")
    adam_bytes: float = number(24, STEP, "bytes an element: parameter and two moments, both ways")
    sector_share: float = number(
        0.5, RANKS, "of that rate: rows of a single sector of 32 bytes, which the cache looks up "
        "one by one")
    sum_factor: float = number(
        2, RANKS, "what a small sum over ranks takes, over NCCL's own estimate: on H100s where it "
        "estimates 25 us 62 were measured (NVIDIA/nccl issue 1453)")
    tables: int = number(
        7, RANKS, "tables of a rank's columns in its memory: the parameter, two moments, and the "
        "layers and gradients that are alive at once")
    ranking_users: int = number(0, RANKING, "users to rank for; 0: all")
    ranking_fused: int = number(0, RANKING, "1: product and threshold in one kernel, which writes "
                                "survivors only; 0: cuBLAS writes tiles of scores")
    ranking_nodes: int = number(14, RANKING, "nodes of a run")
    ranking_runs_users: int = number(1024, RANKING, "users of a run; 0: all of them")
    ranking_host: float = number(45, RANKING, "us of a run for writing, launching, waiting and "
                                 "reading, and for metrics")
    ranking_overlapped: int = number(0, RANKING, "1: the host works beside the device, which then "
                                     "waits for it once, or for what it takes longer")
    ranking_once: float = number(200, RANKING, "us of what is repeated a run but needed once: the "
                                 "largest norm of the items")
    score_write_share: float = number(0.16, RANKING, "of l2_read: writing of scores by a product "
                                      "with 64 columns, which is what such a product waits for "
                                      "(H200: 10 % of its TF32 peak)")
    tensor_share: float = number(0.25, RANKING, "of the TF32 peak: mma.sync, and a comparison a "
                                 "score")
    sample_share: float = number(0, RANKING, "of the items: scored first, written and read, for a "
                                 "bar that the survivors reach")
    survivors: int = number(40, RANKING, "items a user whose exact score is taken")

    def set(self, name, value):
        kinds = {f.name: f.type for f in dataclasses.fields(self)}
        if name not in kinds:
            raise KeyError(name)
        setattr(self, name, kinds[name](value))


@dataclass
class Operation:
    """One of a step, in the words of a settings file: NAME MB [LANE [OPERATION...]], the operations
    that it reads by their number."""
    name: str
    megabytes: float
    lane: int = 0
    reads: tuple = ()

    @staticmethod
    def parse(text):
        name, megabytes, *rest = text.split()
        lane, *reads = [int(word) for word in rest] or [0]
        return Operation(name, float(megabytes), lane, tuple(reads))

    def text(self):
        numbers = (self.lane, *self.reads) if self.lane or self.reads else ()
        return " ".join([self.name, f"{self.megabytes:g}"] + [str(n) for n in numbers])


@dataclass
class Program:
    """A step as `rankine train --print-program` shows it."""
    nodes: int
    operations: list  # of Operation


class Settings:
    def __init__(self, name, path):
        self.name, self.path, self.programs = name, path, {}
        self.assumptions = Assumptions()
        parser = configparser.ConfigParser(comment_prefixes=(";",))
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
        for key, value in parser["assumptions"].items():
            self.assumptions.set(key, value)
        for section in parser.sections():
            if section.startswith("program "):
                _, graph, precision = section.split()
                self.programs[graph, precision] = Program(
                    int(parser[section]["nodes"]),
                    [Operation.parse(text) for text in parser[section]["operations"].split(",")])
