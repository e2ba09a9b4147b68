#!/usr/bin/env python3
"""bench/run from end to end on a small generated data set.

usage: test_run.py BUILD rankine|torch|growth|ablation|implicit|peers PYTHON    PYTHON: with
       PyTorch or implicit, for their parts
"""
import os
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "bench"))
from harness import results  # noqa: E402

QUICK = ("--threads", "1", "--rounds", "2", "--stretch", "0.01", "--check", "8", "--batch", "200",
         "--rank-users", "20", "--epoch-seconds", "2")  # fmt: skip


def run(build, folder, *arguments):
    command = [sys.executable, os.path.join(ROOT, "bench", "run"), "--data", f"{folder}/data",
               "--build", build, "--name", "tiny", "--out", f"{folder}/out", *QUICK, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def expect(condition, text):
    if not condition:
        sys.exit(f"FAILED: {text}")


def check(build, folder, arms, arguments):
    done = run(build, folder, "--arms", ",".join(arms), *arguments)
    expect(done.returncode == 0, f"exit code {done.returncode}: {done.stdout}{done.stderr}")
    rows = {(row["arm"], row["metric"]): row for row in results.read_csv(f"{folder}/out.csv")}
    for arm in arms:
        for metric in ("step", "step_ratio", "memory_host"):
            expect((arm, metric) in rows, f"no {metric} of {arm}")
            row = rows[arm, metric]
            expect(0 < row["min"] <= row["median"] <= row["max"], f"{metric} of {arm}: {row}")
        if arm != "rankine":
            error = rows[arm, "loss_error"]["max"]
            expect(error <= 1e-4, f"the losses of {arm} differ by {error}")
    for metric in ("gather_fp32", "gather_fp16", "copy", "launch"):
        expect(rows["ceiling", metric]["min"] > 0, metric)
    for metric in ("prepare", "spmm", "spmm_share", "epoch", "ranking"):
        expect(("rankine", metric) in rows, metric)
    for part in ("ms", "bytes", "flops"):
        expect(("rankine", f"sample_triplets.{part}") in rows, f"the operations' {part}")
    for picture in ("out.svg", "out-roofline.svg"):
        root = ElementTree.parse(f"{folder}/{picture}").getroot()
        expect(root.tag.endswith("svg") and len(root) > 10, picture)
    with open(f"{folder}/out.md", encoding="utf-8") as file:
        page = file.read()
    for text in ("# tiny on cpu", "Losses of 8 steps", "bench/run --data"):
        expect(text in page, f"the page does not say: {text}")
    return rows, page


def check_rankine(build, folder):
    """A second arm whose losses must be those of the first, and one that this build has not."""
    again = ("--arm", "again=run.seed=2020", "--arm", "unknown=no.such=1")
    _, page = check(build, folder, ["rankine"], again)
    expect("again 0.0e+00" in page, "the arm given by --arm")
    expect("unknown was left out" in page, "the arm with an unknown option")
    other = run(build, folder, "--arms", "rankine", "--arm", "other=loss.l2=1")
    expect(other.returncode != 0 and "not the same training" in other.stderr,
           f"another recipe is not noticed: {other.stderr}")  # fmt: skip


def check_torch(build, folder, python):
    arms = ["rankine", "p0", "p1", "p2-bag", "p2g"]
    rows, _ = check(build, folder, arms, ("--python", python))
    expect(("p2-bag", "ranking") in rows, "no batched ranking")
    expect(("p0", "ranking_estimate") in rows, "no ranking user by user")


def check_growth(build, folder):
    """Two small sizes, and one for which, going by the smaller ones, there is no disk."""
    command = [sys.executable, os.path.join(ROOT, "bench", "growth"), "--build", build,
               "--edges", "4000,8000,900000000000000", "--rounds", "2", "--batch", "100",
               "--threads", "1", "--scratch", folder, "--out", f"{folder}/growth"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"exit code {done.returncode}: {done.stdout}{done.stderr}")
    rows = results.read_csv(f"{folder}/growth.csv")
    for edges in (4000, 8000):
        found = {row["metric"]: row for row in rows if row["dataset"] == f"synth-{edges}"}
        for metric in ("prepare", "setup", "step", "train_memory", "train_per_edge"):
            expect(found[metric]["min"] > 0, f"{metric} of {edges} edges")
        memory, share = found["train_memory"]["median"], found["train_per_edge"]["median"]
        expect(abs(memory * 1e6 / edges - share) < 1e-3 * share, "bytes an edge")
    with open(f"{folder}/growth.md", encoding="utf-8") as file:
        expect("900,000,000,000,000 edges were left out: about" in file.read(), "the reason")
    ElementTree.parse(f"{folder}/growth.svg")
    left = [name for name in os.listdir(folder) if name.startswith("rankine-growth")]
    expect(not left, f"left behind: {left}")


def check_ablation(build, folder):
    """Of made-up pairs; every variant that the processor can run, with its ratio."""
    path = f"{folder}/pairs.txt"
    with open(path, "w", encoding="ascii") as file:
        for user in range(60):
            print(user, *sorted({(user * k * k + k) % 50 for k in range(1, 9)}), file=file)
    command = [sys.executable, os.path.join(ROOT, "bench", "ablation"), "--build", build, "--data",
               path, "--rounds", "2", "--steps", "2", "--out", f"{folder}/ablation"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"exit code {done.returncode}: {done.stdout}{done.stderr}")
    rows = {(row["arm"], row["metric"]): row for row in results.read_csv(f"{folder}/ablation.csv")}
    expect(rows["rankine", "step_ratio"]["max"] == 1, "the base is not 1")
    with open(f"{folder}/ablation.md", encoding="utf-8") as file:
        page = file.read()
    for arm in ("no-frontier", "no-fusing", "neither", "baseline", "one-thread", "fp16"):
        expect(rows[arm, "step"]["min"] > 0 and rows[arm, "step_ratio"]["min"] > 0, arm)
        expect(f"| {arm} | " in page, f"the page's line of {arm}")


def check_implicit(build, folder, python):
    """Every comparison and every time of a few sweeps and small lists."""
    command = [sys.executable, os.path.join(ROOT, "bench", "implicit"), "--build", build,
               "--python", python, "--data", f"{folder}/data", "--threads", "1", "--rounds", "2",
               "--slow-rounds", "2", "--epochs", "2", "--bpr-epochs", "3", "--mf-epochs", "2",
               "--dim", "8", "--neighbours", "10",
               "--requests", "20", "--request-items", "300", "--out",
               f"{folder}/implicit"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"exit code {done.returncode}: {done.stdout}{done.stderr}")
    rows = {(row["arm"], row["metric"]): row for row in results.read_csv(f"{folder}/implicit.csv")}
    for metric in ("cg", "cholesky", "cosine", "bpr", "ease", "gf_cf", "rank_als", "rank_knn",
                   "known", "folded"):  # fmt: skip
        for arm in ("rankine", "implicit"):
            expect(rows[arm, metric]["min"] > 0, f"{metric} of {arm}")
        expect(rows["implicit", metric + "_ratio"]["min"] > 0, f"the ratio of {metric}")
    ours, theirs = (rows[arm, "recall@20.cg2"]["median"] for arm in ("rankine", "implicit"))
    expect(ours > 0 and abs(ours - theirs) < 0.01, f"recall {ours} and {theirs}")
    for model in ("cg2", "cosine", "bpr", "ease", "gf_cf"):
        for arm in ("rankine", "implicit"):
            expect(rows[arm, f"memory.{model}"]["median"] > 1, f"memory of {arm}, {model}")
    with open(f"{folder}/implicit.md", encoding="utf-8") as file:
        page = file.read()
    for text in ("Factors, cg, 2 sweeps", "Factors, cholesky, 2 sweeps", "Lists, bm25"):
        expect(text in page, f"the page does not say: {text}")


def check_peers(build, folder, python):
    """implicit beside Rankine, in every model that both have; the other libraries are in
    environments of bench/peers' own."""
    subprocess.run([f"{build}/bin/rankine", "synth", f"{folder}/more", "--users", "200", "--items",
                    "300", "--interactions", "4000", "--clusters", "4", "--quiet"],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    command = [sys.executable, os.path.join(ROOT, "bench", "peers"), "--build", build, "--implicit",
               python, "--libraries", "implicit", "--models", "bpr", "als", "item_knn", "--data",
               f"{folder}/more", "--threads", "1", "--every", "2", "--checks", "2", "--rounds", "2",
               "--out", f"{folder}/peers"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"exit code {done.returncode}: {done.stdout}{done.stderr}")
    expect("load " in done.stdout, "the load at the start is not printed")
    rows = {(row["arm"], row["metric"]): row for row in results.read_csv(f"{folder}/peers.csv")}
    for model, seconds in (("bpr", "to_level"), ("als", "to_level"), ("item_knn", "fit")):
        for arm in ("rankine", "implicit"):
            for metric in (seconds, "memory", "lists", "recall@20"):
                expect(rows[f"{arm} {model}", metric]["min"] > 0, f"{metric} of {arm} {model}")
    ours, theirs = (rows[f"{arm} item_knn", "ndcg@20"]["max"] for arm in ("rankine", "implicit"))
    expect(abs(ours / theirs - 1) < 0.02, f"nearest items: ndcg {ours} and {theirs}")
    with open(f"{folder}/peers.md", encoding="utf-8") as file:
        page = file.read()
    for text in ("item KNN, cosine, 100 neighbours, 1 thread:", "implicit 0.", "| implicit | "):
        expect(text in page, f"the page does not say: {text}")


def main():
    build, part, python = sys.argv[1:4]
    if not os.path.exists(f"{build}/bench/bench_worker"):
        print("skipped: bench_worker is not built")
        sys.exit(77)
    needs = {"torch": "import torch", "implicit": "import implicit, h5py",
             "peers": "import implicit"}
    if part in needs:
        found = subprocess.run([python, "-c", needs[part]], capture_output=True, check=False)
        if found.returncode or os.environ.get("RANKINE_SANITIZE"):
            print(f"skipped: {python} cannot '{needs[part]}' (-D RANKINE_BENCH_PYTHON=...), or "
                  "this build has sanitizers, which make it no test of speed")  # fmt: skip
            sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([f"{build}/bin/rankine", "synth", f"{folder}/data", "--users", "200",
                        "--items", "90", "--interactions", "4000", "--clusters", "4", "--quiet"],
                       check=True, stdout=subprocess.DEVNULL)  # fmt: skip
        if part == "growth":
            check_growth(build, folder)
        elif part == "ablation":
            check_ablation(build, folder)
        elif part == "implicit":
            check_implicit(build, folder, python)
        elif part == "peers":
            check_peers(build, folder, python)
        elif part == "torch":
            check_torch(build, folder, python)
        else:
            check_rankine(build, folder)
    print("all expectations met")


if __name__ == "__main__":
    main()
