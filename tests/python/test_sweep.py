"""rankine.sweep beside `rankine sweep`: the same trials; interrupts, callbacks, bad spaces."""
import json
import os
import signal

import numpy as np
import pytest
from conftest import OPTIONS, program

import rankine as rk

SPACE = {"model.dim": np.array([4, 8]), "train.learning_rate": {"log": [1e-3, 1e-1]}}


@pytest.fixture(scope="module")
def config(demo):
    return rk.Config(demo / "demo/synth.yaml", OPTIONS)


@pytest.fixture(scope="module")
def swept(demo):
    """The sweep as the program makes it."""
    space = demo / "space.yaml"
    space.write_text("model.dim: [4, 8]\ntrain.learning_rate: {log: [0.001, 0.1]}\n")
    sets = [f"--set={key}={json.dumps(value)}" for key, value in OPTIONS.items()]
    program("sweep", demo / "demo/synth.yaml", "--space", space, "--method", "tpe", "--trials", 4,
            "--run", demo / "swept", "--quiet", *sets)
    return rk.Sweep(demo / "swept")


def results(sweep):
    return [{k: v for k, v in one.items() if k != "seconds"} for one in sweep.trials]


def test_sweep_is_that_of_the_program(demo, config, swept):
    class Hears(rk.Callback):
        trials, losses = [], 0

        def trial(self, trial):
            self.trials.append(trial)

        def scalar(self, name, epoch, value):
            self.losses += name == "train/loss"

    hears = Hears()
    mine = rk.sweep(config, SPACE, demo / "mine-swept", method="tpe", trials=4, callbacks=hears)
    assert results(mine) == results(swept) and len(mine.trials) == 4
    assert mine.best == swept.best and mine.metrics == swept.metrics
    assert mine.best["value"] == max(one["value"] for one in mine.trials)
    assert set(mine.best_options) == set(SPACE)
    assert 0 < mine.metrics["test"]["ndcg@10"] < 1
    assert mine.report["sweep"]["method"] == "tpe"
    assert [one.number for one in hears.trials] == [1, 2, 3, 4]
    assert [one.value for one in hears.trials] == [one["value"] for one in mine.trials]
    assert rk.Run(hears.trials[0].path).history and hears.trials[0].failure is None
    assert hears.losses >= 8
    run = mine.run()
    assert run.settings["model.dim"] == mine.best_options["model.dim"]
    assert run.evaluate("test")["ndcg@10"] == mine.metrics["test"]["ndcg@10"]
    again = rk.train(config.copy(mine.best_options))
    assert again.item_embeddings.shape == run.item_embeddings.shape


def test_data_in_memory_and_the_grid(demo):
    rng = np.random.default_rng(3)
    data = rk.Dataset.from_arrays(rng.integers(0, 40, 900), rng.integers(0, 30, 900))
    sweep = rk.sweep({"train.epochs": 1, "run.device": "cpu"}, {"model.dim": range(2, 5)},
                     demo / "grid", method="grid", data=data, final_seeds=2)
    assert [one["options"] for one in sweep.trials] == [{"model.dim": d} for d in (2, 3, 4)]
    assert all(one["seeds"] == 2 for one in sweep.report["final"])
    assert rk.sweep(space={"model.dim": [2]}, run_dir=demo / "grid", new_dir=True, method="grid",
                    data=data, config={"train.epochs": 1}).path == str(demo / "grid-2")


def test_interrupt_and_resume(demo, config, swept):
    class Press(rk.Callback):
        def trial(self, trial):
            if trial.number == 2:
                os.kill(os.getpid(), signal.SIGINT)

    class Fails(rk.Callback):
        def trial(self, trial):
            raise ZeroDivisionError("mine")

    folder = demo / "cut-sweep"
    with pytest.raises(KeyboardInterrupt):
        rk.sweep(config, SPACE, folder, method="tpe", trials=4, callbacks=Press())
    with pytest.raises(rk.FileError, match="not finished"):
        rk.Sweep(folder)
    with pytest.raises(ZeroDivisionError, match="mine"):
        rk.sweep(run_dir=folder, resume=True, callbacks=Fails())
    with pytest.raises(rk.ConfigError, match="by tpe, not grid"):
        rk.sweep(config, SPACE, folder, method="grid", resume=True)
    assert results(rk.sweep(run_dir=folder, resume=True)) == results(swept)


@pytest.mark.parametrize("space, options, kind, says", [
    ({"model.dimm": [4]}, {}, rk.ConfigError, "model.dim"),
    ({"model.dim": [4, "many"]}, {}, rk.ConfigError, "^space.yaml:1.*model.dim"),
    ({"model.dim": {"log": [0, 4]}}, {}, rk.ConfigError, "^space.yaml:1"),
    ({"model.dim": []}, {}, rk.ConfigError, "model.dim"),
    ({"model.dim": [print]}, {}, TypeError, "model.dim"),
    ({3: [4]}, {}, TypeError, "name of an option"),
    ("nowhere.yaml", {}, rk.ConfigError, "nowhere.yaml"),
    (None, {}, rk.ConfigError, "space"),
    (SPACE, {"method": "bayes"}, ValueError, "grid, random, halving, tpe"),
    (SPACE, {"trials": 0}, ValueError, "from 1 on"),
    (SPACE, {"final_seeds": 1}, rk.ConfigError, "final seeds"),
    (None, {"resume": True, "method": "tpe"}, ValueError, "method needs space"),
])
def test_bad_spaces(tmp_path, config, space, options, kind, says):
    with pytest.raises(kind, match=says):
        rk.sweep(config, space, tmp_path / "bad", **options)
    assert not (tmp_path / "bad" / "trials.jsonl").exists()


def test_a_run_is_no_sweep(demo):
    with pytest.raises(rk.FileError, match="no sweep"):
        rk.Sweep(demo / "cli")
