"""Evaluations beside the usual one: other cut-offs, some users, each user's values, slices."""
from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _abi
from ._library import Owner, calls, check, compute, encoded
from .arrays import Array, pointer, real_numbers, whole_number
from .callbacks import Callbacks, watched
from .dataset import Id, part_number

if TYPE_CHECKING:
    from .model import Model


class Evaluation(dict[str, float]):
    """Metrics by name, ``e["ndcg@10"]``, and what else was asked for."""

    users: int  # averaged over
    seconds: float
    per_user: dict[str, Array] | None  # with each: user, held_out, and a column a metric
    slices: list[dict[str, Any]] | None  # with slices: of users, then of items
    ratings: dict[str, dict[str, float]] | None  # errors, of a model that predicts ratings


def _copied(address: Any, count: int, dtype: Any) -> Array:
    if count == 0:
        return np.empty(0, dtype)
    return np.ctypeslib.as_array(address, (count,)).astype(dtype)


def _names(words: str | Sequence[str] | None) -> bytes | None:
    if words is None:
        return None
    if not isinstance(words, str):
        if not isinstance(words, Iterable) or not all(isinstance(one, str) for one in words):
            raise TypeError(f"metrics is {words!r}; names are wanted: \"recall,ndcg\" or a list")
        words = ",".join(words)
    return encoded(words, "metrics")


def _holdout(model: Model, pairs: tuple[Any, ...]) -> Owner:
    library, data = compute(), model.dataset
    if len(pairs) not in (2, 3):
        raise ValueError("holdout: (users, items) or (users, items, ratings) are wanted")
    users = data.user_indices(pairs[0]).astype(np.int32)
    items = data.item_indices(pairs[1]).astype(np.int32)
    if len(users) != len(items):
        raise ValueError(f"holdout: there are {len(users)} users but {len(items)} items")
    out = ctypes.c_void_p()
    if len(pairs) == 2:
        check(library.rk_holdout_from_pairs(model._handle, users.ctypes.data, items.ctypes.data,
                                            len(users), ctypes.byref(out)))
    else:
        ratings = real_numbers(pairs[2], "ratings", len(users), np.float32)
        check(library.rk_holdout_from_ratings(model._handle, users.ctypes.data, items.ctypes.data,
                                              ratings.ctypes.data, len(users), ctypes.byref(out)))
    return Owner(out.value, library.rk_holdout_free)


def _read(raw: Any, model: Model) -> Evaluation:
    n = raw.metrics.count
    names = [raw.metrics.values[i].name.decode() for i in range(n)]
    out = Evaluation((name, float(raw.metrics.values[i].value)) for i, name in enumerate(names))
    out.users, out.seconds = int(raw.metrics.users), float(raw.metrics.seconds)
    out.per_user = out.slices = out.ratings = None
    if raw.users:
        values = _copied(raw.values, out.users * n, np.float64).reshape(out.users, n)
        out.per_user = {"user": model.user_ids[_copied(raw.users, out.users, np.int64)],
                        "held_out": _copied(raw.held_out, out.users, np.int64),
                        **{name: values[:, i].copy() for i, name in enumerate(names)}}
    if raw.n_slices:
        out.slices = [{"of": "items" if s.of_items else "users", "first": s.first, "last": s.last,
                       "users": s.users, "pairs": s.pairs,
                       **{name: float(s.values[i]) for i, name in enumerate(names)}}
                      for s in (raw.slices[i] for i in range(raw.n_slices))]
    if raw.ratings.pairs:
        errors = [calls().rk_rating_error_name(i).decode() for i in range(_abi.RATING_ERRORS)]
        out.ratings = {who: dict(zip(errors, getattr(raw.ratings, who)))
                       for who in ("model", "global_mean", "item_mean", "biases")}
    return out


def evaluate(model: Model, part: str = "test", *, metrics: str | Sequence[str] | None = None,
             k: int | Sequence[int] | None = None, users: Iterable[Id] | None = None,
             holdout: tuple[Any, ...] | None = None, popularity: bool = False,
             each: bool = False, slices: bool = False,
             callbacks: Callbacks = None) -> Evaluation:
    """Ranks all items for the users of "valid" or "test" and counts.

    metrics, k: None = the config's. users: they alone. holdout: (users, items) that happened since,
    or with ratings, in place of the part. popularity: the ranking by popularity instead of the
    model's. each: every user's values; slices: by activity of users and popularity of items.
    """
    library = compute()
    options = library.rk_evaluate_defaults()
    options.part, options.popularity = part_number(part), popularity
    options.each, options.slices = each, slices
    options.metrics = _names(metrics)
    cutoffs = who = held = None
    if k is not None:
        given = [k] if np.ndim(k) == 0 else list(k)  # type: ignore[arg-type]
        cutoffs = np.array([whole_number(one, "k") for one in given], np.int64)
        options.k, options.n_k = pointer(cutoffs, ctypes.c_int64), len(cutoffs)
    if users is not None:
        who = model.dataset.user_indices(users).astype(np.int32)
        options.users, options.n_users = pointer(who, ctypes.c_int32), len(who)
    if holdout is not None:
        held = _holdout(model, holdout)
        options.holdout = held.handle
    raw = _abi.Evaluation()
    try:
        watched(callbacks, library.rk_evaluate, model._handle, ctypes.byref(options), ...,
                ctypes.byref(raw))
        return _read(raw, model)
    finally:
        library.rk_evaluation_free(ctypes.byref(raw))
