"""A session's events as one table a kind, with their fields as columns. Floor 0: a journal's columns in, arrays out."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rig.record.columns import Columns
from rig.record.derived import event_columns

Table = dict[str, NDArray[Any]]
TIMES = ("number", "board_us", "host_ns", "trial")


def event_tables(columns: Columns) -> dict[str, Table]:
    """By the event's name: number, board_us, host_ns, trial, and its fields, (events,) each.

    A field that is a list of names becomes these joined by ``+``; None becomes empty text.
    """
    every = event_columns(columns)
    tables: dict[str, Table] = {}
    for name in sorted(set(every["name"])):
        mine = np.flatnonzero(every["name"] == name)
        tables[name] = {key: np.asarray(every[key])[mine] for key in TIMES} | _fields(every["fields"][mine])
    return tables


def _fields(texts: NDArray[Any]) -> Table:
    """Columns from JSON objects, each different one of which is read once."""
    places: dict[str, int] = {}
    which = np.array([places.setdefault(text, len(places)) for text in texts])
    objects = [msgspec.json.decode(text) for text in places]
    keys = dict.fromkeys(key for one in objects for key in one)
    return {f"{key}_" if key in TIMES else key: _column([one.get(key) for one in objects])[which] for key in keys}


def _column(values: list[Any]) -> NDArray[Any]:
    plain = ["+".join(value) if isinstance(value, list) else value for value in values]
    for kind in (bool, int, float):
        if all(type(value) is kind for value in plain):
            return np.array(plain, {bool: np.bool_, int: np.int64, float: np.float64}[kind])
    return np.array(["" if value is None else str(value) for value in plain], object)
