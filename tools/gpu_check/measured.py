"""Stages that measure."""
import csv
import io
import json
import os
import shutil
import sys

import machine
import training
from runner import Result
from summary import table
from tests import why

# What ncu looks at: a title, the kernels by what their names hold, launches to skip, launches to
# count, options.
COUNTED = [
    ("a step, fp32", "propagate|sort_batch|slot_|l2_|adam", 30, 14,
     ["train.steps_per_epoch=40", "train.propagation=fp32"]),
    ("a step, fp16", "propagate|sort_batch|slot_|l2_|adam", 30, 14,
     ["train.steps_per_epoch=40", "train.propagation=fp16"]),
    ("ranking", "score_sample|raise_bars|keep_survivors|rerank", 4, 4, ["train.steps_per_epoch=2"]),
]  # fmt: skip
# Sections, not single counters: ncu refuses to start over one counter that a GPU does not have.
SECTIONS = ("SpeedOfLight", "MemoryWorkloadAnalysis", "Occupancy", "LaunchStats", "WarpStateStats")
# What they call a figure, and the unit that tells two of one name apart -> the table's column.
COUNTERS = {
    ("Duration", "s"): "us",
    ("Memory Throughput", "byte/s"): "GB/s",
    ("DRAM Throughput", "%"): "DRAM %",
    ("L2 Hit Rate", "%"): "L2 hits %",
    ("Achieved Occupancy", "%"): "occupancy %",
    ("Registers Per Thread", ""): "registers",
    ("Grid Size", ""): "blocks",
    ("Warp Cycles Per Issued Instruction", ""): "cycles an instruction",
}
PREFIX = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
SHOWN_IN = {"s": 1e-6, "byte/s": 1e9}  # microseconds, gigabytes a second


def run_bench(check, data, name, more):
    """bench/run into the work folder; its outcome and {(arm, metric): (median, unit)}."""
    out = os.path.join(check.work, name)
    command = [sys.executable, os.path.join(check.root, "bench", "run"), "--device", "cuda",
               "--data", data, "--build", os.path.join(check.root, "run"), "--out", out,
               *more]  # fmt: skip
    outcome = check.command(command)
    rows = {}
    if os.path.exists(out + ".csv"):
        with open(out + ".csv", newline="", encoding="utf-8") as file:
            rows = {(row["arm"], row["metric"]): (float(row["median"]), row["unit"])
                    for row in csv.DictReader(file)}  # fmt: skip
    return outcome, rows


def shown(rows, metrics):
    arms = list(dict.fromkeys(arm for arm, metric in rows if metric in metrics))
    cells = [[arm, *(f"{rows[arm, metric][0]:.4g} {rows[arm, metric][1]}" if (arm, metric) in rows
                     else "" for metric in metrics)] for arm in arms]  # fmt: skip
    return table(["arm", *metrics], cells)


def how_long(check):
    """The arguments of bench/run but the arms."""
    if check.emulated:
        return ["--rounds", "1", "--stretch", "0.01", "--epoch-seconds", "0", "--gathers", "500",
                "--check", "2", "--batch", "50", "--threads", "1"]  # fmt: skip
    return ["--rounds", "3", "--stretch", "0.5", "--epoch-seconds", "0"]


def keep_facts(check, rows):
    """What later stages go by."""
    for fact, arm in (("step", "rankine"), ("step_fp16", "rankine-fp16")):
        if (arm, "step") in rows:
            check.facts[fact] = 1e-3 * rows[arm, "step"][0]
    if ("rankine", "epoch_estimate") in rows and "step" in check.facts:
        epoch = rows["rankine", "epoch_estimate"][0]
        check.facts["steps_per_epoch"] = round(epoch / check.facts["step"])
    if ("rankine", "ranking") in rows:
        check.facts["ranking"] = rows["rankine", "ranking"][0]


