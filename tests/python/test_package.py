"""The package beside the program: the same numbers, memory that lives, interrupts, threads."""
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import OPTIONS, program

import rankine as rk


def test_training_is_that_of_the_program(demo, run):
    mine = rk.train(rk.Config(demo / "demo/synth.yaml", OPTIONS), demo / "mine")
    assert mine.metrics["test"]["ndcg@10"] == run.metrics["test"]["ndcg@10"]
    assert [e["loss"] for e in mine.history] == [e["loss"] for e in run.history]
    for name, tensor in run.tensors.items():
        assert np.array_equal(tensor, mine.tensors[name])


def test_answers_are_those_of_the_program(demo, run):
    said = json.loads(program("recommend", demo / "cli", "--user", 7, "--top", 5, "--json"))
    best = run.recommend(7, 5)
    rows = said[0]["recommendations"]
    assert len(rows) == 5 and said[0]["user"] == 7
    for theirs, one in zip(rows, best):
        assert (theirs["item"], theirs["label"]) == (one.item, one.label)
        assert np.float32(theirs["score"]) == np.float32(one.score)
    ids, scores = run.recommend_many(run.user_ids, 5)
    assert ids[run.dataset.user_index(7)].tolist() == [one.item for one in best]
    assert np.array_equal(run.score(run.user_ids, ids[:, 0]), scores[:, 0])
    theirs = json.loads(program("evaluate", demo / "cli", "--json"))
    assert theirs["metrics"] == dict(run.evaluate("test"))
    assert run.evaluate("test")["ndcg@10"] == run.metrics["test"]["ndcg@10"]
    each = run.evaluate("test", each=True)
    assert each.per_user["ndcg@10"].mean() == pytest.approx(each["ndcg@10"], rel=1e-12)


def test_every_source_gives_the_same_data_set(demo, run, frame, tmp_path):
    names = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    fingerprint = run.dataset.fingerprint
    assert rk.Dataset.from_pandas(frame, **names).fingerprint == fingerprint
    dated = frame.assign(timestamp=pd.to_datetime(frame.timestamp, unit="s", utc=True))
    assert rk.Dataset.from_pandas(dated, **names).fingerprint == fingerprint
    table = pa.Table.from_pandas(dated)
    assert rk.Dataset.from_arrow(table, **names).fingerprint == fingerprint
    pq.write_table(table, tmp_path / "rows.parquet")
    assert rk.Dataset.from_parquet(tmp_path / "rows.parquet", **names).fingerprint == fingerprint
    words = frame.assign(user_id="u" + frame.user_id.astype(str))
    texts = rk.Dataset.from_pandas(words, **names)
    assert texts.user_ids.tolist() == sorted(set(words.user_id))
    assert texts.user_index("u7") == texts.user_ids.tolist().index("u7")
    arrow = rk.Dataset.from_arrow(pa.Table.from_pandas(words), **names)
    assert arrow.fingerprint == texts.fingerprint
    everything = {"split.kind": "ratio", "split.order": "random", "split.valid": 0,
                  "split.test": 0}
    whole = rk.Dataset.from_pandas(frame, "user_id", "item_id", config=everything)
    again = rk.Dataset.from_csr(whole.matrix(), user_ids=whole.user_ids,
                                item_ids=whole.item_ids, config=everything)
    assert again.fingerprint == whole.fingerprint


def test_views_outlive_the_run(demo):
    run = rk.Run(demo / "cli")
    items, ids, whole = run.item_embeddings, run.item_ids, run.tensors["final"]
    assert items.base is not None and not items.flags.owndata
    assert np.shares_memory(items, whole)
    with pytest.raises(ValueError):
        items[0, 0] = 1
    expected = items.copy()
    del run, whole
    gc.collect()
    rk.Run(demo / "cli").recommend(1)
    assert np.array_equal(items, expected) and ids[0] >= 0


def test_threads_get_the_same(run):
    expected, found = run.recommend_many(run.user_ids, 5)[0], [None] * 4

    def ask(place):
        found[place] = run.recommend_many(run.user_ids, 5)[0]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, expected) for one in found)


