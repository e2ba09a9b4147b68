#!/usr/bin/env python3
"""One PyTorch arm of bench/run: commands come as JSON lines on standard input, answers go as JSON
lines to standard output. Needs PyTorch alone. --dump is a folder that bench_worker wrote."""
import argparse
import json
import os
import sys
import time
import warnings

import torch

import ranking
import sampling
from arms import ARMS
from graph import Graph, read

WARM_UP = 3  # steps before the capture of a CUDA graph


class Worker:
    def __init__(self, options):
        self.options, self.device = options, torch.device(options.device)
        self.on_gpu = self.device.type == "cuda"
        begin = time.perf_counter()
        self.graph = Graph(options.dump, options.users, options.items, options.dim, self.device)
        self.arm = ARMS[options.arm](self.graph, options)
        self.sync()
        self.setup_seconds = time.perf_counter() - begin
        self.loop = None
        self.replay = None  # of a captured step, on a GPU

    def sync(self):
        if self.on_gpu:
            torch.cuda.synchronize()

    def check(self, steps):
        """Losses of the first steps from the given weights and triplets, before anything else."""
        triplets = self.graph.triplets(self.options.batch)[:steps]
        return {"losses": [float(self.arm.step(some)) for some in triplets]}

    def capture(self):
        """One CUDA graph of sampling, step and optimizer."""
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.arm.step(sampling.on_device(self.graph, self.options.batch))
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph):
            self.arm.step(sampling.on_device(self.graph, self.options.batch))
        return graph.replay

    def eager(self):
        self.arm.step(sampling.on_device(self.graph, self.options.batch))

    def train(self, steps, how):
        """how: 'own', the arm's own sampling; 'loop', triplets from the loop in Python; 'given',
        triplets that are there before the clock starts."""
        if how == "own":
            if not self.replay:
                self.replay = self.eager
                if self.on_gpu and self.options.arm != "plain":
                    try:
                        self.replay = self.capture()
                        self.arm.notes.append("CUDA graph")
                    except RuntimeError as error:
                        self.arm.notes.append(f"not captured: {str(error).splitlines()[0]}")
                self.replay()
            run = self.replay
        elif how == "given":
            drawn = iter([sampling.on_device(self.graph, self.options.batch) for _ in range(steps)])
            run = lambda: self.arm.step(next(drawn))
        else:
            self.loop = self.loop or sampling.Loop(self.graph)
            run = lambda: self.arm.step(self.loop.sample(self.options.batch).to(self.device))
        self.sync()
        begin = time.perf_counter()
        for _ in range(steps):
            run()
        self.sync()
        return {"seconds": time.perf_counter() - begin}

    def rank(self, embeddings, k, most):
        """most: 0 = the batched ranking of all test users, else the loop over so many of them."""
        folder, name = os.path.split(embeddings)
        final = read(folder, name).reshape(self.graph.nodes, -1).to(self.device)
        self.sync()
        if most:
            return ranking.per_user(self.graph, final, k, most)
        return ranking.batched(self.graph, final, k)

    def about(self):
        facts = {"torch": torch.__version__, "python": sys.version.split()[0],
                 "threads": torch.get_num_threads(), "notes": self.arm.notes,
                 "setup_seconds": self.setup_seconds}  # fmt: skip
        if self.on_gpu:
            facts.update(cuda=torch.version.cuda, gpu=torch.cuda.get_device_name())
        return facts


def answer(values):
    if torch.cuda.is_initialized():
        values = dict(values, device_bytes=torch.cuda.max_memory_reserved())
    print(json.dumps(values), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arm", choices=list(ARMS), required=True)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    for name in ("users", "items", "dim", "layers", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--l2", type=float, required=True)
    parser.add_argument("--seed", type=int, default=2020)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Sparse")  # "support is in beta state"
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    worker = Worker(options)
    answer(worker.about())
    for line in sys.stdin:
        command = json.loads(line)
        answer(getattr(worker, command.pop("do"))(**command))


if __name__ == "__main__":
    main()
