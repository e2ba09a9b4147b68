"""What outlives what: pickles and copies, a run whose folder goes, files that are damaged."""
import copy
import pickle
import shutil

import numpy as np
import pytest

import rankine as rk


def again(thing):
    return pickle.loads(pickle.dumps(thing))


def test_pickles(run, frame, tmp_path):
    best = run.recommend_many(run.user_ids, 5)
    opened = again(run)
    assert type(opened) is rk.Run and opened.path == run.path
    run.save(tmp_path / "model.h5")
    model = rk.Model(tmp_path / "model.h5")
    data = pickle.dumps(model)
    (tmp_path / "model.h5").unlink()  # all of it is in the pickle
    for one in (opened, pickle.loads(data)):
        ids, scores = one.recommend_many(run.user_ids, 5)
        assert np.array_equal(ids, best[0]) and np.array_equal(scores, best[1])
    assert copy.copy(model) is model and copy.deepcopy(model) is model
    assert again(run.dataset).fingerprint == run.dataset.fingerprint
    held = again(run.evaluate("test", each=True))
    assert held == run.evaluate("test") and len(held.per_user["user"]) == held.users
    assert again(run.recommend(7, 3)) == run.recommend(7, 3)


def test_pickles_of_configs_and_recommenders(run, frame):
    config = rk.Config(run.path + "/config.yaml", {"model.dim": 4})
    other = again(config)
    other["model.dim"] = 16
    assert (config["model.dim"], other["model.dim"]) == (4, 16)
    assert again(config).text() == config.text() == copy.deepcopy(config).text()
    data = rk.Dataset.from_arrays(frame.user_id, frame.item_id)
    with pytest.raises(TypeError, match="made in memory cannot be pickled"):
        pickle.dumps(data)
    fitted = rk.Recommender("ease", run__device="cpu").fit(data.matrix())
    assert again(fitted).recommend(7, N=5)[0].tolist() == fitted.recommend(7, N=5)[0].tolist()


def test_the_folder_goes(demo, run, tmp_path):
    shutil.copytree(demo / "cli", tmp_path / "gone")
    gone = rk.Run(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    assert gone.recommend(7, 5) == run.recommend(7, 5)
    assert np.array_equal(gone.item_embeddings, run.item_embeddings)
    assert gone.evaluate("test") == run.evaluate("test")
    for ask in (lambda: gone.report, lambda: gone.metrics, lambda: gone.history,
                lambda: rk.Run(gone.path), lambda: pickle.loads(pickle.dumps(gone))):
        with pytest.raises(rk.FileError, match="gone"):
            ask()


def test_damaged_files(demo, tmp_path):
    shutil.copytree(demo / "cli", tmp_path / "run")
    run, history = rk.Run(tmp_path / "run"), tmp_path / "run/metrics.jsonl"
    (tmp_path / "run/report.json").write_bytes(b'{"test": \xff')
    with pytest.raises(rk.DataError, match="report.json is damaged"):
        run.report
    with history.open("a") as file:
        file.write('{"epoch": 3')  # as of a run that writes just now
    assert [one["epoch"] for one in run.history] == [1, 2]
    with history.open("a") as file:
        file.write("}}\n")
    with pytest.raises(rk.DataError, match="metrics.jsonl:3 is damaged"):
        run.history


def test_two_runs_at_once(demo, run):
    other = rk.train(rk.Config(demo / "demo/synth.yaml", {
        "train.epochs": 1, "model.dim": 4, "run.device": "cpu", "run.seed": 9}))
    mine, theirs = run.recommend(7, 5), other.recommend(7, 5)
    assert run.recommend(7, 5) == mine != theirs == other.recommend(7, 5)
    assert (run.item_embeddings.shape[1], other.item_embeddings.shape[1]) == (8, 4)
