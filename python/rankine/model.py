"""Model and Run: what a trained model knows and answers, by original ids."""
from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from . import _abi
from ._library import Owner, calls, check, compute, encoded, take_text
from .arrays import Array, pointer, real_numbers, view, whole_number
from .callbacks import Callbacks, created
from .config import Config
from .dataset import Dataset, Id
from .errors import ConfigError
from .evaluation import Evaluation, evaluate
from .files import read_json, read_json_lines

_DTYPES = (np.float32, np.int32, np.int64)
_ANSWER = np.dtype([("item", np.int32), ("score", np.float32)])
_REASON = np.dtype([("item", np.int32), ("part", np.float32)])
_SEEN = sum(1 << part for part in range(len(_abi.PARTS)))
_FORMATS = ("npy", "tsv", "safetensors", "inter", "npz")


class Recommendation(NamedTuple):
    item: Id
    score: float
    label: str


class Reason(NamedTuple):
    item: Id
    part: float  # what it adds to the score
    label: str


class Explanation(NamedTuple):
    reasons: list[Reason]
    total: float
    is_exact: bool  # the score is the sum of all parts, to rounding


class Selection:
    """Which items may be in an answer, as rk_selection with the arrays that it points to."""

    def __init__(self, data: Dataset, exclude: Iterable[Id] | None, among: Iterable[Id] | None,
                 keep_known: bool, min_score: float | None) -> None:
        self.raw = compute().rk_selection_defaults()
        self._deny = self._items(data, exclude)
        self._allow = self._items(data, among)
        if keep_known:
            self.raw.seen, self.raw.keep_given = 0, True
        if self._deny is not None:
            self.raw.deny, self.raw.n_deny = pointer(self._deny, ctypes.c_int32), len(self._deny)
        if self._allow is not None:
            if len(self._allow) == 0:
                raise ValueError("among: there are no items to choose from")
            self.raw.allow = pointer(self._allow, ctypes.c_int32)
            self.raw.n_allow = len(self._allow)
        if min_score is not None:
            self.raw.has_min_score, self.raw.min_score = True, _threshold(min_score)

    @staticmethod
    def _items(data: Dataset, items: Iterable[Id] | None) -> Array | None:
        return None if items is None else data.item_indices(items).astype(np.int32)


def _threshold(score: Any) -> float:
    is_number = isinstance(score, (int, float, np.integer, np.floating))
    if not is_number or isinstance(score, bool):
        raise TypeError(f"min_score is {score!r}; a number is wanted")
    if score != score:
        raise ValueError("min_score is NaN, with which no score can be compared")
    return float(score)