def test_interrupt_and_resume(demo):
    class Press(rk.Callback):
        def scalar(self, name, epoch, value):
            if name == "train/loss" and epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    config = rk.Config(demo / "demo/synth.yaml", OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        rk.train(config, demo / "cut", callbacks=Press())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = rk.train(None, demo / "cut", resume=True)
    assert np.array_equal(resumed.item_embeddings, rk.Run(demo / "cli").item_embeddings)


def test_callbacks(demo, caplog):
    class Fails(rk.Callback):
        def scalar(self, name, epoch, value):
            raise ZeroDivisionError("mine")

    class Stops(rk.Callback):
        def should_stop(self):
            return True

    class Counts(rk.Callback):
        def __init__(self):
            self.seen = {}

        def scalar(self, name, epoch, value):
            self.seen[name, epoch] = value

    config, counts = rk.Config(demo / "demo/synth.yaml", OPTIONS), Counts()
    with pytest.raises(ZeroDivisionError, match="mine"):
        rk.train(config, demo / "fails", callbacks=Fails())
    with pytest.raises(rk.Interrupted):
        rk.train(config, callbacks=[counts, Stops()])
    with caplog.at_level(logging.INFO, "rankine"):
        model = rk.train(config, callbacks=counts)
    assert caplog.records and type(model) is rk.Model
    history = rk.Run(demo / "cli").history
    assert counts.seen["train/loss", 1] == history[0]["loss"]
    with pytest.raises(TypeError, match="rankine.Callback"):
        rk.train(config, callbacks=print)


def test_configs_of_recbole(tmp_path, monkeypatch, caplog, frame):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dataset/films").mkdir(parents=True)
    rows = frame.rename(columns={"user_id": "user_id:token", "item_id": "item_id:token"})
    rows.iloc[:, :2].to_csv("dataset/films/films.inter", sep="\t", index=False)
    path = tmp_path / "bole.yaml"
    path.write_text("model: BPR\ndataset: films\nepochs: 2\ntopk: 5\nvalid_metric: NDCG@5\n"
                    "embedding_size: 8\nshrink: 3\n")
    with caplog.at_level(logging.WARNING, logger="rankine"):
        config = rk.Config.from_recbole(path, {"run.device": "cpu"})
    assert config["model.kind"] == "mf" and config["train.batch"] == 2048
    assert config.origin("model.dim").endswith("bole.yaml:6") and config["run.device"] == "cpu"
    assert any("bole.yaml:7: shrink: passed over" in note for note in config.notes)
    assert [record.getMessage() for record in caplog.records] == list(config.notes)
    assert repr(config).startswith("Config.from_recbole(")
    other = config.copy({"model.dim": 4})
    assert (other["model.dim"], other["model.kind"], config["model.dim"]) == (4, "mf", 8)
    run = rk.train(config, tmp_path / "mine")
    program("train", "--recbole", path, "--run", tmp_path / "cli", "--device", "cpu", "--quiet")
    theirs = rk.Run(tmp_path / "cli").metrics["test"]
    assert run.metrics["test"] == {**theirs, "seconds": run.metrics["test"]["seconds"]}
    path.write_text("model: NGCF\ndataset: films\n")
    with pytest.raises(rk.ConfigError, match="bole.yaml:1: the model NGCF is not the same"):
        rk.Config.from_recbole(path)
    with pytest.raises(rk.RankineError, match="nosuch"):
        rk.Config.from_recbole(tmp_path / "nosuch.yaml")


def test_recommender(frame):
    from scipy.sparse import csr_matrix
    matrix = csr_matrix((np.ones(len(frame)), (frame.user_id, frame.item_id)))
    matrix.data[:] = 1
    model = rk.Recommender("ials", model__dim=8, train__epochs=2).fit(matrix)
    ids, scores = model.recommend(7, matrix[7], N=5)
    assert len(ids) == 5 and not set(ids) & set(matrix[7].indices)
    many, _ = model.recommend([7, 8], N=5)
    assert many.shape == (2, 5) and many[0].tolist() == ids.tolist()
    assert model.similar_items(3, N=4)[0][0] == 3
    assert model.user_factors.shape == (matrix.shape[0], 8)
    assert not model.user_factors[0].any()  # ids count from 1: row 0 is empty
    assert model.recommend(7, matrix[7], N=3, recalculate_user=True)[0].shape == (3,)
    assert model.get_params()["model__dim"] == 8
    assert model.set_params(model__dim=4).fit(matrix).item_factors.shape[1] == 4
    best = model.recommend(7, N=1)[0][0]
    held = csr_matrix(([1.0], ([7], [best])), shape=matrix.shape)
    assert model.score(held) == 1  # what is ranked first is the one held out
    with pytest.raises(TypeError, match="an integer or a text"):
        model.recommend(7.5, matrix[7])


def test_forked_children_are_refused(demo):
    code = f"""
import os, rankine as rk
run = rk.Run({str(demo / 'cli')!r})
run.recommend(1)
child = os.fork()
if child == 0:
    try:
        run.recommend(1)
    except rk.ForkError as error:
        os._exit(7 if "forkserver" in str(error) else 8)
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(run.recommend(1, 3)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          timeout=60)
    assert done.stdout.split() == ["7", "3"], done.stderr


def test_a_library_of_another_version(tmp_path):
    """One that says the right number of the interface, but is older than a function of it."""
    from rankine import _abi
    code = tmp_path / "old.c"
    functions = [name for name in _abi.SIGNATURES if name != "rk_sweep"]
    for number, names, says in ((_abi.ABI_VERSION, functions, "lacks rk_sweep: take library"),
                                (_abi.ABI_VERSION + 1, functions, "interface number"),
                                (None, [], "interface number 0")):
        own = "" if number is None else f"int rk_abi_version(void) {{ return {number}; }}\n"
        code.write_text(own + "".join(f"void {name}(void) {{}}\n" for name in names
                                      if name != "rk_abi_version"))
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", tmp_path / "old.so",
                        code], check=True)
        done = subprocess.run([sys.executable, "-c", "import rankine"], capture_output=True,
                              text=True, env={**os.environ,
                                              "RANKINE_LIBRARY": str(tmp_path / "old.so")})
        last = done.stderr.strip().splitlines()[-1]
        assert done.returncode == 1 and last.startswith("ImportError: ") and says in last, last


def test_environment_is_put_back():
    code = "import os; before = dict(os.environ); import rankine; assert before == os.environ"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_types():
    mypy = pytest.importorskip("mypy.api")
    if "site-packages" in rk.__file__:  # beside what is installed mypy takes all for the caller's
        pytest.skip("types are checked in the source tree")
    source = os.path.join(os.environ["RANKINE_SOURCE"], "pyproject.toml")
    out, errors, status = mypy.run(["--config-file", source, "--cache-dir",
                                    os.path.join(os.environ["RANKINE_BINARY"], "mypy"),
                                    os.path.dirname(rk.__file__)])
    assert status == 0, out + errors
