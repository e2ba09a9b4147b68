"""What people give: ids, sizes and arrays that are wrong, or right and unusual."""
import os

import numpy as np
import pandas as pd
import pytest

import rankine as rk


@pytest.mark.parametrize("call, kind, says", [
    (lambda r: r.recommend(99999), rk.DataError, "99999"),
    (lambda r: r.recommend_many([1, 99999]), rk.DataError, "99999"),
    (lambda r: r.recommend_many([[1]]), ValueError, "one-dimensional"),
    (lambda r: r.recommend_many("17"), TypeError, "a list of user ids"),
    (lambda r: r.recommend_many(17), TypeError, "a list of user ids"),
    (lambda r: r.recommend_many(None), TypeError, "a list of user ids"),
    (lambda r: r.recommend(1.5), TypeError, "an integer or a text"),
    (lambda r: r.recommend(1, min_score=np.nan), ValueError, "NaN"),
    (lambda r: r.recommend(1, min_score="1"), TypeError, "a number is wanted"),
    (lambda r: r.dataset.label(-1), ValueError, "from 0 on"),
    (lambda r: r.dataset.label(r.dataset.n_items), IndexError, "indices end at"),
    (lambda r: r.evaluate(k=10**9), rk.ConfigError, "eval.k holds 1000000000"),
    (lambda r: r.evaluate(k=[]), rk.ConfigError, "empty"),
    (lambda r: r.recommend(1, items=[1]), ValueError, "not both"),
    (lambda r: r.recommend(items=[1], weights=[1, 2]), ValueError, "1 numbers"),
    (lambda r: r.recommend(items=[1], weights=[-1]), rk.ConfigError, "weight"),
    (lambda r: r.score([1, 2], [1, 2, 3]), ValueError, "2 users but 3 items"),
    (lambda r: r.evaluate("tests"), ValueError, "train, valid, test"),
    (lambda r: r.evaluate(metrics="recal"), rk.ConfigError, "recal"),
    (lambda r: r.evaluate(k=[0]), ValueError, "from 1 on"),
    (lambda r: r.tensors["nothing"], KeyError, "embedding"),
    (lambda r: r.save(r.path + "/report.json"), rk.ConfigError, "already"),
    (lambda r: rk.Run("nowhere"), rk.FileError, "nowhere"),
    (lambda r: rk.Config({"train.epoch": 1}), rk.ConfigError, "train.epochs"),
    (lambda r: rk.Config({"train.epochs": None}), TypeError, "None"),
    (lambda r: rk.train({}), rk.RankineError, "source"),
    (lambda r: rk.Dataset.from_arrays([1.5], [1]), TypeError, "float64"),
    (lambda r: rk.Dataset.from_arrays([1, 2], [1]), ValueError, "2 users but 1 items"),
    (lambda r: rk.Dataset.from_arrays([-1], [1]), rk.DataError, "row 0"),
    (lambda r: rk.Dataset.from_arrays([1], [1], times=[np.nan]), rk.DataError, "not finite"),
    (lambda r: rk.Dataset.from_arrays([1], [1], times=[[1]]), ValueError, "shape"),
    (lambda r: rk.Dataset.from_arrays(["a", None], ["b", "c"]), rk.DataError, "row 1"),
    (lambda r: rk.Dataset.from_arrays(["a\0b"], ["b"]), rk.DataError, "zero byte"),
    (lambda r: rk.Dataset.from_arrays([1], [1], parts=["train2"]), rk.DataError, "train2"),
    (lambda r: rk.Dataset.from_pandas(pd.DataFrame({"users": [1], "item": [1]})),
     rk.ConfigError, "did you mean user='users'"),
    (lambda r: rk.Dataset.from_pandas(pd.DataFrame([[1, 1, 1]], columns=["user", "user", "item"])),
     rk.ConfigError, "2 columns 'user'"),
    (lambda r: rk.Dataset.from_pandas(pd.DataFrame({"user": [1], "item": [1], "liked": [True]}),
                                      value="liked"), TypeError, "truth values"),
    (lambda r: rk.Dataset.from_csr(np.ones((2, 2))), TypeError, "sparse matrix"),
])
def test_bad_input(run, call, kind, says):
    with pytest.raises(kind, match=says):
        call(run)


def test_ids_beyond_what_a_float_holds():
    first = 2**53  # NumPy compares int64 and uint64 as floats, for which 2^53 + 1 is 2^53
    users = np.repeat(np.arange(first, first + 6, dtype=np.uint64), 5)
    items = np.tile(np.arange(5), 6)
    data = rk.Dataset.from_arrays(users, items)
    many = np.arange(first, first + 6, dtype=np.uint64)
    assert data.user_indices(many).tolist() == [0, 1, 2, 3, 4, 5]
    lost = np.array([first + 1, first + 6, 2**64 - 1], np.uint64)
    assert data.user_indices(lost, -1).tolist() == [1, -1, -1]
    with pytest.raises(rk.DataError, match=str(first + 6)):
        data.user_indices(lost)


def test_nobody_is_asked_for(run):
    ids, scores = run.recommend_many([], 3)
    assert ids.shape == scores.shape == (0, 3)


@pytest.mark.parametrize("size, kind, says", [
    (0, ValueError, "from 1 on"), (-1, ValueError, "from 1 on"), (2**64 + 1, ValueError, "64 bits"),
    (True, TypeError, "is True"), (3.0, TypeError, "is 3.0"), ("3", TypeError, "is '3'"),
    (np.float64(3), TypeError, "3.0"), (np.bool_(True), TypeError, "True"),
])
def test_sizes_that_are_none(run, tmp_path, size, kind, says):
    model = rk.Recommender.load(run.path)
    for call in (lambda: run.recommend(1, size), lambda: run.recommend_many([1], size),
                 lambda: run.similar(1, size), lambda: run.similar_many([1], size),
                 lambda: run.explain(1, 7, size), lambda: run.evaluate(k=[1, size]),
                 lambda: model.recommend(1, N=size), lambda: model.similar_items(1, N=size),
                 lambda: model.similar_users(1, N=size),
                 lambda: rk.train_seeds(run.settings, tmp_path / "s", size),
                 lambda: rk.sweep(run.settings, {"model.dim": [4]}, tmp_path / "s", trials=size),
                 lambda: rk.sweep(run.settings, {"model.dim": [4]}, tmp_path / "s",
                                  final_seeds=size or -1)):
        with pytest.raises(kind, match=says.replace("from 1", "from [01]")):
            call()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("many", [10**9, np.int64(2**63 - 1), np.uint64(10**9)])
def test_more_than_there_are_items(run, frame, many):
    n = run.dataset.n_items  # and no room is made for more
    ids, scores = run.recommend_many([7, 8], many)
    best = [one.item for one in run.recommend(7, many)]
    assert ids.shape == scores.shape == (2, n) and 0 < len(best) < n
    assert ids[0].tolist() == best + [-1] * (n - len(best))
    assert np.isnan(scores[0, len(best):]).all() and not np.isnan(scores[0, :len(best)]).any()
    near, _ = run.similar_many([3], many)
    assert near.shape == (1, n) and len(run.similar(3, many)) == np.count_nonzero(near >= 0)
    assert run.explain(best[0], 7, many).reasons
    from scipy.sparse import csr_matrix
    model = rk.Recommender.load(run.path)
    none = csr_matrix((2, int(frame.item_id.max()) + 1))
    for rows in (None, none):
        assert model.recommend([7, 8], rows, N=many)[0].tolist() == ids.tolist()