class Tensors(Mapping[str, Array]):
    """The tensors of a model by name; a value is a view, or a copy of what a GPU holds."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getitem__(self, name: str) -> Array:
        info = _abi.TensorInfo()
        try:
            check(calls().rk_model_find_tensor(self._model._handle, encoded(name, "the name"),
                                               ctypes.byref(info)))
        except ConfigError as error:
            raise KeyError(str(error)) from None
        return self._model._tensor(info)

    def __iter__(self) -> Iterator[str]:
        info = _abi.TensorInfo()
        for number in range(len(self)):
            check(calls().rk_model_tensor_info(self._model._handle, number, ctypes.byref(info)))
            yield info.name.decode()

    def __len__(self) -> int:
        return int(self._model._facts.tensors)


class Model:
    """A trained model. Any number of threads may ask one; it is answered one after the other."""

    def __init__(self, path: str | os.PathLike[str], *, device: str | None = None,
                 data_root: str | os.PathLike[str] | None = None,
                 callbacks: Callbacks = None) -> None:
        """Opens a run folder, or a file of `save`. device: "auto", "cpu", "cuda", "cuda:1"."""
        library = compute()
        self._owner = created(
            callbacks, library.rk_model_free, library.rk_model_open, encoded(path, "the path"),
            None if device is None else encoded(device, "the device"),
            None if data_root is None else encoded(data_root, "data_root"), ...)

    # ---- what it is ----

    @property
    def _handle(self) -> ctypes.c_void_p:
        return self._owner.handle

    @cached_property
    def _facts(self) -> Any:
        return calls().rk_model_get_facts(self._handle)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What rk_model_facts says: kind, epoch, users, items, folds_in, finds_similar ..."""
        return {field[0]: value.decode() if isinstance(value, bytes) else value
                for field in self._facts._fields_
                for value in [getattr(self._facts, field[0])]}

    @property
    def kind(self) -> str:
        return str(self.facts["kind"])

    @cached_property
    def dataset(self) -> Dataset:
        """What it was trained on; it keeps the model alive."""
        handle = calls().rk_model_dataset(self._handle)
        return Dataset._of(Owner(handle, None, (self._owner,)))

    @property
    def config(self) -> str:
        """Its whole configuration as YAML."""
        handle = ctypes.c_void_p(calls().rk_model_config(self._handle))
        return take_text(lambda out: calls().rk_config_text(handle, False, out))

    @property
    def user_ids(self) -> Array:
        return self.dataset.user_ids

    @property
    def item_ids(self) -> Array:
        return self.dataset.item_ids

    # ---- what it has learnt ----

    @property
    def tensors(self) -> Tensors:
        return Tensors(self)

    def _tensor(self, info: _abi.TensorInfo) -> Array:
        out, shape = ctypes.c_void_p(), (int(info.rows), int(info.cols))
        check(compute().rk_model_view_tensor(self._handle, info.name, ctypes.byref(out)))
        if out.value:
            return view(out.value, _DTYPES[info.type], shape, self._owner)
        values: Array = np.empty(shape, _DTYPES[info.type])
        check(compute().rk_model_read_tensor(self._handle, info.name, 0, shape[0],
                                             values.ctypes.data, values.nbytes))
        values.flags.writeable = False
        return values

    @cached_property
    def _embeddings(self) -> Array:
        info = _abi.TensorInfo()
        check(calls().rk_model_embeddings(self._handle, ctypes.byref(info)))
        return self._tensor(info)

    @property
    def user_embeddings(self) -> Array:
        """float32 [users, dim], read-only, by dense index; scores are dot products with items'.

        A view of the library's memory without a copy, which keeps the model alive (on a GPU: one
        copy). ConfigError for a model that has no such vectors.
        """
        return self._embeddings[:self._facts.users]

    @property
    def item_embeddings(self) -> Array:
        """float32 [items, dim], likewise."""
        users = self._facts.users
        return self._embeddings[users:users + self._facts.items]

    # ---- queries ----

    def _context(self, context: Mapping[str, str] | None) -> Array | None:
        library, n = compute(), int(compute().rk_model_n_fields(self._handle))
        given = dict(context or {})
        values: Array = np.empty(n, np.int32)
        for place in range(n):
            field = library.rk_model_field(self._handle, place)
            name = library.rk_dataset_field_name(self.dataset._handle, field).decode()
            out = ctypes.c_int64()
            check(library.rk_dataset_find_value(
                self.dataset._handle, field, encoded(str(given.pop(name, "")), name),
                ctypes.byref(out)))
            values[place] = out.value
        if given:
            raise ConfigError(f"the model reads no field {next(iter(given))!r}")
        return values if n else None

    def _query(self, user: Id | None, items: Iterable[Id] | None, weights: Any,
               context: Mapping[str, str] | None) -> tuple[Any, tuple[Any, ...]]:
        """rk_query, and what it points to."""
        if user is not None and items is not None:
            raise ValueError("say a user or items, not both")
        if weights is not None and items is None:
            raise ValueError("weights are those of items, and there are no items")
        query = _abi.Query(user=-1 if user is None else self.dataset.user_index(user))
        indices = factors = None
        if items is not None:
            indices = self.dataset.item_indices(items).astype(np.int32)
            query.items, query.n_items = pointer(indices, ctypes.c_int32), len(indices)
        if weights is not None and indices is not None:
            factors = real_numbers(weights, "weights", len(indices), np.float32)
            query.weights = pointer(factors, ctypes.c_float)
        values = self._context(context)
        if values is not None:
            query.context, query.n_context = pointer(values, ctypes.c_int32), len(values)
        return query, (indices, factors, values)

    def _queries(self, users: Array, context: Mapping[str, str] | None) -> \
            tuple[Any, Any]:
        queries = (_abi.Query * len(users))()
        values = self._context(context)
        if values is None:
            # A user is the first member, and all others are zero already.
            members = ctypes.sizeof(_abi.Query) // 8
            rows = np.frombuffer(memoryview(queries).cast("B"), np.int64).reshape(-1, members)
            rows[:, 0] = users
        else:
            for query, user in zip(queries, users):
                query.user, query.n_context = int(user), len(values)
                query.context = pointer(values, ctypes.c_int32)
        return queries, values

    # ---- answers ----

    def _width(self, n: int, what: str = "n") -> int:
        """How many answers are made room for: no more than there are items."""
        return min(whole_number(n, what), int(self._facts.items))

    def recommend(self, user: Id | None = None, n: int = 10, *,
                  items: Iterable[Id] | None = None, weights: Sequence[float] | None = None,
                  exclude: Iterable[Id] | None = None, among: Iterable[Id] | None = None,
                  keep_known: bool = False, min_score: float | None = None,
                  context: Mapping[str, str] | None = None) -> list[Recommendation]:
        """The n best items for a user, or for somebody who is known by `items` only.

        What they have already is left out unless keep_known. Items without train interactions are
        in no answer, so there may be fewer than n. Without user and items: what is popular.
        """
        query, kept = self._query(user, items, weights, context)
        selection = Selection(self.dataset, exclude, among, keep_known, min_score)
        out: Array = np.empty(self._width(n), _ANSWER)
        check(compute().rk_model_top_k(self._handle, ctypes.byref(query), 1,
                                       ctypes.byref(selection.raw), len(out), out.ctypes.data))
        del kept
        return self._named(out)

    def recommend_many(self, users: Iterable[Id], n: int = 10, *,
                       exclude: Iterable[Id] | None = None, among: Iterable[Id] | None = None,
                       keep_known: bool = False, min_score: float | None = None,
                       context: Mapping[str, str] | None = None,
                       unknown: str = "raise") -> tuple[Array, Array]:
        """The n best items for each of many users: ids and scores, both [users, n], or
        [users, items] where n is more than there are items.

        Where fewer are left, the id is -1 (integer ids) or None, and the score NaN. A user who is
        not in the data set is DataError, or with unknown="popularity" gets what is popular. Much
        faster than one by one.
        """
        if unknown not in ("raise", "popularity"):
            raise ValueError(f'unknown is {unknown!r}; "raise" and "popularity" are there')
        indices = self.dataset.user_indices(users, None if unknown == "raise" else -1)
        queries, kept = self._queries(indices, context)
        selection = Selection(self.dataset, exclude, among, keep_known, min_score)
        out: Array = np.empty((len(indices), self._width(n)), _ANSWER)
        check(compute().rk_model_top_k(self._handle, queries, len(indices),
                                       ctypes.byref(selection.raw), out.shape[1],
                                       out.ctypes.data))
        del kept
        return self._ids_and_scores(out)

    def similar(self, item: Id, n: int = 10, *, exclude: Iterable[Id] | None = None,
                among: Iterable[Id] | None = None) -> list[Recommendation]:
        """The n items that are most like another."""
        return self._named(self._similar([item], n, exclude, among, False)[0])

    def similar_many(self, items: Iterable[Id], n: int = 10, *,
                     exclude: Iterable[Id] | None = None, among: Iterable[Id] | None = None,
                     keep_given: bool = False) -> tuple[Array, Array]:
        """The same of many items: ids and scores, [items asked about, n], as of recommend_many.

        keep_given: an item may be in its own answer.
        """
        return self._ids_and_scores(self._similar(items, n, exclude, among, keep_given))

    def _similar(self, items: Iterable[Id], n: int, exclude: Iterable[Id] | None,
                 among: Iterable[Id] | None, keep_given: bool) -> Array:
        indices = self.dataset.item_indices(items).astype(np.int32)
        selection = Selection(self.dataset, exclude, among, False, None)
        selection.raw.keep_given = keep_given
        out: Array = np.empty((len(indices), self._width(n)), _ANSWER)
        check(compute().rk_model_similar(self._handle, indices.ctypes.data, len(indices),
                                         ctypes.byref(selection.raw), out.shape[1],
                                         out.ctypes.data))
        return out

    def score(self, users: Iterable[Id], items: Iterable[Id]) -> Array:
        """The scores of pairs, float32 [n]: of users[i] and items[i]; one user or item will do
        for all of them. An item without train interactions scores -inf."""
        one = [[side] if isinstance(side, (str, int, np.integer)) else side
               for side in (users, items)]
        u, i = self.dataset.user_indices(one[0]), self.dataset.item_indices(one[1])
        try:
            u, i = (np.ascontiguousarray(side) for side in np.broadcast_arrays(u, i))
        except ValueError:
            raise ValueError(f"there are {len(u)} users but {len(i)} items: one of each a pair"
                             ) from None
        rows = i.astype(np.int32)
        scores: Array = np.empty(len(u), np.float32)
        check(compute().rk_model_score_pairs(self._handle, u.ctypes.data, rows.ctypes.data,
                                             len(u), scores.ctypes.data))
        return scores

    def explain(self, item: Id, user: Id | None = None, k: int = 5, *,
                items: Iterable[Id] | None = None, weights: Sequence[float] | None = None,
                context: Mapping[str, str] | None = None) -> Explanation:
        """Why an item is recommended: the k items of the user that add most to its score."""
        query, kept = self._query(user, items, weights, context)
        index = np.array([self.dataset.item_index(item)], np.int32)
        reasons: Array = np.empty(self._width(k, "k"), _REASON)
        out = _abi.Explanation()
        check(compute().rk_model_explain(self._handle, ctypes.byref(query), index.ctypes.data, 1,
                                         len(reasons), reasons.ctypes.data, ctypes.byref(out)))
        del kept
        return Explanation([Reason(*one) for one in self._name(reasons)], out.sum, out.is_exact)

    def basis(self, user: Id | None = None, *, items: Iterable[Id] | None = None) -> str:
        """What answers come from: "model", "items" or "popularity"."""
        query, kept = self._query(user, items, None, None)
        out = _abi.Grounds()
        check(compute().rk_model_grounds(self._handle, ctypes.byref(query), ctypes.byref(out)))
        del kept
        return str(calls().rk_basis_name(out.basis).decode())

    def _name(self, answers: Array) -> Iterator[tuple[Id, float, str]]:
        ids = self.item_ids
        for item, number in answers.tolist():
            if item >= 0:
                name = ids[item]
                yield (name if isinstance(name, str) else int(name), number,
                       self.dataset.label(item))

    def _named(self, answers: Array) -> list[Recommendation]:
        return [Recommendation(*one) for one in self._name(answers)]

    def _ids_and_scores(self, answers: Array) -> tuple[Array, Array]:
        index, ids = answers["item"], self.item_ids
        none = index < 0
        names = ids[np.where(none, 0, index)]
        names[none] = -1 if ids.dtype.kind == "i" else None
        return names, np.where(none, np.float32(np.nan), answers["score"])

    # ---- evaluating, saving ----

    def evaluate(self, part: str = "test", **options: Any) -> Evaluation:
        """Metrics of a full ranking: ``run.evaluate("test", metrics="recall,ndcg", k=[10, 20])``.

        rankine.evaluation.evaluate has the options.
        """
        return evaluate(self, part, **options)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Writes one file that rankine.Model opens on any machine."""
        check(compute().rk_model_save(self._handle, encoded(path, "the path"), force))

    def export(self, directory: str | os.PathLike[str], format: str = "npy", *,
               force: bool = False) -> list[str]:
        """Writes embeddings or tensors (npy, tsv, safetensors) or the interactions (inter, npz).

        The names of the files, each with its shape.
        """
        if format not in _FORMATS:
            raise ValueError(f"there is no format {format!r}; there is: {', '.join(_FORMATS)}")
        library = compute()
        return take_text(lambda out: library.rk_model_export(
            self._handle, _FORMATS.index(format), encoded(directory, "the folder"), force,
            out)).splitlines()

    def __copy__(self) -> Model:
        return self  # nothing changes it

    def __deepcopy__(self, memo: Any) -> Model:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds what `save` writes, and is opened on the device that its config says."""
        with tempfile.TemporaryDirectory(prefix="rankine-") as folder:
            path = os.path.join(folder, "model.h5")
            self.save(path)
            with open(path, "rb") as file:
                return Model._of_bytes, (file.read(),)

    @staticmethod
    def _of_bytes(data: bytes) -> Model:
        with tempfile.TemporaryDirectory(prefix="rankine-") as folder:
            path = os.path.join(folder, "model.h5")
            with open(path, "wb") as file:
                file.write(data)
            return Model(path)

    def __repr__(self) -> str:
        return (f"<rankine.{type(self).__name__} {self.kind}: {self._facts.users:,} users, "
                f"{self._facts.items:,} items, epoch {self._facts.epoch}>")


