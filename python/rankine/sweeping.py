"""sweep: many trainings, the best of them by the valid part; Sweep: what came of it."""
from __future__ import annotations

import ctypes
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal, Union

from . import _abi
from ._library import calls, compute, encoded
from .arrays import whole_number
from .callbacks import Callbacks, Watch
from .config import Config, ConfigLike
from .dataset import Dataset
from .errors import FileError
from .files import read_json
from .model import Run
from .training import config_of

Space = Union[Mapping[str, Any], str, "os.PathLike[str]"]
Method = Literal["grid", "random", "halving", "tpe"]


class Sweep:
    """A finished sweep folder: ``Sweep("runs/tuned")``, or what rankine.sweep returns."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        if not isinstance(self.report.get("sweep"), dict):
            raise FileError(f"{self.path} is no sweep; rankine.Run opens a run")

    @cached_property
    def report(self) -> dict[str, Any]:
        """report.json: sweep, options, trials, best, final, test, popularity."""
        name = os.path.join(self.path, "report.json")
        if not os.path.exists(name):
            raise FileError(f"{name} is not there: the sweep has not finished, or none is there; "
                            "rankine.sweep(run_dir=..., resume=True) goes on")
        return read_json(name)

    @property
    def trials(self) -> list[dict[str, Any]]:
        """A dict a trial: trial, state, value, epochs, seconds, options ... (docs/formats.md)."""
        return list(self.report["trials"])

    @property
    def best(self) -> dict[str, Any]:
        """The chosen trial: trial, value, run, options."""
        return dict(self.report["best"])

    @property
    def best_options(self) -> dict[str, Any]:
        """Its options of the space: ``rk.train(config.copy(sweep.best_options), ...)``."""
        return dict(self.best["options"])

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Of the chosen trial on test, as Run.metrics."""
        return {"test": dict(self.report.get("test") or {})}

    def run(self, **options: Any) -> Run:
        """The run of the chosen trial; options as of Run."""
        return Run(os.path.join(self.path, "best"), **options)

    def __repr__(self) -> str:
        facts, best = self.report["sweep"], self.best
        return (f"<rankine.Sweep {facts['method']}: {facts['trials']} trials, trial "
                f"{best['trial']} has {facts['metric']} {best['value']:.5g}>")


def _plain(key: str, value: Any) -> str:
    """A value of a space as YAML; ranges and NumPy's arrays are lists."""
    if isinstance(value, range):
        value = list(value)

    def convert(one: Any) -> Any:
        if hasattr(one, "tolist"):
            return one.tolist()
        raise TypeError(f"{one!r} in the space of {key} is neither number, text, list nor dict")

    return json.dumps(value, ensure_ascii=False, default=convert)


@contextmanager
def _file_of(space: Space | None) -> Iterator[bytes | None]:
    """The space as a file that the library reads; that of a dict goes again."""
    if space is None or not isinstance(space, Mapping):
        yield None if space is None else encoded(space, "the space")
        return
    for key in space:
        if not isinstance(key, str):
            raise TypeError(f"{key!r} is no name of an option")
    with tempfile.TemporaryDirectory(prefix="rankine-") as folder:
        path = os.path.join(folder, "space.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(key)}: {_plain(key, value)}\n"
                            for key, value in space.items())
        yield encoded(path, "the space")


def sweep(config: ConfigLike | None = None, space: Space | None = None,
          run_dir: str | os.PathLike[str] = "", *, method: Method | None = None,
          trials: int | None = None, seed: int | None = None, final_seeds: int = 0,
          data: Dataset | None = None, resume: bool = False, new_dir: bool = False,
          callbacks: Callbacks = None) -> Sweep:
    """Trains a model for many combinations of options and tests the best by eval.metric on valid.

    space: a dict of options with their values, ``{"model.dim": [16, 32], "train.learning_rate":
    {"log": [1e-4, 1e-2]}}``, a YAML file of the same, or RecBole's hyper.test. method: "random"
    unless said, "grid", "halving" (many for few epochs, the best for more), "tpe" (drawn where good
    trials were). trials: 20 unless said, of a grid all. final_seeds: the best 3 are trained again
    with so many other seeds, and the best mean decides. Every trial is a run folder in run_dir.

    Ctrl-C raises KeyboardInterrupt; ``sweep(run_dir=..., resume=True)`` goes on, with the same
    trials and bits as if nothing had been (of a data set in memory: with the same data).
    Callback.trial hears of each trial. Errors are raised before anything is trained.
    """
    library = compute()
    trials = 0 if trials is None else whole_number(trials, "trials")
    seed = -1 if seed is None else whole_number(seed, "seed", 0)
    final_seeds = whole_number(final_seeds, "final_seeds", 0)
    if resume and space is None and method is not None:
        raise ValueError("method needs space: without one a sweep goes on as it was begun")
    settings: Config = config_of(config, run_dir, data, resume)
    options = library.rk_sweep_defaults()
    options.run_dir = encoded(run_dir, "run_dir")
    options.new_dir, options.resume, options.final_seeds = new_dir, resume, final_seeds
    if method is not None:
        options.method = _methods().index(_known(method))
    options.trials, options.seed = trials, seed
    options.dataset = None if data is None else data._handle
    taken: list[str] = []
    begun = _abi.BegunCallback(
        lambda user, folder, dataset: taken.append(os.fsdecode(folder)) if folder else None)
    options.begun = begun
    with _file_of(space) as path, Watch(callbacks) as watch:
        options.space, options.trial = path, watch.trial
        watch.run(library.rk_sweep, settings._handle, ctypes.byref(options), ...)
    return Sweep(taken[0] if taken else run_dir)


def _methods() -> list[str]:
    return [calls().rk_sweep_method_name(i).decode() for i in range(len(_abi.SWEEP_METHODS))]


def _known(method: str) -> str:
    if method not in _methods():
        raise ValueError(f"there is no method {method!r}; {', '.join(_methods())} are there")
    return method
