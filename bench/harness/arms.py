"""The arms of bench/run as processes that are asked one thing at a time."""
import json
import os
import subprocess

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(BENCH)

# An arm of Rankine is a set of options; those that a build does not know are left out with a note.
RANKINE = {
    "rankine": [],
    "rankine-fp16": ["train.propagation=fp16"],
    "rankine-direct": ["graph.form=direct"],
    "rankine-gram": ["graph.form=gram"],
    "rankine-cusparse": ["cuda.propagation=cusparse"],
}
# An arm of PyTorch: the worker's kind and where its triplets come from. p0 and p1 share a process.
TORCH = {
    "p0": ("plain", "loop"),
    "p1": ("plain", "given"),
    "p2": ("csr", "own"),
    "p2-bag": ("bag", "own"),
    "p2g": ("gram", "own"),
}
CUSPARSE = "p3"
ABOUT = {
    "rankine": "Rankine as configured by the recipe, nothing else",
    "rankine-fp16": "the same, propagated in half precision: train.propagation=fp16",
    "rankine-direct": "the same without the Gram form: graph.form=direct",
    "rankine-gram": "the same through the small side's Gram matrix: graph.form=gram",
    "rankine-cusparse": "the same, propagated by cuSPARSE: cuda.propagation=cusparse",
    "p0": "PyTorch, plain: COO through autograd, a Python loop draws triplets and ranks users",
    "p1": "the step of p0 with its triplets on the device beforehand",
    "p2": "PyTorch, well written: 32-bit CSR as its own adjoint, sampling on the device, fused "
    "Adam, compiled (CPU) or one CUDA graph a step (GPU)",
    "p2-bag": "p2 with embedding_bag as the product",
    "p2g": "p2 through the small side's Gram matrix",
    "p3": "cuSPARSE from C, the best of its algorithms: a propagation alone",
}


class Unavailable(Exception):
    """An arm that cannot run here; the text is the reason."""


class Process:
    def __init__(self, command, environment=None):
        self.command = command
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=dict(os.environ, **(environment or {})))  # fmt: skip
        self.host_bytes, self.device_bytes = 0, 0
        self.about = self.answer()

    def peak_memory(self):
        """Of the process's own memory: what getrusage says begins with that of its parent."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return 0

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            text = self.process.stderr.read().strip().splitlines()
            self.process.wait()
            code = f"exit code {self.process.returncode}"
            raise Unavailable(text[-1].removeprefix("bench_worker: ") if text else code)
        answer = json.loads(line)
        self.host_bytes = self.peak_memory() or self.host_bytes
        self.device_bytes = answer.get("device_bytes", 0) or self.device_bytes
        return answer

    def send(self, text):
        try:
            print(text, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # the answer, or the lack of one, tells why
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process.wait()


class RankineArm(Process):
    def __init__(self, name, worker, config, settings):
        # Waiting threads sleep: `rankine` itself sets that too.
        super().__init__([worker, config, *settings, *RANKINE.get(name, [])],
                         {"OMP_WAIT_POLICY": "passive"})  # fmt: skip
        self.name = name
        if self.about["device"] == "cpu":
            self.device_bytes = 0  # the host's, and in its peak

    def check(self, steps):
        return self.send(f"check {steps}")["losses"]

    def train(self, steps):
        return self.send(f"train {steps}")["seconds"]


class TorchProcess(Process):
    def __init__(self, kind, python, facts, recipe, options, dump):
        command = [python, os.path.join(BENCH, "pytorch", "worker.py"), "--arm", kind,
                   "--dump", dump, "--device", facts["device"]]  # fmt: skip
        for key in ("users", "items", "dim", "layers", "batch"):
            command += [f"--{key}", str(facts[key])]
        command += ["--threads", str(options.threads)]
        command += ["--learning-rate", recipe["train.learning_rate"], "--l2", recipe["loss.l2"]]
        if kind == "csr" and facts["device"] == "cpu":
            command.append("--compile")
        super().__init__(command)

    def ask(self, **command):
        return self.send(json.dumps(command))


class TorchArm:
    def __init__(self, name, process):
        self.name, self.process = name, process
        self.how = TORCH[name][1]

    @property
    def about(self):
        return self.process.about

    @property
    def host_bytes(self):
        return self.process.host_bytes

    @property
    def device_bytes(self):
        return self.process.device_bytes

    def check(self, steps):
        return self.process.ask(do="check", steps=steps)["losses"]

    def train(self, steps):
        return self.process.ask(do="train", steps=steps, how=self.how)["seconds"]

    def close(self):
        if self.process.process.poll() is None:
            self.process.close()


class CusparseArm:
    """A program that measures and ends: nothing waits between rounds."""

    name = CUSPARSE

    def __init__(self, program, facts, dump):
        if not os.path.exists(program):
            raise Unavailable(f"a build with CUDA and RANKINE_BENCH has {program}")
        self.command = [program, dump, str(facts["users"]), str(facts["items"]), str(facts["dim"])]
        self.about = self.propagate()

    def propagate(self):
        result = subprocess.run(self.command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise Unavailable(result.stderr.strip().removeprefix("bench_cusparse: "))
        return json.loads(result.stdout)
