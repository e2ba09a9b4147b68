"""What people give: ids, sizes and arrays that are wrong, or right and unusual."""
import datetime
import decimal
import os

import numpy as np
import pandas as pd
import pyarrow as pa
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
    (lambda r: rk.Dataset.from_csr(r.dataset.matrix(), user_ids=[7] * 300), ValueError,
     "user_ids has ids twice"),
    (lambda r: rk.Dataset.from_csr(r.dataset.matrix(), item_ids=3), ValueError, "one-dimensional"),
    (lambda r: r.evaluate(metrics=5), TypeError, "names are wanted"),
    (lambda r: rk.Config(5), TypeError, "5 is no config"),
    (lambda r: rk.Run(None), TypeError, "a path is wanted"),
    (lambda r: rk.train({}, 5, data=r.dataset), TypeError, "a path is wanted"),
    (lambda r: rk.train({}, data=pd.DataFrame()), TypeError, "data is a DataFrame"),
    (lambda r: rk.Dataset.from_arrays(None, [1]), TypeError, "this is a NoneType"),
    (lambda r: rk.Dataset.from_arrays({1, 2}, [1, 2]), TypeError, "this is a set"),
    (lambda r: rk.Dataset.from_arrays(np.ma.masked_equal([1, 2], 2), [1, 2]), rk.DataError,
     "1 are masked"),
    (lambda r: rk.Dataset.from_arrays([1], [1], values=np.ma.masked_equal([3], 3)), rk.DataError,
     "1 are masked"),
    (lambda r: rk.Dataset.from_arrays([2**70], [1]), ValueError, "beyond 2"),
    (lambda r: rk.Dataset.from_arrays([b"a"], [b"b"]), TypeError, "S1"),
    (lambda r: rk.Dataset.from_arrays([1], [1], values=[True]), TypeError, "bool"),
    (lambda r: rk.Dataset.from_arrays([1], [1], times=["2020-01-01"]), TypeError, "numbers"),
    (lambda r: rk.Dataset.from_arrays([1], [1], fields=["place"]), TypeError, "a dict"),
    (lambda r: rk.Dataset.from_arrays([], []), rk.DataError, "no interactions"),
    (lambda r: rk.Dataset.from_pandas(pd.DataFrame()), rk.ConfigError, "there is: none"),
    (lambda r: rk.Dataset.from_pandas([[1, 2]]), TypeError, "this is a list"),
    (lambda r: rk.Dataset.from_arrow(pd.DataFrame()), TypeError, "from_pandas"),
    (lambda r: rk.Dataset.from_pandas(pd.DataFrame({"user": [1]}), "user", "user"),
     rk.ConfigError, "same column"),
    (lambda r: rk.Dataset.from_pandas(pd.DataFrame({"user": [1], "item": [2]}), fields="user"),
     TypeError, "a list of columns"),
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


NAMES = {"user": "user_id", "item": "item_id", "time": "timestamp"}
EXACT = [int, "int32", "uint64", ">i4", "Int64", object, "category", "int64[pyarrow]"]


@pytest.mark.parametrize("kind", EXACT, ids=str)
def test_integers_of_any_type(run, frame, kind):
    changed = frame.assign(user_id=frame.user_id.to_numpy().astype(kind) if kind == ">i4" else
                           frame.user_id.astype(kind))
    data = rk.Dataset.from_pandas(changed, **NAMES)
    assert data.fingerprint == run.dataset.fingerprint and data.user_ids.dtype == np.int64
    if kind != ">i4":
        data = rk.Dataset.from_arrays(changed.user_id, frame.item_id, times=frame.timestamp)
        assert data.fingerprint == run.dataset.fingerprint


def test_arrays_of_any_layout(run, frame):
    rows = np.asfortranarray(frame[["user_id", "item_id", "timestamp"]].to_numpy().astype(">i8"))
    twice = np.repeat(rows, 2, axis=0)
    for array in (rows, np.ascontiguousarray(rows), twice[::2], rows[::-1][::-1]):
        data = rk.Dataset.from_arrays(array[:, 0], iter(array[:, 1].tolist()), times=array[:, 2])
        assert data.fingerprint == run.dataset.fingerprint


def test_texts_of_any_type(frame):
    words = frame.assign(user_id="ü " + frame.user_id.astype(str))
    plain = rk.Dataset.from_pandas(words, **NAMES)
    assert plain.user_ids[0].startswith("ü ")
    for kind in (object, "category", "string", "string[pyarrow]"):
        changed = words.assign(user_id=words.user_id.astype(kind))
        assert rk.Dataset.from_pandas(changed, **NAMES).fingerprint == plain.fingerprint
    assert plain.user_index(" ü 7 ") == plain.user_index("ü 7")  # as ids of rows are trimmed