class Run(Model):
    """A run folder: the model of its chosen checkpoint, its report, the course of its training."""

    def __init__(self, path: str | os.PathLike[str], *, device: str | None = None,
                 data_root: str | os.PathLike[str] | None = None,
                 callbacks: Callbacks = None) -> None:
        super().__init__(path, device=device, data_root=data_root, callbacks=callbacks)
        self.path = os.fspath(path)

    @classmethod
    def _of(cls, owner: Owner, path: str) -> Run:
        self = cls.__new__(cls)
        self._owner, self.path = owner, path
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds the folder's path; what is there is opened again."""
        return Run, (os.path.abspath(self.path),)

    @cached_property
    def report(self) -> dict[str, Any]:
        """report.json: metrics, audit, timing, memory, data set, environment ..."""
        return read_json(os.path.join(self.path, "report.json"))

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """What the report says of the model by part: ``run.metrics["test"]["ndcg@10"]``."""
        return {part: self.report[part] for part in ("valid", "test")
                if isinstance(self.report.get(part), dict)}

    @property
    def history(self) -> list[dict[str, Any]]:
        """metrics.jsonl: a dict for each epoch."""
        return read_json_lines(os.path.join(self.path, "metrics.jsonl"))

    @property
    def settings(self) -> Config:
        """Its configuration as a Config, to train again with other options."""
        return Config(os.path.join(self.path, "config.yaml"))
