"""Stages that run `rankine train`."""
import hashlib
import json
import os
import shutil
import sys

from runner import Result
from tests import result_of, why

METRICS = ["eval.k=[20]", "eval.metrics=[recall, ndcg]", "eval.metric=ndcg@20"]
TINY = ["model.dim=8", "train.batch=50"]  # for the emulated device


def harness(check):
    """bench/harness of the pack, which knows the configs and the arms."""
    folder = os.path.join(check.root, "bench")
    if folder not in sys.path:
        sys.path.insert(0, folder)


def config(check):
    harness(check)
    from harness import configs  # pylint: disable=import-outside-toplevel

    return configs.config_for(check.data)


def settings(check, more):
    given = METRICS + (TINY if check.emulated else []) + [f"data.cache={check.work}/cache"]
    return [word for setting in given + more for word in ("--set", setting)]


def train(check, name, more, words=(), **environment):
    """Trains into the run folder `name` of the work folder."""
    command = [check.program("rankine"), "train", config(check), "--data", check.data, "--run",
               os.path.join(check.work, name), "--device", "cuda", "--force"]  # fmt: skip
    return check.command(command + [*words] + settings(check, more), **environment)


def report(check, name):
    with open(os.path.join(check.work, name, "report.json"), encoding="utf-8") as file:
        return json.load(file)


# ---- start

# What the program says of a step that was not captured as it should have been.
SLOWER = ("cannot be captured", "without branches and early launches")


def is_in_order(outcome):
    return outcome.rc == 0 and not any(text in outcome.text for text in SLOWER)


def first_runs(check, **environment):
    """test_cuda, a few steps ranked with cuBLAS's help, then 20 steps and a ranking: the outcome of
    the first that is not in order."""
    outcome = check.command([check.program("test_cuda")], **environment)
    if outcome.rc not in (0, 77):
        return outcome
    few = ["train.epochs=1", "train.steps_per_epoch=2", "cuda.ranking=fp32"]
    outcome = train(check, "start", few, **environment)
    if not is_in_order(outcome):
        return outcome
    steps = 4 if check.emulated else 20
    more = ["train.epochs=1", f"train.steps_per_epoch={steps}"]
    return train(check, "start", more, **environment)


def start(check):
    """Where a capture fails, once more with all kernels loaded at the start: if that helps, so for
    every stage after this one."""
    outcome = first_runs(check)
    figures = []
    if not is_in_order(outcome):
        again = first_runs(check, CUDA_MODULE_LOADING="EAGER")
        figures.append(f"- without it: {why(outcome)}")
        figures.append("- CUDA_MODULE_LOADING=EAGER: "
                       f"{'works' if is_in_order(again) else why(again)}")  # fmt: skip
        if is_in_order(again) or (outcome.rc and again.rc == 0):
            check.environment["CUDA_MODULE_LOADING"] = "EAGER"
            check.facts["eager"] = why(outcome)
            outcome = again
    if outcome.rc:
        return result_of(outcome, figures)
    test = report(check, "start")["test"]
    figures.append(f"- after a few steps: recall@20 {test['recall@20']:.5f} of {test['users']:,} "
                   f"users, ranked in {1e3 * test['seconds']:.1f} ms")  # fmt: skip
    figures += [f"- **{line.strip()}**" for line in outcome.text.splitlines()
                if any(text in line for text in SLOWER)]  # fmt: skip
    return Result("passed", figures[0][2:] if "eager" in check.facts else "", 0, figures)


# ---- bits

def digest(check, name):
    """Of the exported tables of a run."""
    folder = os.path.join(check.work, name + "-export")
    outcome = check.command([check.program("rankine"), "export", os.path.join(check.work, name),
                             "--out", folder, "--force", "--quiet"])  # fmt: skip
    if outcome.rc:
        return None, outcome
    total = hashlib.sha256()
    for file in ("user_embeddings.npy", "item_embeddings.npy"):
        with open(os.path.join(folder, file), "rb") as table:
            total.update(table.read())
    return total.hexdigest()[:16], outcome


