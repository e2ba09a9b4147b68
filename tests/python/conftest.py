"""A small data set, and a run that the program `rankine` has trained on it."""
import os
import signal
import subprocess

import pytest

import rankine as rk

# What a shell starts in the background ignores it, and interrupts are tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

PROGRAM = os.environ.get("RANKINE", "rankine")
OPTIONS = {"train.epochs": 2, "model.dim": 8, "eval.k": [10], "eval.metric": "ndcg@10",
           "run.device": "cpu"}


def program(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True,
                          text=True).stdout


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    program("synth", folder / "demo", "--users", 300, "--items", 120, "--interactions", 6000)
    sets = [f"--set={key}={value}" for key, value in OPTIONS.items()]
    program("train", folder / "demo/synth.yaml", "--run", folder / "cli", "--quiet", *sets)
    return folder


@pytest.fixture(scope="session")
def run(demo):
    return rk.Run(demo / "cli")


@pytest.fixture(scope="session")
def frame(demo):
    """The rows that the run has read."""
    import pandas  # which make test-torch does without

    rows = pandas.read_csv(demo / "demo/ratings.csv")
    return rows[rows.rating >= 3].reset_index(drop=True)
