"""How a long call talks to Python: logging, callbacks, Ctrl-C.

An exception cannot pass through C. What a callback raises is kept, the library is asked to stop
(it writes its checkpoint), and the exception is raised when the call has returned. Ctrl-C goes the
same way: while a call runs, Python's own handler would raise in whatever callback is running, so a
handler that only takes note stands in its place.
"""
from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any, NamedTuple, Union

from . import _abi
from ._library import Owner, check

_log = logging.getLogger("rankine")
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING)


class Progress(NamedTuple):
    """What a call is doing; rankine/hooks.h says more."""

    phase: str
    done: int
    total: int  # 0 = not known
    unit: str
    seconds: float
    epoch: int  # 1-based while training, else 0
    epochs: int
    loss: float  # NaN where there is none
    samples_per_second: float
    eta_seconds: float  # negative = not known
    metric: str | None
    metric_value: float
    run: int
    runs: int


class Trial(NamedTuple):
    """A trial of a sweep as it stands; rankine/sweep.h says more."""

    number: int  # from 1
    trials: int  # that there will be at most
    options: str  # "model.dim 32, model.layers 2"
    path: str | None  # its run folder; None: it was not trained, see same_as
    epochs: int
    value: float  # of eval.metric on valid; NaN = failed
    is_best: bool  # of those so far
    same_as: int  # had the same values before, whose result it has; 0 = none
    failure: str | None


class Callback:
    """Base of callbacks: override what you want to hear of. They run on the calling thread."""

    def log(self, level: int, message: str) -> None:
        """A message, with a level of the module logging."""

    def progress(self, progress: Progress) -> None:
        """How far a call is; several times a second."""

    def scalar(self, name: str, epoch: int, value: float) -> None:
        """A number of the epoch that has just ended: "train/loss", "valid/ndcg@10" ..."""

    def trial(self, trial: Trial) -> None:
        """A trial of rankine.sweep has its result, or of halving has trained on."""

    def should_stop(self) -> bool:
        """True: write a checkpoint and raise Interrupted."""
        return False


Callbacks = Union[Callback, Iterable[Callback], None]


def _list(callbacks: Callbacks) -> list[Callback]:
    found: list[Any] = []
    if callbacks is not None:
        is_many = isinstance(callbacks, Iterable) and not isinstance(callbacks, Callback)
        found = list(callbacks) if is_many else [callbacks]  # type: ignore[arg-type]
    for one in found:
        if not isinstance(one, Callback):
            raise TypeError(f"{one!r} is no callback: derive it from rankine.Callback")
    return found


def _decode(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace")


class Watch:
    """The hooks of one call: ``with Watch(callbacks) as watch: watch.run(function, ...)``."""

    def __init__(self, callbacks: Callbacks = None) -> None:
        self._callbacks = _list(callbacks)
        self._raised: BaseException | None = None
        self._interrupted = False
        self._before: Any = None
        self.hooks = _abi.Hooks(
            log=_abi.LogCallback(self._on_log),
            should_stop=_abi.StopCallback(self._on_stop))
        if self._callbacks:
            self.hooks.progress = _abi.ProgressCallback(self._on_progress)
            self.hooks.scalar = _abi.ScalarCallback(self._on_scalar)
        self.trial = _abi.TrialCallback(self._on_trial)

    def _tell(self, method: str, *arguments: Any) -> bool:
        wants_stop = False
        try:
            for one in self._callbacks:
                wants_stop = bool(getattr(one, method)(*arguments)) or wants_stop
        except BaseException as error:  # KeyboardInterrupt of a user's own handler included
            self._raised = self._raised or error
        return wants_stop

    def _on_log(self, user: int, level: int, message: bytes) -> None:
        try:
            _log.log(_LEVELS[level], "%s", _decode(message))
        except BaseException as error:
            self._raised = self._raised or error
        self._tell("log", _LEVELS[level], _decode(message))

    def _on_progress(self, user: int, progress: Any) -> None:
        p = progress.contents
        self._tell("progress", Progress(
            _decode(p.phase), p.done, p.total, _decode(p.unit), p.seconds, p.epoch, p.epochs,
            p.loss, p.samples_per_second, p.eta_seconds,
            None if p.metric is None else _decode(p.metric), p.metric_value, p.run, p.runs))

    def _on_scalar(self, user: int, name: bytes, step: int, value: float) -> None:
        self._tell("scalar", _decode(name), step, value)

    def _on_trial(self, user: int, trial: Any) -> None:
        t = trial.contents
        self._tell("trial", Trial(
            t.number, t.trials, _decode(t.options),
            None if t.folder is None else os.fsdecode(t.folder), t.epochs, t.value, t.is_best,
            t.same_as, None if t.failure is None else _decode(t.failure)))

    def _on_stop(self, user: int) -> bool:
        wants_stop = self._tell("should_stop")
        return wants_stop or self._interrupted or self._raised is not None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True

    def __enter__(self) -> Watch:
        # A handler can only be set by the main thread, and one of the user's own is left alone.
        if (threading.current_thread() is threading.main_thread()
                and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def run(self, function: Any, *arguments: Any) -> None:
        """Calls with the hooks in place of Ellipsis; raises what went wrong, on either side."""
        hooks = ctypes.byref(self.hooks)
        status = function(*(hooks if one is ... else one for one in arguments))
        if self._raised is not None:
            raise self._raised
        if status == 0 and self._interrupted:
            raise KeyboardInterrupt
        try:
            check(status)
        except Exception as error:
            if self._interrupted:
                raise KeyboardInterrupt(str(error)) from error
            raise


def watched(callbacks: Callbacks, function: Any, *arguments: Any) -> None:
    """One call with hooks, in place of the argument Ellipsis."""
    with Watch(callbacks) as watch:
        watch.run(function, *arguments)


def created(callbacks: Callbacks, free: Any, function: Any, *arguments: Any,
            needs: tuple[Any, ...] = ()) -> Owner:
    """The same of a call whose last argument, not given here, is where it puts what it has made.

    A callback may have failed although the library has not: then that is freed again.
    """
    made = ctypes.c_void_p()
    try:
        watched(callbacks, function, *arguments, ctypes.byref(made))
    except BaseException:
        free(made)
        raise
    return Owner(made.value, free, needs)