def bench(check):
    """Rankine's arms and cuSPARSE. bench/run times nothing if one arm's losses differ: then Rankine
    alone, so that there are figures."""
    arms = ["rankine", "rankine-fp16", "rankine-cusparse", "p3"]
    if check.emulated:
        arms.remove("rankine-fp16")
    outcome, rows = run_bench(check, check.data, "bench",
                              [*how_long(check), "--arms", ",".join(arms)])  # fmt: skip
    figures = []
    if not rows and outcome.rc != 124:
        figures = [f"- all arms: {why(outcome)}; so Rankine alone:", ""]
        alone, rows = run_bench(check, check.data, "bench", [*how_long(check), "--arms", "rankine"])
        outcome.rc = outcome.rc or alone.rc
    for ending in (".md", ".csv"):
        if os.path.exists(os.path.join(check.work, "bench" + ending)):
            shutil.copy(os.path.join(check.work, "bench" + ending), check.path("bench" + ending))
    if not rows:
        return Result("failed", why(outcome), outcome.rc or 1)
    keep_facts(check, rows)
    figures += shown(rows, ["step", "spmm", "spmm_share", "ranking", "loss_error", "memory_device"])
    figures += ["", *shown(rows, ["gather_fp32", "gather_fp16", "copy", "launch"])]
    if outcome.rc:
        return Result("failed", why(outcome), outcome.rc, figures)
    return Result("passed", "", 0, figures)


def pytorch(check):
    """A stage of its own: it takes long to start, and bench/run writes at its end."""
    if check.emulated or not has_torch():
        return Result("skipped", "no PyTorch for this Python")
    outcome, rows = run_bench(check, check.data, "pytorch", [
        *how_long(check), "--arms", "rankine,p1,p2", "--python", sys.executable])  # fmt: skip
    if outcome.rc or not rows:
        return Result("failed", why(outcome), outcome.rc or 1)
    return Result("passed", "", 0, shown(rows, ["step", "step_ratio", "ranking", "loss_error"]))


def has_torch():
    for folder in sys.path:
        if os.path.isdir(os.path.join(folder, "torch")):
            return True
    return False


def by_option(check, option, values):
    here = os.path.dirname(os.path.abspath(__file__))
    given = training.METRICS + [f"data.cache={check.work}/cache", f"data.root={check.data}",
                                "run.device=cuda"]  # fmt: skip
    given += ["train.batch=50", "model.dim=16"] if check.emulated else []
    seconds, steps = ("0.001", "1") if check.emulated else ("0.2", "32")
    command = [sys.executable, os.path.join(here, "by_option.py"),
               os.path.join(check.root, "bench"), check.program("bench_worker"),
               training.config(check), seconds, steps, option, ",".join(values),
               *given]  # fmt: skip
    outcome = check.command(command)
    lines = [json.loads(line) for line in outcome.text.splitlines() if line.startswith("{")]
    cells = {(line["precision"], line["value"]): f"{1e6 * line['step']:.1f}" for line in lines}
    figures = table([f"us a step, {option}", *values],
                    [[precision, *(cells.get((precision, value), "") for value in values)]
                     for precision in ("fp32", "fp16")])  # fmt: skip
    if outcome.rc or not lines:
        return Result("failed", why(outcome), outcome.rc or 1, figures if lines else [])
    return Result("passed", "", 0, figures)


def pieces(check):
    return by_option(check, "cuda.piece_edges", ["64", "128", "256", "512"])


def overlap(check):
    return by_option(check, "cuda.overlap", ["none", "branches", "launches", "all"])


# ---- the profile

def by_operation(check):
    """`rankine train --profile` in both precisions: its table is in the log, here its sum."""
    steps = 4 if check.emulated else 48
    figures, last = [], None
    for precision in ("fp32", "fp16"):
        more = ["train.epochs=1", f"train.steps_per_epoch={steps}",
                f"train.propagation={precision}"]  # fmt: skip
        more += ["model.dim=16"] if check.emulated else []
        last = training.train(check, "profile", more, ["--profile"])
        path = os.path.join(check.work, "profile", "profile.csv")
        if last.rc or not os.path.exists(path):
            return figures, last
        with open(path, newline="", encoding="utf-8") as file:
            text = file.read()
        figures += [f"profile.csv, {precision}, {steps} steps:", "", "```", text.rstrip()]
        figures += ["```", ""]
    return figures, last


