"""Config: every option of the library, with the origin of its value."""
from __future__ import annotations

import ctypes
import json
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any, Union

from ._library import Owner, calls, check, encoded, take_text

_log = logging.getLogger("rankine")
ConfigLike = Union["Config", Mapping[str, Any], str, "os.PathLike[str]"]


def _assigned(value: Any) -> str:
    """A Python value as rk_config_set reads it: texts are literal, all else is YAML."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if value[:1] in ("'", '"') else value
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        value = value.tolist()
    if value is None:
        raise TypeError("None is no value of an option; leave the option out")
    if isinstance(value, tuple):
        value = list(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        raise TypeError(f"{value!r} is no value of an option: numbers, texts, lists and dicts "
                        "of them are") from None


def _parsed(text: str) -> Any:
    """What rk_config_get says, as a Python value."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    if text.startswith("[") and text.endswith("]"):  # words without quotes
        return [_parsed(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text


class Config:
    """Options by their names, as in a YAML file: ``Config("exp.yaml", {"train.epochs": 5})``.

    `source` is a YAML file, another Config, a dict of options, or None for all defaults; `options`
    are set on top of it. What nobody has said and what follows from the rest is filled in as the
    program does it (a split where no source says a part). Errors are ConfigError and name the key
    and the nearest known one; what goes together is checked by `check` and by every call that
    takes a config.

        config["model.dim"] = 32
        config["train.epochs"]      # 5
        config.origin("model.dim")  # "Python"
    """

    def __init__(self, source: ConfigLike | None = None,
                 options: Mapping[str, Any] | None = None) -> None:
        self._path: str | None = None
        self._is_recbole = False
        before: list[tuple[str, Any]] = []
        if isinstance(source, Config):
            self._path, self._is_recbole = source._path, source._is_recbole
            before = list(source._set)
        elif isinstance(source, Mapping):
            before = list(source.items())
        elif isinstance(source, (str, os.PathLike)):
            self._path = os.fspath(source)
        elif source is not None:
            raise TypeError(f"{source!r} is no config: a YAML file, a dict of "
                            "options or a Config is wanted")
        self._open(before + list((options or {}).items()))

    @classmethod
    def from_recbole(cls, path: str | os.PathLike[str],
                     options: Mapping[str, Any] | None = None) -> Config:
        """A config of RecBole 1.2.1, a YAML file, as one of ours; `options` are set on top of it.

        What it leaves out has RecBole's defaults, and data_path starts at the current folder. What
        would change results and has no counterpart is a ConfigError with its line; `notes` says
        what was passed over or differs, and so does the logger (docs/recbole.md).
        """
        config = cls.__new__(cls)
        config._path, config._is_recbole = os.fspath(path), True
        config._open(list((options or {}).items()))
        for note in config.notes:
            _log.warning("%s", note)
        return config

    def _open(self, assignments: list[tuple[str, Any]]) -> None:
        library, handle, notes = calls(), ctypes.c_void_p(), ""
        self._set: list[tuple[str, Any]] = []
        if self._path is None:
            check(library.rk_config_create(ctypes.byref(handle)))
        else:
            path = encoded(self._path, "the path")
            if self._is_recbole:
                notes = take_text(
                    lambda out: library.rk_config_load_recbole(ctypes.byref(handle), path, out))
            else:
                check(library.rk_config_load(ctypes.byref(handle), path))
        self._owner = Owner(handle.value, library.rk_config_free)
        self.notes = tuple(notes.splitlines())  # of from_recbole, else none
        for key, value in assignments:
            self._assign(key, value)
        self._settle()

    @property
    def _handle(self) -> ctypes.c_void_p:
        return self._owner.handle

    def _assign(self, key: str, value: Any) -> None:
        assignment = encoded(f"{key}={_assigned(value)}", f"the value of {key}")
        check(calls().rk_config_set(self._handle, assignment, b"Python"))
        self._set.append((key, value))

    def _settle(self) -> None:
        take_text(lambda out: calls().rk_config_settle(self._handle, out))

    def __setitem__(self, key: str, value: Any) -> None:
        self._assign(key, value)

    def update(self, options: Mapping[str, Any]) -> None:
        """Sets several options, in their order; what came before one that fails stays set."""
        for key, value in options.items():
            self._assign(key, value)

    def _text_of(self, function: Any, key: str) -> str:
        out = ctypes.c_char_p()
        check(function(self._handle, encoded(key, "the key"), ctypes.byref(out)))
        return (out.value or b"").decode()

    def __getitem__(self, key: str) -> Any:
        return _parsed(self._text_of(calls().rk_config_get, key))

    def origin(self, key: str) -> str:
        """Where a value is from: "default", "exp.yaml:12", "Python"."""
        return self._text_of(calls().rk_config_get_origin, key)

    def is_read(self, key: str) -> bool:
        """Whether anything looks at this option under the values of the others."""
        out = ctypes.c_bool()
        check(calls().rk_config_is_read(self._handle, encoded(key, "the key"), ctypes.byref(out)))
        return out.value

    def check(self) -> None:
        """Checks options against each other."""
        check(calls().rk_config_check(self._handle))

    def text(self, origins: bool = False) -> str:
        """The whole configuration as YAML."""
        return take_text(lambda out: calls().rk_config_text(self._handle, origins, out))

    def copy(self, options: Mapping[str, Any] | None = None) -> Config:
        """Another one with the same values, and `options` on top. The file is read again."""
        return Config(self, options)

    def assignments(self) -> Iterator[tuple[str, Any]]:
        """What was set from Python, in order."""
        return iter(list(self._set))

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds the path and what was set; the file is read again, as by copy."""
        return Config._of_parts, (self._path, self._is_recbole, list(self._set))

    @classmethod
    def _of_parts(cls, path: str | None, is_recbole: bool, before: list[tuple[str, Any]]) -> Config:
        config = cls.__new__(cls)
        config._path, config._is_recbole = path, is_recbole
        config._open(before)
        return config

    def __repr__(self) -> str:
        inside = [] if self._path is None else [repr(self._path)]
        if self._set:
            inside.append(repr(dict(self._set)))
        return f"Config{'.from_recbole' if self._is_recbole else ''}({', '.join(inside)})"


def as_config(config: ConfigLike | None) -> Config:
    """What a caller may give in a config's place."""
    return config if isinstance(config, Config) else Config(config)


def reference() -> str:
    """All options with type, range, default and help."""
    return take_text(lambda out: calls().rk_config_reference(False, out))
