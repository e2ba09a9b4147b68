"""Recommender: the names of implicit and scikit-learn over a model of a sparse matrix.

Users and items are the numbers of rows and columns, as in implicit: code that was written for it
goes on with `fit`, `recommend`, `similar_items` and `user_factors`. As in scikit-learn, options are
arguments of the constructor, which `get_params` and `set_params` know (section__key = value), so
that clone and grid searches work.
"""
from __future__ import annotations

import os
from typing import Any

import numpy as np

from .arrays import Array, whole_number
from .callbacks import Callbacks
from .dataset import Dataset
from .errors import ConfigError
from .model import Model, Run
from .training import train


def _csr(matrix: Any) -> Any:
    from scipy.sparse import csr_matrix, issparse

    if not issparse(matrix):
        matrix = np.asarray(matrix)
        if matrix.ndim != 2:
            raise ValueError(f"a matrix users x items is wanted, this has the shape "
                             f"{matrix.shape}")
    return csr_matrix(matrix)


class Recommender:
    """A model of any kind: ``Recommender("ials", model__dim=64, train__epochs=15)``.

    Everything that fit is given is trained on, unless options hold something out
    (split__test=0.1). With run_dir a run folder is written.
    """

    def __init__(self, kind: str = "lightgcn", *, run_dir: str | os.PathLike[str] | None = None,
                 **options: Any) -> None:
        self.kind, self.run_dir, self.options = kind, run_dir, options
        for name in options:
            if "__" not in name:
                raise TypeError(f"there is no argument {name!r}; options are section__key, as "
                                "train__epochs=5")
        self._model: Model | None = None
        self._shape = (0, 0)

    # ---- scikit-learn ----

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"kind": self.kind, "run_dir": self.run_dir, **self.options}

    def set_params(self, **params: Any) -> Recommender:
        for name, value in params.items():
            if name in ("kind", "run_dir"):
                setattr(self, name, value)
            elif "__" in name:
                self.options[name] = value
            else:
                raise ValueError(f"there is no parameter {name!r}")
        return self

    def fit(self, user_items: Any, y: Any = None, *, force: bool = False,
            callbacks: Callbacks = None) -> Recommender:
        """Trains on a matrix users x items (SciPy sparse, or dense); y is not looked at."""
        matrix = _csr(user_items)
        config: dict[str, Any] = {"model.kind": self.kind}
        if not any(name.startswith("split__") for name in self.options):
            # All of it is train: there is nothing to choose an epoch by.
            config |= {"split.kind": "ratio", "split.order": "random", "split.valid": 0,
                       "split.test": 0, "eval.select": "last"}
        config |= {name.replace("__", ".", 1): value for name, value in self.options.items()}
        data = Dataset.from_csr(matrix, config=config)
        self._model = train(None, self.run_dir, data=data, force=force, callbacks=callbacks)
        self._shape = matrix.shape
        return self

    def score(self, user_items: Any, y: Any = None, *, metric: str = "ndcg@10") -> float:
        """A metric of held-out interactions, a matrix like that of fit; more is better."""
        held = _csr(user_items).tocoo()
        name, _, cutoff = metric.partition("@")
        model = self.model
        users = model.dataset.user_indices(held.row, -1)
        items = model.dataset.item_indices(held.col, -1)
        known = (held.data != 0) & (users >= 0) & (items >= 0)
        if not cutoff.isdigit():
            raise ConfigError(f"the metric {metric!r} has no cut-off: ndcg@10 for example")
        return next(iter(model.evaluate(
            holdout=(held.row[known], held.col[known]), metrics=name,
            k=int(cutoff)).values()))

    # ---- implicit ----

    @property
    def model(self) -> Model:
        if self._model is None:
            raise ConfigError("the recommender has not been fitted: call fit first")
        return self._model

    def recommend(self, userid: Any, user_items: Any = None, N: int = 10,
                  filter_already_liked_items: bool = True, filter_items: Any = None,
                  recalculate_user: bool = False, items: Any = None) -> tuple[Array, Array]:
        """Ids and scores of the N best items: [N] of one user, [users, N] of an array of them.

        user_items: their rows, one a user. With recalculate_user they say who asks, in place of
        what was learnt; else they are only left out, with what the users have in train. Where
        fewer than N are left the id is -1 and the score NaN.
        """
        users = np.atleast_1d(np.asarray(userid))
        rows = None if user_items is None else _csr(user_items)
        if rows is not None and rows.shape[0] != len(users):
            raise ValueError(f"user_items has {rows.shape[0]} rows for {len(users)} users")
        if recalculate_user and rows is None:
            raise ValueError("recalculate_user needs user_items")
        among = None if items is None else np.asarray(items)
        limits: dict[str, Any] = {"among": among, "keep_known": not filter_already_liked_items}
        if rows is None:
            ids, scores = self.model.recommend_many(users, N, exclude=filter_items, **limits)
        else:
            answers = [self._of_row(user, rows[place], N, filter_already_liked_items,
                                    filter_items, recalculate_user, limits)
                       for place, user in enumerate(users)]
            ids = np.array([a[0] for a in answers]).reshape(len(users), -1)
            scores = np.array([a[1] for a in answers]).reshape(len(users), -1)
        return (ids[0], scores[0]) if np.ndim(userid) == 0 else (ids, scores)

    def _of_row(self, user: Any, row: Any, n: int, filters: bool, denied: Any, recalculate: bool,
                limits: dict[str, Any]) -> tuple[Array, Array]:
        known = self.model.dataset.item_indices(row.indices, -1) >= 0
        has, weights = row.indices[known], row.data[known]
        deny = np.concatenate((np.asarray([] if denied is None else denied, np.int64),
                               has if filters else np.empty(0, np.int64)))
        if recalculate:
            found = self.model.recommend(None, n, items=has, weights=weights, exclude=deny,
                                         **limits)
        else:
            found = self.model.recommend(user, n, exclude=deny, **limits)
        n = min(n, len(self.model.item_ids))  # as wide as an answer of recommend_many
        ids, scores = np.full(n, -1, np.int64), np.full(n, np.nan, np.float32)
        for place, one in enumerate(found):
            ids[place], scores[place] = one.item, one.score
        return ids, scores

    def similar_items(self, itemid: Any, N: int = 10, filter_items: Any = None,
                      items: Any = None) -> tuple[Array, Array]:
        """Ids and scores of the N items most like each; an item itself comes first."""
        ids, scores = self.model.similar_many(
            np.atleast_1d(np.asarray(itemid)), N, exclude=filter_items, among=items,
            keep_given=True)
        return (ids[0], scores[0]) if np.ndim(itemid) == 0 else (ids, scores)

    def similar_users(self, userid: int, N: int = 10) -> tuple[Array, Array]:
        """The same of users, by the cosine of their vectors."""
        vectors, data = self.model.user_embeddings, self.model.dataset
        lengths = np.linalg.norm(vectors, axis=1)
        one = vectors[data.user_index(userid)]
        cosines = vectors @ one / np.maximum(lengths * np.linalg.norm(one), 1e-30)
        best = np.argsort(-cosines, kind="stable")[:whole_number(N, "N")]
        return data.user_ids[best], cosines[best]

    def _factors(self, vectors: Array, ids: Array, n: int) -> Array:
        if len(ids) == n:
            return vectors
        out: Array = np.zeros((n, vectors.shape[1]), vectors.dtype)
        out[ids] = vectors
        return out

    @property
    def user_factors(self) -> Array:
        """[rows of the matrix, dim]; zeros for a row without entries."""
        return self._factors(self.model.user_embeddings, self.model.user_ids, self._shape[0])

    @property
    def item_factors(self) -> Array:
        """[columns of the matrix, dim]; zeros for a column without entries."""
        return self._factors(self.model.item_embeddings, self.model.item_ids, self._shape[1])

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Writes the model; rankine.Model opens it, or Recommender.load."""
        self.model.save(path, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recommender:
        model = Run(path) if os.path.isdir(path) else Model(path)
        self = cls(model.kind)
        self._model = model
        self._shape = (int(model.user_ids[-1]) + 1, int(model.item_ids[-1]) + 1)
        return self

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Recommender({self.kind!r}{options})"
