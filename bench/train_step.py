#!/usr/bin/env python3
"""Times a LightGCN training step and a full ranking of Rankine beside PyTorch on the CPU.

  bench/train_step.py --data DIR --torch pypi=/path/to/venv/bin/python --torch debian=python3

DIR holds train.txt and test.txt (LightGCN's adjacency lists, e.g. Gowalla). Every arm trains on the
same graph with the same batch, width, layers and threads, in turns: one stretch of steps each per
round, so that a busy moment of the machine falls on all of them. The figures are medians over the
rounds; a ratio is the median of the ratios within a round. Losses are compared before anything is
timed, metrics of the ranking too. See README.md here for what each arm does. Needs nothing but
Python; the PyTorch installations are named by --torch NAME=PYTHON[:ARM,ARM].
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class TorchArm:
    def __init__(self, name, python, arm, options):
        self.name = f"{name} {arm}"
        command = [python, os.path.join(HERE, "torch_worker.py"), "--arm", arm]
        for key in ("data", "threads", "batch"):
            command += [f"--{key}", str(getattr(options, key))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.about = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name}: the worker ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, **command):
        print(json.dumps(command), file=self.process.stdin, flush=True)
        return self.answer()

    def train(self, steps):
        result = self.ask(do="train", steps=steps)
        return {"seconds": result["seconds"], "losses": [result["loss"]],
                "peak_megabytes": result["peak_megabytes"]}  # fmt: skip

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class RankineArm:
    """Whole runs of the program: the first epoch warms up, the second is timed by metrics.jsonl."""

    name = "rankine"

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        version = subprocess.run(
            [options.rankine, "--version"], check=True, capture_output=True, text=True
        )
        self.about = {"version": version.stdout.strip()}

    def call(self, *arguments):
        result = subprocess.run(
            [self.options.rankine, *arguments], capture_output=True, text=True, check=False
        )
        if result.returncode:
            sys.exit(f"rankine {' '.join(arguments)}: {result.stderr}")
        return result.stdout

    def run(self, epochs, steps, *settings):
        settings = [
            f"train.epochs={epochs}",
            f"train.steps_per_epoch={steps}",
            f"train.batch={self.options.batch}",
            f"run.threads={self.options.threads}",
            f"data.cache={self.folder}/cache",
            "eval.every=0",
            "eval.metrics=[recall, ndcg]",
            "eval.k=[20]",
            "eval.metric=ndcg@20",
            "eval.select=last",
            *settings,
        ]
        arguments = ["train", self.options.config, "--data", self.options.data, "--device", "cpu",
                     "--run", f"{self.folder}/run", "--force", "--quiet"]  # fmt: skip
        for setting in settings:
            arguments += ["--set", setting]
        self.call(*arguments)
        with open(f"{self.folder}/run/metrics.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def train(self, steps):
        epochs = self.run(2, steps)
        with open(f"{self.folder}/run/report.json", encoding="utf-8") as file:
            memory = json.load(file).get("memory", {})
        return {"seconds": epochs[-1]["seconds"], "losses": [epoch["bpr"] for epoch in epochs],
                "memory": memory}  # fmt: skip

    def evaluate(self):
        answer = json.loads(self.call("evaluate", f"{self.folder}/run", "--part", "test", "--json"))
        metrics = answer["metrics"]
        return {"seconds": answer["seconds"], "recall": metrics["recall@20"],
                "ndcg": metrics["ndcg@20"], "users": answer["users"]}  # fmt: skip

    def close(self):
        pass


def compare_losses(arms, rankine, options):
    """Mean BPR losses of the first two stretches of `check` steps. The PyTorch arms share weights
    and triplets; Rankine draws its own, so its means differ by the noise of the draws."""
    print(f"losses over 2 x {options.check} steps", flush=True)
    epochs = rankine.run(2, options.check)
    losses = {rankine.name: [epoch["bpr"] for epoch in epochs]}
    for arm in arms:
        losses[arm.name] = [arm.train(options.check)["losses"][0] for _ in range(2)]
    for name, values in losses.items():
        print(f"  {name:14s}" + "".join(f" {value:.5f}" for value in values))
    ours = losses[rankine.name]
    for name, values in losses.items():
        for mine, theirs in zip(ours, values):
            if abs(mine - theirs) > options.tolerance * theirs:
                sys.exit(
                    f"the losses of {name} and rankine differ by more than "
                    f"{options.tolerance:.0%}: not the same training, nothing timed"
                )
    return losses


def compare_metrics(ours, theirs, name):
    for metric in ("recall", "ndcg"):
        if abs(ours[metric] - theirs[metric]) > 2e-5 or ours["users"] != theirs["users"]:
            sys.exit(f"{metric}@20 of {name}: {theirs}, of rankine: {ours}")


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def time_steps(arms, options):
    """Milliseconds a step, per arm and round, and the ratio to Rankine within each round."""
    per_step = {arm.name: [] for arm in arms}
    for number in range(options.rounds):
        for arm in arms:
            seconds = arm.train(options.steps)["seconds"]
            per_step[arm.name].append(seconds * 1e3 / options.steps)
        shown = ", ".join(f"{name} {values[-1]:.1f}" for name, values in per_step.items())
        print(f"round {number + 1}, ms a step: {shown}", flush=True)
    return per_step


def time_ranking(torch_arms, rankine, options):
    """Seconds for all test users against all items, on the embeddings of one Rankine run."""
    rankine.run(options.epochs, 0)
    rankine.call("export", f"{rankine.folder}/run", "--out", f"{rankine.folder}/out", "--force")
    seconds = {arm.name: [] for arm in [rankine, *torch_arms]}
    for number in range(options.rounds):
        ours = rankine.evaluate()
        seconds[rankine.name].append(ours["seconds"])
        for arm in torch_arms:
            theirs = arm.ask(do="evaluate", k=20, users=f"{rankine.folder}/out/user_embeddings.npy",
                             items=f"{rankine.folder}/out/item_embeddings.npy")  # fmt: skip
            compare_metrics(ours, theirs, arm.name)
            seconds[arm.name].append(theirs["seconds"])
        shown = ", ".join(f"{name} {values[-1]:.2f}" for name, values in seconds.items())
        print(f"round {number + 1}, seconds to rank: {shown}", flush=True)
    return seconds, {key: ours[key] for key in ("recall", "ndcg", "users")}


def summary(times, name):
    ratios = [theirs / ours for theirs, ours in zip(times[name], times["rankine"])]
    return {"times": times[name], **spread(times[name]), "ratio": spread(ratios)}


def machine():
    about = {"load": os.getloadavg()[0], "cores": os.cpu_count()}
    with open("/proc/cpuinfo", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    about["cpu"] = fields.get("model name", "unknown")
    about["avx512"] = "avx512f" in fields.get("flags", "")
    return about


def table(result):
    """The Markdown table of a result."""
    lines = [
        f"# Step and ranking on {result['data']}, {result['date']}",
        "",
        f"`{result['command']}`",
        "",
        f"{result['machine']['cpu']}, {result['machine']['cores']} cores"
        f"{' with AVX-512' if result['machine']['avx512'] else ''}; batch {result['batch']}, "
        f"{result['threads']} threads, {result['rounds']} rounds of {result['steps']} steps. "
        "Median (least, most); a ratio is the arm's time over Rankine's in the same round.",
    ]
    formats = {"ms": ".1f", "s": ".2f"}
    for title, unit, part in (("Training step", "ms", "step"), ("Full ranking", "s", "ranking")):
        lines += ["", f"| {title} | {unit} | ratio |", "|---|---:|---:|"]
        for name, row in result[part].items():
            cells = [
                f"{values['median']:{spec}} ({values['min']:{spec}}, {values['max']:{spec}})"
                for values, spec in ((row, formats[unit]), (row["ratio"], ".2f"))
            ]
            lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    lines += ["", "Mean BPR loss of two stretches of "
              f"{result['check']} steps from the first: " + "; ".join(
                  f"{name} {', '.join(f'{loss:.4f}' for loss in losses)}"
                  for name, losses in result["losses"].items())
              + f". Ranked model: recall@20 {result['metrics']['recall']:.4f}, ndcg@20 "
              f"{result['metrics']['ndcg']:.4f} over {result['metrics']['users']} users, the same "
              "in every arm.", "", "Versions: " + "; ".join(
                  f"{name}: {', '.join(f'{key} {value}' for key, value in about.items())}"
                  for name, about in result["versions"].items()), ""]  # fmt: skip
    return "\n".join(lines)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    root = os.path.dirname(HERE)
    parser.add_argument("--data", required=True, help="folder with train.txt and test.txt")
    parser.add_argument("--torch", action="append", default=[], metavar="NAME=PYTHON[:ARM,ARM]",
                        help="a Python with PyTorch, and which of its arms: csr,bag,coo")
    parser.add_argument("--rankine", default=os.path.join(root, "build/release/bin/rankine"))
    parser.add_argument("--config", default=os.path.join(root, "configs/lightgcn-paper.yaml"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="steps in a stretch")
    parser.add_argument("--check", type=int, default=100, help="steps of the comparison of losses")
    parser.add_argument("--tolerance", type=float, default=0.01, help="of that comparison")
    parser.add_argument("--epochs", type=int, default=1, help="of the model that is ranked by")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", help="writes OUT.json and OUT.md")
    return parser.parse_args()


def main():
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        rankine = RankineArm(options, folder)
        torch_arms = []
        for entry in options.torch:
            name, _, rest = entry.partition("=")
            python, _, kinds = rest.partition(":")
            for kind in (kinds or "csr,bag,coo").split(","):
                torch_arms.append(TorchArm(name, python, kind, options))
        arms = [rankine, *torch_arms]
        losses = compare_losses(torch_arms, rankine, options)
        steps = time_steps(arms, options)
        # Ranking does not depend on how the graph is kept: one arm of each installation.
        rankers = list({arm.name.split()[0]: arm for arm in torch_arms}.values())
        seconds, metrics = time_ranking(rankers, rankine, options)
        for arm in arms:
            arm.close()
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "data": os.path.basename(os.path.abspath(options.data)),
        "command": "bench/train_step.py " + " ".join(sys.argv[1:]),
        "machine": machine(),
        "versions": {arm.name: arm.about for arm in arms},
        **{key: getattr(options, key) for key in ("batch", "threads", "rounds", "steps", "check")},
        "losses": losses,
        "step": {name: summary(steps, name) for name in steps},
        "ranking": {name: summary(seconds, name) for name in seconds},
        "metrics": metrics,
    }
    print("\n" + table(result))
    if options.out:
        with open(options.out + ".json", "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
        with open(options.out + ".md", "w", encoding="utf-8") as file:
            file.write(table(result))


if __name__ == "__main__":
    main()
