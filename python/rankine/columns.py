"""Interactions of pandas, Arrow, SciPy and NumPy as the columns of rk_dataset_from_columns."""
from __future__ import annotations

import ctypes
import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any

import numpy as np

from . import _abi
from .arrays import Array, Texts, column_of, pointer, real_numbers, texts, whole_numbers
from .config import Config
from .errors import ConfigError, DataError

_PARTS = {"train": 0, "valid": 1, "test": 2, "given": 3}


def pick(names: Sequence[str], wanted: str, what: str) -> str:
    """A column by its name; ConfigError says which there are."""
    if wanted in names:
        if names.count(wanted) > 1:
            raise ConfigError(f"there are {names.count(wanted)} columns {wanted!r}: {what} is one")
        return wanted
    near = difflib.get_close_matches(str(wanted), [str(name) for name in names], 1)
    hint = f"; did you mean {what}={near[0]!r}?" if near else ""
    raise ConfigError(f"there is no column {wanted!r} for {what}; there is: "
                      f"{', '.join(map(str, names)) or 'none'}{hint}")


def of_arrow(column: Any, name: Any) -> Any:
    """A column of Arrow: integers and times as NumPy's, texts by their dictionary."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # without a chunk, or with several that are large
            column = pa.concat_arrays(column.chunks) if column.chunks else pa.array(
                [], column.type)
    kind = column.type
    if pa.types.is_dictionary(kind) and pa.types.is_integer(kind.value_type):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if column.null_count:
            raise DataError(f"{column.null_count} of the times in {name!r} are null: fill them, or "
                            "leave their rows out")
        return column.cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or (
        hasattr(pa.types, "is_string_view") and pa.types.is_string_view(kind))
    if is_text or pa.types.is_dictionary(kind):
        if pa.types.is_dictionary(kind) and column.dictionary.null_count:
            column, kind = column.dictionary_decode(), kind.value_type
        coded = column if pa.types.is_dictionary(kind) else column.dictionary_encode()
        codes = coded.indices.fill_null(-1) if coded.indices.null_count else coded.indices
        return Texts(coded.dictionary.to_pylist(), codes.to_numpy(zero_copy_only=False),
                     repr(name))
    if column.null_count:
        raise DataError(f"{column.null_count} values of the column {name!r} are null: fill them, "
                        "or leave their rows out (dropna)")
    return column.to_numpy(zero_copy_only=False)


def of_pandas(series: Any) -> Any:
    """A series of pandas: numbers and times as NumPy's, all else as texts."""
    import pandas as pd

    kind = series.dtype
    if isinstance(kind, getattr(pd, "ArrowDtype", ())):
        import pyarrow as pa
        return of_arrow(pa.array(series.array), series.name)
    if isinstance(kind, pd.CategoricalDtype) and pd.api.types.is_datetime64_any_dtype(
            kind.categories.dtype):
        series = series.astype(kind.categories.dtype)
        kind = series.dtype
    if kind == object:  # as databases and apply give them
        inside = pd.api.types.infer_dtype(series)
        if inside in ("datetime", "datetime64", "date"):
            series = pd.to_datetime(series, utc=True)
        elif inside in ("integer", "decimal", "floating", "mixed-integer-float") and \
                not series.isna().any():
            series = pd.to_numeric(series)
        kind = series.dtype
    if isinstance(kind, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    elif pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
        if series.isna().any() and not isinstance(kind, np.dtype):
            raise DataError(f"{int(series.isna().sum())} values of the column {series.name!r} are "
                            "missing: fill them, or leave their rows out (dropna)")
        return series.to_numpy(dtype=getattr(kind, "numpy_dtype", None))
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return series.to_numpy()
    if isinstance(kind, pd.CategoricalDtype) and pd.api.types.is_integer_dtype(
            kind.categories.dtype) and not series.isna().any():
        return series.to_numpy()
    codes, unique = pd.factorize(series)
    return Texts(list(unique), np.asarray(codes, np.int64), repr(series.name))


def _seconds(moment: date) -> float:
    """Since 1970; a date without a time begins, and one without a zone is in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _times(values: Any, n: int) -> Array:
    if isinstance(values, Texts):
        raise DataError("the times are neither dates nor numbers: convert them first "
                        "(pandas.to_datetime), or give seconds since 1970")
    array = column_of(values, "times")
    if array.dtype.kind == "O" and len(array) and all(isinstance(one, date) for one in array):
        array = np.array([_seconds(one) for one in array])
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise DataError(f"{int(np.isnat(array).sum())} of the times are missing (NaT)")
        # Whole microseconds are exact as doubles until the year 2255.
        array = array.astype("datetime64[us]").astype(np.int64) / 1e6
    return real_numbers(array, "times", n)


def _parts(values: Any, n: int) -> Array:
    if isinstance(values, Texts):
        raise TypeError("internal: parts come as words or numbers")
    array = column_of(values, "parts")
    if array.dtype.kind in "OUT":
        unknown = sorted({str(word) for word in array} - set(_PARTS))
        if unknown:
            raise DataError(f"there is no part {unknown[0]!r}; there is: {', '.join(_PARTS)}")
        array = np.array([_PARTS[str(word)] for word in array], np.uint8)
    numbers = whole_numbers(array, "parts")
    if numbers.shape != (n,) or (n and (numbers.min() < 0 or numbers.max() > 3)):
        raise DataError(f"parts: {n} numbers from 0 to 3 are wanted: 0 is train, 1 valid, 2 test, "
                        "3 given")
    return numbers.astype(np.uint8)


def _checked(ids: Texts, what: str, config: Config) -> Texts:
    missing = np.flatnonzero(ids.addresses == 0)
    if len(missing) and config["data.missing_ids"] != "drop":
        raise DataError(f"{what}: {len(missing)} are missing (None or NaN), the first in row "
                        f"{missing[0]}: fill them, or leave their rows out (dropna, or "
                        "data.missing_ids drop)")
    for kind in ids.kinds:
        if issubclass(kind, bool) or not issubclass(kind, (str, int, np.integer)):
            raise TypeError(f"{what}: ids are integers or texts, these are {kind.__name__}: "
                            "make texts of them (str)")
    return ids


def _ids(values: Any, what: str, config: Config) -> Any:
    """int64, or Texts."""
    as_text = config.origin("data.ids") != "default" and config["data.ids"] == "text"
    if isinstance(values, Texts):
        return _checked(values, what, config)
    array = column_of(values, what)
    if array.dtype.kind == "O" and array.size and all(
            isinstance(one, (int, np.integer)) and not isinstance(one, bool) for one in array):
        array = np.array(array.tolist())
        if array.dtype.kind not in "iu":
            raise ValueError(f"{what}: there are integers beyond 2^63 - 1: make texts of them "
                             "(str)")
    if array.dtype.kind in "iu" or array.size == 0 and not as_text:
        numbers = whole_numbers(array, what)
        return texts(numbers.tolist(), what) if as_text else numbers
    if array.dtype.kind in "OUT":
        return _checked(texts(array.tolist(), what), what, config)
    hint = " (missing values make floats of integers: leave those rows out first)" \
        if array.dtype.kind == "f" else ""
    raise TypeError(f"{what}: ids are integers or texts, these are {array.dtype}{hint}")


def _plain(values: Any, name: str) -> list[Any]:
    """Numbers, dates as texts (of nanoseconds tolist would make integers), texts."""
    array = column_of(values, name)
    listed: list[Any] = (array.astype(str) if array.dtype.kind in "mM" else array).tolist()
    return listed


def _field_names(config: Config) -> list[str]:
    """The data.fields that want a column, in order; "" for a derived one."""
    names: list[str] = []
    while True:
        try:
            name = str(config[f"data.fields[{len(names)}].name"])
        except ConfigError:
            return names
        derive = config[f"data.fields[{len(names)}].derive"]
        names.append(name if derive == "none" else "")


class Columns:
    """rk_columns with all that it points to, and the config that goes with them.

    What the config does not say follows from the columns: data.ids from the type of the ids, the
    split by shares (the latest of each user held out, where there are times) unless they have
    parts.
    """

    def __init__(self, config: Config, users: Any, items: Any, *, times: Any = None,
                 values: Any = None, parts: Any = None,
                 fields: Mapping[str, Any] | None = None) -> None:
        self.config = config = config.copy()
        users, items = _ids(users, "users", config), _ids(items, "items", config)
        if isinstance(users, Texts) != isinstance(items, Texts):  # both or neither
            users, items = (side if isinstance(side, Texts) else texts(side.tolist(), "ids")
                            for side in (users, items))
        n = len(users)
        if len(items) != n:
            raise ValueError(f"there are {n} users but {len(items)} items: one of each a row")
        is_text = isinstance(users, Texts)
        if config.origin("data.ids") == "default":
            config["data.ids"] = "text" if is_text else "integer"
        self._split(parts is not None, times is not None)
        self._kept: list[Any] = [users, items]
        raw = self.raw = _abi.Columns(size=ctypes.sizeof(_abi.Columns), n=n)
        if is_text:
            raw.user_texts, raw.item_texts = users.pointer, items.pointer
        else:
            raw.users = pointer(users, ctypes.c_int64)
            raw.items = pointer(items, ctypes.c_int64)
        if times is not None:
            raw.times = pointer(self._keep(_times(times, n)), ctypes.c_double)
        if isinstance(values, Texts):
            raise TypeError("values: numbers are wanted, these are texts or truth values")
        if values is not None:
            raw.values = pointer(self._keep(real_numbers(values, "values", n)), ctypes.c_double)
        if parts is not None:
            raw.parts = pointer(self._keep(_parts(parts, n)), ctypes.c_uint8)
        if fields is not None and not isinstance(fields, Mapping):
            raise TypeError(f"fields: a dict of columns is wanted, this is {fields!r}")
        self._add_fields(fields or {}, n)

    def _keep(self, value: Any) -> Any:
        self._kept.append(value)
        return value

    def _split(self, has_parts: bool, has_times: bool) -> None:
        config = self.config
        if has_parts or config.origin("split.kind") != "default":
            return
        config["split.kind"] = "ratio"
        if config.origin("split.order") == "default":
            config["split.order"] = "time" if has_times else "random"

    def _add_fields(self, fields: Mapping[str, Any], n: int) -> None:
        if fields and not _field_names(self.config):
            self.config["data.fields"] = [{"name": name, "column": name} for name in fields]
        names = _field_names(self.config)
        unused = [name for name in fields if name not in names]
        if unused:
            raise ConfigError(f"data.fields has no field {unused[0]!r}; it has: "
                              f"{', '.join(filter(None, names)) or 'derived ones only'}")
        if not any(names):
            return
        addresses = np.zeros(len(names), np.uint64)
        for place, name in enumerate(names):
            if name and name not in fields:
                raise ConfigError(f"data.fields has {name}, but there is no such column here")
            if name:
                value = fields[name]
                one = value if isinstance(value, Texts) else texts(_plain(value, name), name)
                if len(one) != n:
                    raise ValueError(f"{name}: {n} values are wanted, there are {len(one)}")
                addresses[place] = self._keep(one).pointer
        self.raw.fields = int(self._keep(addresses).ctypes.data)


def named_columns(config: Config, read: Callable[[str, str], Any], user: str, item: str,
                  time: str | None, value: str | None, part: str | None,
                  fields: Sequence[str]) -> Columns:
    """Columns of a table by their names; `read` takes a name and what it is for."""
    if isinstance(fields, str):
        raise TypeError(f"fields: a list of columns is wanted, this is the text {fields!r}")
    if user == item:
        raise ConfigError(f"user and item are the same column {user!r}")

    def column(name: str | None, what: str) -> Any:
        return None if name is None else read(name, what)

    return Columns(config, column(user, "user"), column(item, "item"), times=column(time, "time"),
                   values=column(value, "value"), parts=column(part, "part"),
                   fields={name: read(name, "fields") for name in fields})
