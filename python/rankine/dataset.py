"""Dataset: interactions, split, ids; from a config's sources or from what Python has in memory."""
from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from . import _abi
from ._library import Owner, calls, check, compute, encoded, failure
from .arrays import Array, column_of, decoded, view, whole_number
from .callbacks import Callbacks, created
from .columns import Columns, named_columns, of_arrow, of_pandas, pick
from .config import Config, ConfigLike, as_config
from .errors import DataError

Id = Union[int, str]
PARTS = ("train", "valid", "test", "given")


def part_number(part: str) -> int:
    if part not in PARTS:
        raise ValueError(f"there is no part {part!r}; there is: {', '.join(PARTS)}")
    return PARTS.index(part)


def _plain(structure: ctypes.Structure) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in structure._fields_:
        value = getattr(structure, field[0])
        if isinstance(value, ctypes.Structure):
            value = _plain(value)
        elif isinstance(value, ctypes.Array):
            value = list(value)
        out[field[0]] = value
    return out


class Dataset:
    """A prepared data set. Nothing changes it, and any number of threads may read it.

    `config` is that of one that was made in memory, None of others.

    The constructor takes a config and prepares what its sources say (or reads it from data.cache).
    The other ways in are the classmethods; in all of them `config` has the options (split, filters
    ...), and what it does not say follows from the data: data.ids from the type of the ids, and a
    split by shares, by time where there are times, unless `part` says the part of each row.
    """

    config: Config | None = None

    def __init__(self, config: ConfigLike, *, force: bool = False,
                 callbacks: Callbacks = None) -> None:
        library = compute()
        settings = as_config(config)
        self._owner = created(callbacks, library.rk_dataset_free, library.rk_dataset_prepare,
                              settings._handle, force, ...)

    @classmethod
    def _of(cls, owner: Owner) -> Dataset:
        self = cls.__new__(cls)
        self._owner = owner
        return self

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Dataset:
        """Opens a prepared file (data.h5 of a run folder, a file of data.cache)."""
        library, out = compute(), ctypes.c_void_p()
        check(library.rk_dataset_open(encoded(path, "the path"), ctypes.byref(out)))
        return cls._of(Owner(out.value, library.rk_dataset_free))

    @classmethod
    def _from(cls, columns: Columns, callbacks: Callbacks) -> Dataset:
        library = compute()
        self = cls._of(created(
            callbacks, library.rk_dataset_free, library.rk_dataset_from_columns,
            columns.config._handle, ctypes.byref(columns.raw), ...))
        self.config = columns.config
        return self

    @classmethod
    def from_arrays(cls, users: Any, items: Any, *, times: Any = None, values: Any = None,
                    parts: Any = None, fields: dict[str, Any] | None = None,
                    config: ConfigLike | None = None, callbacks: Callbacks = None) -> Dataset:
        """Of arrays, a row each: integer ids from 0 on or texts; times as numbers or datetime64."""
        return cls._from(Columns(as_config(config), users, items, times=times, values=values,
                                 parts=parts, fields=fields), callbacks)

    @classmethod
    def from_pandas(cls, frame: Any, user: str = "user", item: str = "item", *,
                    time: str | None = None, value: str | None = None, part: str | None = None,
                    fields: Sequence[str] = (), config: ConfigLike | None = None,
                    callbacks: Callbacks = None) -> Dataset:
        """Of a pandas DataFrame, whose columns the other arguments name."""
        if not hasattr(frame, "iloc"):
            raise TypeError(f"a pandas DataFrame is wanted, this is a {type(frame).__name__}; "
                            "from_arrow takes tables of Arrow, and to_arrow() of Polars")
        names = list(frame.columns)

        def read(name: str, what: str) -> Any:
            series = frame[pick(names, name, what)]
            return series.astype(object).to_numpy() if what == "part" and \
                series.dtype.kind not in "iu" else of_pandas(series)

        return cls._from(named_columns(as_config(config), read, user, item, time, value, part,
                                       fields), callbacks)

    @classmethod
    def from_arrow(cls, table: Any, user: str = "user", item: str = "item", *,
                   time: str | None = None, value: str | None = None, part: str | None = None,
                   fields: Sequence[str] = (), config: ConfigLike | None = None,
                   callbacks: Callbacks = None) -> Dataset:
        """Of a pyarrow Table (or record batch), whose columns the other arguments name."""
        if not hasattr(table, "schema") or not hasattr(table, "column"):
            raise TypeError(f"a pyarrow Table is wanted, this is a {type(table).__name__}; "
                            "from_pandas takes DataFrames")
        names = list(table.schema.names)

        def read(name: str, what: str) -> Any:
            found = table.column(pick(names, name, what))
            return np.array(found.to_pylist()) if what == "part" else of_arrow(found, name)

        return cls._from(named_columns(as_config(config), read, user, item, time, value, part,
                                       fields), callbacks)

    @classmethod
    def from_parquet(cls, path: Any, user: str = "user", item: str = "item",
                     **options: Any) -> Dataset:
        """Of a Parquet file or a folder of them, read by pyarrow; otherwise as from_arrow."""
        import pyarrow.parquet as pq

        wanted = [user, item, *(options.get(name) for name in ("time", "value", "part")),
                  *options.get("fields", ())]
        names = list(pq.ParquetDataset(path).schema.names)
        read = [name for name in dict.fromkeys(wanted) if name in names]
        return cls.from_arrow(pq.read_table(path, columns=read or None), user, item, **options)

    @classmethod
    def from_csr(cls, matrix: Any, *, user_ids: Any = None, item_ids: Any = None,
                 values: bool | None = None, config: ConfigLike | None = None,
                 callbacks: Callbacks = None) -> Dataset:
        """Of a SciPy sparse matrix, users x items; its stored zeros say nothing, and entries of
        one place are added up, as SciPy does.

        Ids are the numbers of rows and columns, or those given. values: whether the entries are
        ratings or counts; None = if they are not all 1.
        """
        if not hasattr(matrix, "tocoo"):
            raise TypeError(f"a SciPy sparse matrix is wanted, this is a "
                            f"{type(matrix).__name__}: scipy.sparse.csr_matrix makes one")
        if matrix.ndim != 2:
            raise ValueError(f"a matrix users x items is wanted, this has the shape {matrix.shape}")
        sparse = matrix.tocsr()
        if not sparse.has_canonical_format:
            sparse = sparse.copy()  # which is ours to change
            sparse.sum_duplicates()
        sparse = sparse.tocoo()
        users, items, entries = sparse.row, sparse.col, np.asarray(sparse.data)
        if entries.dtype.kind not in "biuf":
            raise TypeError(f"the entries of the matrix are {entries.dtype}; numbers are wanted")
        kept = entries != 0
        users, items, entries = users[kept], items[kept], entries[kept]
        names: list[Any] = [user_ids, item_ids]
        for many, side in enumerate(("user_ids", "item_ids")):
            if names[many] is None:
                continue
            ids = names[many] = column_of(names[many], side)
            if len(ids) != matrix.shape[many]:
                raise ValueError(f"{side} has {len(ids)} ids, the matrix {matrix.shape[many]} "
                                 f"{('rows', 'columns')[many]}")
            if len(set(ids.tolist())) != len(ids):
                raise ValueError(f"{side} has ids twice: one of each {('row', 'column')[many]}")
        if values is None:
            values = bool((entries != 1).any())
        return cls.from_arrays(
            users if names[0] is None else names[0][users],
            items if names[1] is None else names[1][items],
            values=entries.astype(np.float64) if values else None, config=config,
            callbacks=callbacks)

    # ---- what it is ----

    @property
    def _handle(self) -> ctypes.c_void_p:
        return self._owner.handle

    @property
    def name(self) -> str:
        return str(calls().rk_dataset_name(self._handle).decode())

    @property
    def path(self) -> str:
        """Of its file; "" for one that was made in memory."""
        return str(calls().rk_dataset_path(self._handle).decode())

    @property
    def fingerprint(self) -> str:
        return str(calls().rk_dataset_fingerprint(self._handle).decode())

    @cached_property
    def stats(self) -> dict[str, Any]:
        """Counts of it and of what was dropped, as in rk_dataset_stats."""
        return _plain(calls().rk_dataset_get_stats(self._handle).contents)

    @property
    def n_users(self) -> int:
        return int(self.stats["users"])

    @property
    def n_items(self) -> int:
        return int(self.stats["items"])

    def _ids(self, function: Any) -> Array:
        ids = function(self._handle)
        if ids.numbers:
            return view(ctypes.cast(ids.numbers, ctypes.c_void_p).value, np.int64, (ids.n,),
                        self._owner)
        return decoded(ids.texts, ids.n)

    @cached_property
    def user_ids(self) -> Array:
        """Original ids by dense index, ascending: int64 (a view), or str."""
        return self._ids(calls().rk_dataset_user_ids)

    @cached_property
    def item_ids(self) -> Array:
        return self._ids(calls().rk_dataset_item_ids)

    def label(self, index: int) -> str:
        """The label of an item by its dense index, "" if it has none."""
        if whole_number(index, "the index of an item", 0) >= self.n_items:
            raise IndexError(f"there is no item {index}: indices end at {self.n_items - 1}")
        return str(calls().rk_dataset_item_label(self._handle, index).decode("utf-8", "replace"))

    def matrix(self, part: str = "train") -> Any:
        """The pairs of a part as a SciPy CSR matrix of ones, users x items by dense indices."""
        from scipy.sparse import csr_matrix

        offsets, items = ctypes.POINTER(ctypes.c_int64)(), ctypes.POINTER(ctypes.c_int32)()
        check(calls().rk_dataset_lists(self._handle, part_number(part), ctypes.byref(offsets),
                                       ctypes.byref(items)))
        shape = (self.n_users, self.n_items)
        if not offsets:
            return csr_matrix(shape, dtype=np.float32)
        starts = view(ctypes.cast(offsets, ctypes.c_void_p).value, np.int64, (shape[0] + 1,),
                      self._owner)
        n = int(starts[-1])
        columns = view(ctypes.cast(items, ctypes.c_void_p).value, np.int32, (n,), self._owner)
        return csr_matrix((np.ones(n, np.float32), columns.copy(), starts.copy()), shape)

    # ---- indices of ids ----

    def user_index(self, user: Id) -> int:
        """The dense index of an original id; DataError, naming it, if there is none."""
        return self._find(user, "user")

    def item_index(self, item: Id) -> int:
        return self._find(item, "item")

    def user_indices(self, users: Iterable[Id], missing: int | None = None) -> \
            npt.NDArray[np.int64]:
        """The dense indices of ids; for one that is not there `missing`, or DataError."""
        return self._find_all(users, "user", missing)

    def item_indices(self, items: Iterable[Id], missing: int | None = None) -> \
            npt.NDArray[np.int64]:
        return self._find_all(items, "item", missing)

    def _find(self, name: Any, kind: str) -> int:
        if isinstance(name, (bool, float, np.floating, np.bool_)) or not isinstance(
                name, (int, str, np.integer)):
            raise TypeError(f"{kind} {name!r}: an id is an integer or a text, this is a "
                            f"{type(name).__name__}")
        out = ctypes.c_int64()
        function = getattr(calls(), f"rk_dataset_find_{kind}")
        text = str(name)
        status = function(self._handle, encoded(text, f"the id of the {kind}"), ctypes.byref(out))
        if status != 0 and text != text.strip():  # as the ids of rows were trimmed
            error = failure(status)
            if function(self._handle, encoded(text.strip(), kind), ctypes.byref(out)) != 0:
                raise error
            return out.value
        check(status)
        return out.value

    def _find_all(self, names: Iterable[Id], kind: str, missing: int | None) -> \
            npt.NDArray[np.int64]:
        if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
            raise TypeError(f"a list of {kind} ids is wanted, this is {names!r}")
        if not isinstance(names, (np.ndarray, list, tuple)):
            names = names.to_numpy() if hasattr(names, "to_numpy") else list(names)
        ids = self.user_ids if kind == "user" else self.item_ids
        array = np.asarray(names) if len(names) else np.empty(0, np.int64)
        if array.ndim != 1:
            raise ValueError(f"a one-dimensional array of {kind} ids is wanted, this has the "
                             f"shape {array.shape}")
        if array.dtype.kind in "iu" and ids.dtype.kind == "i":
            # int64 beside uint64 is compared as floats, which would take an id for its neighbour;
            # what is beyond int64 becomes negative, as no id is.
            array = array.astype(np.int64, copy=False)
            places = np.minimum(np.searchsorted(ids, array), len(ids) - 1)
            lost = ids[places] != array
            if lost.any():
                if missing is None:
                    self._find(np.asarray(names)[lost][0], kind)  # says so
                places = np.where(lost, -1 if missing is None else missing, places)
            return places.astype(np.int64)
        found = np.empty(len(names), np.int64)
        for row, name in enumerate(names):
            try:
                found[row] = self._find(name, kind)
            except DataError:
                if missing is None:
                    raise
                found[row] = missing
        return found

    def __copy__(self) -> Dataset:
        return self  # nothing changes it

    def __deepcopy__(self, memo: Any) -> Dataset:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.path:
            raise TypeError("a data set that was made in memory cannot be pickled: "
                            "hand over its rows, or a run, which has it")
        return Dataset.open, (os.path.abspath(self.path),)

    def __repr__(self) -> str:
        return (f"<rankine.Dataset {self.name!r}: {self.n_users:,} users, {self.n_items:,} items, "
                f"{self.stats['interactions']:,} interactions>")
