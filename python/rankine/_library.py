"""librankine: finding it, loading it, asking it, and who may.

OpenMP reads its environment when it is loaded. Idle threads that spin take the cores from
everything else in a Python process, so they are told to sleep unless the user says otherwise, as
the program `rankine` does; the environment is put back afterwards.

A process that is forked after OpenMP has run has its data but none of its threads, and the first
parallel loop there would wait for ever (multiprocessing's "fork", gunicorn --preload). Such a child
gets a ForkError instead.
"""
from __future__ import annotations

import ctypes
import os
import weakref
from pathlib import Path
from typing import Any, Callable

from . import _abi, _cuda
from .errors import BY_STATUS, ForkError, InternalError, RankineError

_NAME = "librankine.so"


def _candidates() -> list[str]:
    named = os.environ.get("RANKINE_LIBRARY")
    if named:
        return [named]
    beside = Path(__file__).parent / "lib" / _NAME
    return [str(beside)] if beside.exists() else [_NAME, _NAME + ".0"]


def _open() -> ctypes.CDLL:
    calm = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}
    added = [] if any(name in os.environ for name in calm) else list(calm)
    os.environ.update({name: calm[name] for name in added})
    said = []
    try:
        _cuda.load()
        for path in _candidates():
            try:
                return ctypes.CDLL(path)
            except OSError as error:
                said.append(str(error))
    finally:
        for name in added:
            del os.environ[name]
    raise ImportError(
        f"librankine could not be loaded ({'; '.join(dict.fromkeys(said))}): install a wheel of "
        "rankine, or let RANKINE_LIBRARY name the librankine.so that you built")


def _checked(library: ctypes.CDLL) -> ctypes.CDLL:
    try:
        found = library.rk_abi_version()
    except AttributeError:
        found = 0
    if found != _abi.ABI_VERSION:
        raise ImportError(
            f"{library._name} has the interface number {found}, this package was written for "
            f"{_abi.ABI_VERSION}: take library and package of one version")
    missing = _abi.declare(library)
    if missing:
        raise ImportError(
            f"{library._name} is of an older version and lacks {', '.join(missing)}: take library "
            "and package of one version")
    return library


_library = _checked(_open())
_state = {"used": False, "forked": False}


def _in_child() -> None:
    _state["forked"] = _state["used"]


os.register_at_fork(after_in_child=_in_child)


def calls() -> Any:
    """The functions of the library, for calls that do not compute. ForkError in such a child."""
    if _state["forked"]:
        raise ForkError(
            "this process was forked after rankine had been used, and OpenMP's threads are not in "
            "it: start it with multiprocessing's \"spawn\" or \"forkserver\", or use rankine in "
            "the children only (gunicorn: without --preload)")
    return _library


def compute() -> Any:
    """calls(), for calls that may start threads: from now on, forked children are refused."""
    library = calls()
    _state["used"] = True
    return library


def failure(status: int) -> RankineError:
    """The exception of this thread's last failure."""
    kind = BY_STATUS[status] if 0 < status < len(BY_STATUS) else InternalError
    error = kind(_library.rk_last_error().decode("utf-8", "replace"))
    error.origin = _library.rk_last_error_origin().decode("utf-8", "replace")
    return error


def check(status: int) -> None:
    if status != 0:
        raise failure(status)


def take_text(call: Callable[[Any], int]) -> str:
    """The text that a call hands over; "" where it hands over none."""
    out = ctypes.c_void_p()
    check(call(ctypes.byref(out)))
    if not out.value:
        return ""
    try:
        return ctypes.string_at(out.value).decode("utf-8", "replace")
    finally:
        _library.rk_string_free(out)


def encoded(value: Any, what: str) -> bytes:
    """A text or path for C; ValueError for one with a zero byte, which would end it."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{what} is {value!r}; a text or a path is wanted")
    data = os.fsencode(value) if isinstance(value, os.PathLike) else value.encode(
        "utf-8", "surrogateescape")
    if b"\0" in data:
        raise ValueError(f"{what} has a zero byte: {data!r}")
    return data


def version() -> str:
    return str(_library.rk_version().decode())


def info(topic: str) -> str:
    """Text on "build", "devices", "ranks", "models", "operations" or "metrics"."""
    library = compute() if topic == "devices" else calls()
    return take_text(lambda out: library.rk_info(encoded(topic, "the topic"), out))


def _free(function: Callable[[Any], None], address: int, needs: tuple[Any, ...]) -> None:
    """Run by a finalizer, which keeps `needs` alive until then."""
    if not _state["forked"]:
        function(ctypes.c_void_p(address))


class Owner:
    """Holds something of the library's and frees it when nobody refers to it any more.

    NumPy views have their owner as their base, so what they show outlives every other name for it.
    `needs` are objects that have to live as long (the data set that a model borrows).
    """

    def __init__(self, address: int | None, free: Callable[[Any], None] | None,
                 needs: tuple[Any, ...] = ()) -> None:
        self.handle = ctypes.c_void_p(address)
        self.needs = needs
        if free is not None:  # else it is lent by one of `needs`
            # Not __del__, which also runs after a constructor that failed.
            finalizer = weakref.finalize(self, _free, free, address or 0, needs)
            finalizer.atexit = False  # a process that ends gives everything back by itself
