"""The JSON of a run folder, as Python's objects; FileError, DataError name the file."""
from __future__ import annotations

import json
from typing import Any

from .errors import DataError, FileError


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError:
        raise DataError(f"{path} is damaged: it is not UTF-8") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None


def read_json(path: str) -> dict[str, Any]:
    """The object that a file holds."""
    try:
        return dict(json.loads(_text(path)))
    except (ValueError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is damaged: {error}") from None


def read_json_lines(path: str) -> list[dict[str, Any]]:
    """A dict a line; a last line without its end, which is being written, does not count."""
    found = []
    for number, line in enumerate(_text(path).split("\n")[:-1], 1):
        try:
            found.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}:{number} is damaged: {error}") from None
    return found