def counter(name, unit, value):
    """Key of COUNTERS and the number in the table's unit, or None. ncu says "us" or "usecond",
    "Gbyte/s" or "Gbyte/second", by its version."""
    unit = unit.replace("second", "s")
    for known, base in COUNTERS:
        if known == name and base in SHOWN_IN and unit.endswith(base):
            factor = PREFIX.get(unit.removesuffix(base), 0.0) / SHOWN_IN[base]
        elif known == name and base in ("", unit):
            factor = 1.0
        else:
            continue
        return (known, base), float(value.replace(",", "")) * factor
    return None


def counters(text):
    """Rows of a table from ncu's CSV, which has a line for each figure of each launch."""
    start = text.find('"ID",')
    kernels = {}
    for row in csv.DictReader(io.StringIO(text[start:])) if start >= 0 else ():
        value, unit = row.get("Metric Value"), row.get("Metric Unit") or ""
        found = counter(row.get("Metric Name"), unit, value) if value else None
        if found:
            kernel = kernels.setdefault(row["ID"], {"name": row["Kernel Name"].split("(")[0]})
            kernel[found[0]] = f"{found[1]:.5g}"
    return [[kernel["name"].replace("|", "/"), *(kernel.get(name, "") for name in COUNTERS)]
            for kernel in kernels.values()]  # fmt: skip


def profile(check):
    figures, outcome = by_operation(check)
    if outcome.rc:
        return Result("failed", why(outcome), outcome.rc, figures)
    ncu = machine.find_tool("ncu")
    if not ncu:
        return Result("passed", "ncu is not here: time by operation alone", 0, figures)
    tool = [ncu, "--clock-control", "none", "--target-processes", "all", "--kill", "yes",
            "--csv"]  # fmt: skip
    tool += [word for section in SECTIONS for word in ("--section", section)]
    for title, kernels, skip, count, more in COUNTED:
        launches = ["--kernel-name", "regex:" + kernels, "--launch-skip", str(skip),
                    "--launch-count", str(count)]  # fmt: skip
        command = [check.program("rankine"), "train", training.config(check), "--data", check.data,
                   "--run", os.path.join(check.work, "ncu"), "--device", "cuda", "--force",
                   "--quiet"]  # fmt: skip
        command += training.settings(check, ["train.epochs=1", "cuda.steps_per_launch=1",
                                             *more])  # fmt: skip
        counted = check.command([*tool, *launches, *command], most=check.left() / 2)
        rows = counters(counted.text)
        if rows:
            figures += [f"ncu, {title}:", "", *table(["kernel", *COUNTERS.values()], rows), ""]
        else:
            figures.append(f"ncu, {title}: {why(counted)}")
    return Result("passed", "", 0, figures)


# ---- GoodBooks' size

def goodbooks(check):
    """As bench/all has it: 53,398 x 9,999, 4.98 million pairs."""
    size = ["--users", "53398", "--items", "9999", "--interactions", "4979782"]
    more = ["--rounds", "2", "--stretch", "0.3", "--epoch-seconds", "0", "--check", "10",
            "--arms", "rankine,rankine-fp16,rankine-direct"]  # fmt: skip
    if check.emulated:
        size = ["--users", "50", "--items", "30", "--interactions", "500", "--clusters", "3"]
        more = ["--rounds", "1", "--stretch", "0.01", "--epoch-seconds", "0", "--check", "2",
                "--batch", "50", "--gathers", "500", "--arms", "rankine",
                "--threads", "1"]  # fmt: skip
    data = os.path.join(check.work, "goodbooks-synth")
    made = check.command([check.program("rankine"), "synth", data, *size, "--quiet"])
    if made.rc:
        return Result("failed", why(made), made.rc)
    outcome, rows = run_bench(check, data, "goodbooks", more)
    if outcome.rc or not rows:
        return Result("failed", why(outcome), outcome.rc or 1)
    return Result("passed", "", 0, shown(rows, ["step", "spmm", "spmm_share", "ranking"]))
