"""train and train_seeds: from a config to a run."""
from __future__ import annotations

import ctypes
import os
from typing import Any, Literal, overload

from . import _abi
from ._library import compute, encoded
from .arrays import whole_number
from .callbacks import Callbacks, created, watched
from .config import Config, ConfigLike, as_config
from .dataset import Dataset
from .errors import ConfigError
from .model import Model, Run

_NEW_IDS = ("drawn", "folded")


def _options(run_dir: Any, data: Dataset | None, resume: bool, force: bool) -> Any:
    options = compute().rk_train_defaults()
    options.run_dir = None if run_dir is None else encoded(run_dir, "the run folder")
    options.dataset = None if data is None else data._handle
    options.resume, options.force = resume, force
    return options


def config_of(config: ConfigLike | None, run_dir: Any, data: Dataset | None,
              resume: bool) -> Config:
    """The config; of a run that is resumed its own; that of a data set for what is not said."""
    if data is not None and not isinstance(data, Dataset):
        raise TypeError(f"data is a {type(data).__name__}; a Dataset is wanted, which "
                        "Dataset.from_pandas, from_arrow, from_csr and from_arrays make")
    if config is None and resume and run_dir is not None:
        return Config(os.path.join(os.fspath(run_dir), "config.yaml"))
    made_of = None if data is None else data.config
    if config is None and made_of is None:
        raise ConfigError("there is no config: give one, or a data set that was made with one")
    if made_of is None or isinstance(config, Config):
        return as_config(config)
    if config is None:
        return Config(made_of)
    if isinstance(config, (str, os.PathLike)):
        return Config(config)
    return Config(made_of, config)


@overload
def train(config: ConfigLike | None, run_dir: str | os.PathLike[str], *, data: Dataset | None = ...,
          resume: bool = ..., force: bool = ..., new_dir: bool = ...,
          start: str | os.PathLike[str] | None = ..., new_ids: Literal["drawn", "folded"] = ...,
          callbacks: Callbacks = ...) -> Run: ...


@overload
def train(config: ConfigLike | None = ..., run_dir: None = ..., *, data: Dataset | None = ...,
          resume: bool = ..., force: bool = ..., new_dir: bool = ...,
          start: str | os.PathLike[str] | None = ..., new_ids: Literal["drawn", "folded"] = ...,
          callbacks: Callbacks = ...) -> Model: ...


def train(config: ConfigLike | None = None, run_dir: str | os.PathLike[str] | None = None, *,
          data: Dataset | None = None, resume: bool = False, force: bool = False,
          new_dir: bool = False, start: str | os.PathLike[str] | None = None,
          new_ids: Literal["drawn", "folded"] = "drawn", callbacks: Callbacks = None) -> Model:
    """Trains a model, chooses its epoch, evaluates it, and opens it.

    With run_dir everything is written there, as `rankine train` does, and a Run comes back;
    without, a Model in memory. `data` is a Dataset; without one the config's sources are read. A
    dict as config is set on top of the options that the data set was made with. resume: go on from
    last.h5, bit for bit as if never stopped (config None = that of the run). force: replace a run
    that is there. new_dir: if it is there, take run_dir-2 and so on. start: a run or a saved model
    whose parameters training begins with.

    Ctrl-C writes a checkpoint and raises KeyboardInterrupt. A callback that raises stops the
    training likewise, and its exception is raised.
    """
    library = compute()
    settings = config_of(config, run_dir, data, resume)
    options = _options(run_dir, data, resume, force)
    if new_ids not in _NEW_IDS:
        raise ValueError(f'new_ids is {new_ids!r}; "drawn" and "folded" are there')
    taken: list[str] = []
    begun = _abi.BegunCallback(
        lambda user, folder, dataset: taken.append(os.fsdecode(folder)) if folder else None)
    options.new_dir, options.begun = new_dir, begun
    options.new_ids = _NEW_IDS.index(new_ids)
    if start is not None:
        setattr(options, "from", encoded(start, "start"))
    owner = created(callbacks, library.rk_model_free, library.rk_model_fit, settings._handle,
                    ctypes.byref(options), ..., needs=() if data is None else (data._owner,))
    if run_dir is None:
        model = Model.__new__(Model)
        model._owner = owner
        return model
    return Run._of(owner, taken[0] if taken else os.fspath(run_dir))


def train_seeds(config: ConfigLike | None, run_dir: str | os.PathLike[str], n: int, *,
                data: Dataset | None = None, resume: bool = False, force: bool = False,
                callbacks: Callbacks = None) -> Run:
    """Trains n runs with the seeds run.seed, run.seed + 1, ... into run_dir/seed-S.

    The best of them is opened; `report` is that of the folder, with mean and deviation.
    """
    library = compute()
    options = _options(run_dir, data, resume, force)
    watched(callbacks, library.rk_train_seeds, config_of(config, run_dir, data, False)._handle,
            ctypes.byref(options), whole_number(n, "n"), ...)
    return Run(run_dir)
