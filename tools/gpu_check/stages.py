"""The stages, the most valuable first: what each does, under how many seconds."""
import dataclasses

import measured
import tests
import training
from machine_stage import look


@dataclasses.dataclass
class Stage:
    name: str
    cap: int  # seconds
    about: str
    do: object  # Check -> Result
    least: int = 3  # seconds; with less left it is not begun


ALL = [
    Stage("machine", 30, "libraries, driver, the device, the data set", look, 0),
    Stage("start", 25, "test_cuda; a few steps and a ranking", training.start),
    Stage("parity", 60, "every operation against the CPU device", tests.parity),
    Stage("devices", 40, "whole runs against the CPU device", tests.devices),
    Stage("models", 25, "every kind of model against the CPU device", tests.every_model),
    Stage("bits", 40, "the same bits from run to run and launch to launch", training.bits),
    Stage("bench", 90, "bench/run: steps, propagation, ranking, ceilings", measured.bench, 15),
    Stage("pieces", 30, "a step by cuda.piece_edges", measured.pieces, 5),
    Stage("overlap", 30, "a step by cuda.overlap", measured.overlap, 5),
    Stage("profile", 45, "time by operation; counters of the hot kernels", measured.profile, 5),
    Stage("sanitizer", 60, "compute-sanitizer: memcheck, racecheck", tests.sanitizer, 5),
    Stage("train", 190, "the paper's recipe, in halves", training.paper, 15),
    Stage("pytorch", 90, "bench/run: PyTorch beside Rankine", measured.pytorch, 30),
    Stage("large", 60, "sizes beyond 2^31", tests.large, 10),
    Stage("goodbooks", 90, "bench/run on a generated data set of GoodBooks' size",
          measured.goodbooks, 30),
]  # fmt: skip