def same_bits(check, title, steps, more, variants):
    """The line of a group of runs; whether their tables are equal; the first that broke."""
    seen, broken = [], None
    for number, variant in enumerate(variants):
        name = f"bits-{number}"
        outcome = train(check, name, ["train.epochs=1", f"train.steps_per_epoch={steps}", variant,
                                      *more])  # fmt: skip
        value, exported = digest(check, name) if outcome.rc == 0 else (None, outcome)
        shutil.rmtree(os.path.join(check.work, name), ignore_errors=True)
        if value is None:
            broken = exported
            break
        seen.append((variant.removeprefix("cuda."), value))
    is_same = len({value for _, value in seen}) == 1
    shown = ", ".join(f"{variant}: `{value}`" for variant, value in seen)
    verdict = "the same bits" if is_same and len(seen) > 1 else "**different bits**"
    line = f"- {title}, {steps} steps: {verdict} ({shown})"
    return line, is_same or len(seen) < 2, broken


def bits(check):
    """Groups of runs whose exported tables must be equal."""
    steps, few, many = (6, 2, 4) if check.emulated else (200, 16, 64)
    launches = [f"cuda.steps_per_launch={n}" for n in (1, 1, few, many)]
    overlaps = [f"cuda.overlap={word}" for word in ("all", "branches", "launches", "none")]
    small = ["model.dim=16"] if check.emulated else []
    groups = [("fp32", [], [*launches, *overlaps]),
              ("fp16", ["train.propagation=fp16", *small], [launches[1], launches[2], *overlaps]),
              ("cuSPARSE", ["cuda.propagation=cusparse"], launches[:3])]  # fmt: skip
    figures, differ, broken = [], [], None
    for title, more, variants in groups:
        line, is_same, failed = same_bits(check, title, steps, more, variants)
        figures.append(line)
        differ += [] if is_same else [title]
        broken = broken or failed
    if differ:
        return Result("failed", f"not the same bits: {', '.join(differ)}", 1, figures)
    if broken:
        return Result("failed", why(broken), broken.rc, figures)
    return Result("passed", "", 0, figures)


# ---- the paper's recipe

def seconds_of_an_epoch(check):
    """By the bench, or by the first steps (which are slower: a short run, a first launch)."""
    steps = check.facts.get("steps_per_epoch", 396)
    step = check.facts.get("step_fp16") or check.facts.get("step") or 2e-3
    return steps * step + check.facts.get("ranking", 0.05) / 10 + 1e-3


def paper(check):
    """As many epochs of 1,000 as fit into the cap, with the evaluations of the recipe."""
    room = 0.8 * check.left() - 5
    epochs = 2 if check.emulated else int(min(1000, room / seconds_of_an_epoch(check)) // 10 * 10)
    epochs = max(epochs, 1)
    more = [f"train.epochs={epochs}", "train.propagation=fp16", "eval.metric=recall@20"]
    if check.emulated:
        more += ["model.dim=16", "train.steps_per_epoch=3"]
    outcome = train(check, "paper", more, ["--quiet"])
    folder = os.path.join(check.work, "paper")
    for name in ("metrics.jsonl", "report.json"):
        if os.path.exists(os.path.join(folder, name)):
            shutil.copy(os.path.join(folder, name), check.path("train-" + name))
    if outcome.rc:
        return Result("failed", why(outcome), outcome.rc)
    data = report(check, "paper")
    test, timing = data["test"], data["train"]
    figures = [f"- {epochs} epochs of {timing['steps_per_epoch']:,} steps in {outcome.seconds:.1f} "
               f"s: recall@20 {test['recall@20']:.5f}, ndcg@20 {test['ndcg@20']:.5f}",
               f"- {timing['samples_per_second']:,.0f} samples/s, "
               f"last loss {timing['loss']:.6f}"]  # fmt: skip
    return Result("passed", figures[0][2:], 0, figures)