@pytest.mark.parametrize("ids", [
    [1.0, 2.0], [b"a", b"b"], [(1, 2), (3, 4)], [True, False], [decimal.Decimal("1.5")] * 2,
    [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)]], ids=str)
def test_objects_that_are_no_ids(ids):
    for values in (pd.Series(ids, dtype=object), pd.Series(ids).astype("category")):
        with pytest.raises(TypeError, match="ids are integers or texts, these are"):
            rk.Dataset.from_pandas(pd.DataFrame({"user": values, "item": ["a", "b"]}))


def test_times_of_any_type(run, frame):
    moments = pd.to_datetime(frame.timestamp, unit="s")
    aware = moments.dt.tz_localize("UTC")
    there = aware.dt.tz_convert("America/New_York")
    arrow = pd.ArrowDtype(pa.timestamp("us", "UTC"))
    for times in (moments.astype("datetime64[ns]"), there, there.astype("category"),
                  moments.astype("timestamp[us][pyarrow]"), there.astype(arrow),
                  pd.Series(list(moments), dtype=object), pd.Series(list(there), dtype=object),
                  frame.timestamp.astype("Int64"),
                  frame.timestamp.map(lambda one: decimal.Decimal(one))):
        data = rk.Dataset.from_pandas(frame.assign(timestamp=times), **NAMES)
        assert data.fingerprint == run.dataset.fingerprint, times.dtype
    for times in (moments.to_numpy(), [one.to_pydatetime() for one in there],
                  frame.timestamp.astype(object)):
        data = rk.Dataset.from_arrays(frame.user_id, frame.item_id, times=times)
        assert data.fingerprint == run.dataset.fingerprint
    for times in (moments.astype(str), moments.dt.to_period("D"), frame.timestamp > 0):
        with pytest.raises(rk.DataError, match="neither dates nor numbers"):
            rk.Dataset.from_pandas(frame.assign(timestamp=times), **NAMES)


@pytest.mark.parametrize("kind", [object, "category", "Int64", "string", "int64[pyarrow]"])
def test_missing_ids(kind):
    values = pd.Series(["1", None, "3"] if kind == "string" else [1, None, 3],
                       dtype="str" if kind == "string" else "Int64")
    frame = pd.DataFrame({"user": values.astype(kind), "item": [1, 2, 3]})
    with pytest.raises(rk.DataError, match="dropna"):
        rk.Dataset.from_pandas(frame)
    if kind in (object, "category", "string"):
        data = rk.Dataset.from_pandas(frame, config={"data.missing_ids": "drop"})
        assert data.user_ids.tolist() == ["1", "3"]


def test_columns_of_arrow(run, frame):
    moments = pa.array(frame.timestamp * 10**9 + 1, pa.timestamp("ns"))  # a nanosecond beyond
    rows = {"user_id": pa.array(frame.user_id).dictionary_encode(),
            "item_id": pa.array(frame.item_id, pa.uint16()), "timestamp": moments}
    assert rk.Dataset.from_arrow(pa.table(rows), **NAMES).fingerprint == run.dataset.fingerprint
    assert rk.Dataset.from_arrow(pa.record_batch(rows), **NAMES).fingerprint == \
        run.dataset.fingerprint
    absent = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None]))
    with pytest.raises(rk.DataError, match="1 are missing"):
        rk.Dataset.from_arrow(pa.table({"user": absent, "item": ["b", "c"]}))
    with pytest.raises(rk.DataError, match="column 'item' are null"):
        rk.Dataset.from_arrow(pa.table({"user": ["a", "b"], "item": pa.array([1, None])}))


def test_fields_that_are_dates():
    days = np.array(["2020-01-01", "2020-01-02"] * 3, "datetime64[ns]")
    users, items = [0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, 0]
    same = [rk.Dataset.from_arrays(users, items, fields={"day": column}).fingerprint
            for column in (days, days.astype(str))]
    assert same[0] == same[1]


def test_matrices_of_any_kind(run):
    from scipy import sparse
    matrix = run.dataset.matrix()
    matrix[0, 0] = 3
    fingerprint = rk.Dataset.from_csr(matrix).fingerprint
    twice = sparse.coo_matrix(matrix)
    twice = sparse.coo_matrix((np.append(twice.data - (twice.data == 3), 1),
                               (np.append(twice.row, 0), np.append(twice.col, 0))), matrix.shape)
    assert twice.nnz == matrix.nnz + 1
    for one in (matrix.tocsc(), matrix.tolil(), sparse.csr_array(matrix), matrix.astype(np.int8),
                twice):
        assert rk.Dataset.from_csr(one).fingerprint == fingerprint
    assert twice.nnz == matrix.nnz + 1 and matrix[0, 0] == 3
