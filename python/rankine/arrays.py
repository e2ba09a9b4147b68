"""Between NumPy and C: views of the library's memory, ids as the library wants them."""
from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Set
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import DataError

Array = npt.NDArray[Any]


def view(address: int | None, dtype: npt.DTypeLike, shape: tuple[int, ...], owner: Any) -> Array:
    """What lies at an address as a read-only array without a copy, whose base keeps the owner."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    if size == 0 or not address:
        return np.empty(shape, kind)
    memory = (ctypes.c_uint8 * size).from_address(address)
    memory.owner = owner  # type: ignore[attr-defined]
    return np.frombuffer(memoryview(memory).toreadonly(), kind).reshape(shape)


def pointer(array: Array | None, kind: Any) -> Any:
    """The array's address as ctypes takes it; NULL for None. The caller keeps the array."""
    return None if array is None else array.ctypes.data_as(ctypes.POINTER(kind))


def column_of(values: Any, what: str) -> Array:
    """A one-dimensional array of what holds a value a row, none of them masked."""
    if isinstance(values, Iterator):
        values = list(values)
    if values is None or isinstance(values, (Set, Mapping, str, bytes)):
        raise TypeError(f"{what}: an array or a list is wanted, a value a row, this is a "
                        f"{type(values).__name__}")
    if np.ma.is_masked(values):
        raise DataError(f"{what}: {np.ma.getmaskarray(values).sum()} are masked: leave their "
                        "rows out (compressed)")
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{what}: a one-dimensional array is wanted, this has the shape "
                         f"{array.shape}")
    return array


def whole_numbers(values: Any, what: str) -> npt.NDArray[np.int64]:
    """int64 of a one-dimensional array of integers; TypeError, ValueError for anything else."""
    array = column_of(values, what)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what}: integers are wanted, this is {array.dtype}")
    if array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{what}: {array.max()} is beyond 2^63 - 1")
    return np.ascontiguousarray(array, np.int64)


def whole_number(value: Any, what: str, least: int = 1) -> int:
    """One integer as C takes it; TypeError for a truth value, a fraction or a text, ValueError for
    one that is too small or beyond 64 bits, which ctypes would cut off."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{what} is {value!r}; an integer from {least} on is wanted")
    if not least <= value <= np.iinfo(np.int64).max:
        raise ValueError(f"{what} is {value}; an integer from {least} on is wanted"
                         f"{', of 64 bits' if value > least else ''}")
    return int(value)


def real_numbers(values: Any, what: str, n: int, dtype: npt.DTypeLike = np.float64) -> Array:
    """A contiguous array of n finite numbers."""
    array = column_of(values, what)
    if array.shape != (n,):
        raise ValueError(f"{what}: {n} numbers are wanted, one a row, there are {len(array)}")
    if array.dtype.kind == "O" and all(isinstance(one, (Real, Decimal)) and
                                       not isinstance(one, bool) for one in array):
        array = array.astype(np.float64)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{what}: numbers are wanted, this is {array.dtype}")
    with np.errstate(over="ignore"):  # the library refuses infinities, with their row
        return np.ascontiguousarray(array, dtype)


class Texts:
    """n texts as C takes them: an array of addresses, 0 for what is missing; equal texts share
    their bytes. kinds: the types of what they were made of."""

    def __init__(self, unique: list[Any], codes: Array, what: str) -> None:
        self.kinds = {type(text) for text in unique}
        data = [str(text).encode("utf-8", "surrogatepass") for text in unique]
        for text in data:
            if b"\0" in text:
                raise DataError(f"{what}: {text!r} has a zero byte")
        self._bytes = np.frombuffer(b"\0".join(data) + b"\0", np.uint8)
        lengths = np.fromiter((len(text) + 1 for text in data), np.int64, len(data))
        starts = np.concatenate(([0], np.cumsum(lengths)[:-1])) if data else np.zeros(1, np.int64)
        known = codes >= 0
        addresses = self._bytes.ctypes.data + starts[np.where(known, codes, 0)]
        self.addresses = np.ascontiguousarray(np.where(known, addresses, 0), np.uint64)

    def __len__(self) -> int:
        return len(self.addresses)

    @property
    def pointer(self) -> int:
        return int(self.addresses.ctypes.data)


def texts(values: Any, what: str) -> Texts:
    """Texts of anything that holds one value a row; None, NaN and NA are missing."""
    codes = np.empty(len(values), np.int64)
    numbers: dict[Any, int] = {}
    for row, value in enumerate(values):
        # NaN and pandas' NaT differ from themselves; pandas' NA refuses to say.
        if value is None or type(value).__name__ == "NAType" or value != value:
            codes[row] = -1
        else:
            codes[row] = numbers.setdefault(value, len(numbers))
    return Texts(list(numbers), codes, what)


def decoded(pointers: Any, n: int) -> Array:
    """n texts of C as an array of str."""
    out = np.empty(n, object)
    for i in range(n):
        out[i] = pointers[i].decode("utf-8", "replace")
    return out
