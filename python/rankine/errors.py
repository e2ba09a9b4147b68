"""One exception class for each rk_status; its text is the library's sentence."""
from __future__ import annotations


class RankineError(Exception):
    """What the library refused or could not do.

    The text is one sentence that says what is wrong, where, and what to do. `origin` is the place
    in the library, for bug reports.
    """

    origin: str = ""


class ConfigError(RankineError, ValueError):
    """Usage or configuration (RK_ERR_CONFIG)."""


class DataError(RankineError, ValueError):
    """Bad data (RK_ERR_DATA), an id that is not in the data set among it."""


class FileError(RankineError, OSError):
    """A file could not be read or written (RK_ERR_IO)."""


class OutOfMemory(RankineError, MemoryError):
    """Out of memory (RK_ERR_MEMORY)."""


class Diverged(RankineError, ArithmeticError):
    """Training diverged (RK_ERR_DIVERGED); the text names the step."""


class DeviceError(RankineError, RuntimeError):
    """The device is not usable (RK_ERR_DEVICE)."""


class Interrupted(RankineError):
    """A callback asked to stop (RK_ERR_INTERRUPTED); what has a run folder left a checkpoint."""


class InternalError(RankineError, RuntimeError):
    """An internal error (RK_ERR_INTERNAL): please report it with `origin`."""


class RankError(RankineError, RuntimeError):
    """Another rank of the run died or cannot be reached (RK_ERR_RANKS)."""


class ForkError(RankineError, RuntimeError):
    """This process was forked from one that had computed: its threads are not here."""


BY_STATUS: tuple[type[RankineError], ...] = (
    RankineError, ConfigError, DataError, FileError, OutOfMemory, Diverged, DeviceError,
    Interrupted, InternalError, RankError)
