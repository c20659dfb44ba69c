"""What is made from a journal and kept beside it: lever, events and trials as Parquet, and the measures.

Floor 1: reads a session's journal and writes files into its folder. All of them can be thrown away. Each is written
aside and renamed, so a reader never sees half of one. DuckDB, pandas and polars read a study as
``data/*/*/lever.parquet``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rig import wire
from rig.errors import RecordError
from rig.events import EventReader, Kind, read_json
from rig.record.columns import Columns, Ints
from rig.record.entry import MEASURES_VERSION, Entry, Found, SessionBytes, session_entry

JOURNAL = "journal"
MEASURES = "measures.msgpack"
LEVER, EVENTS, TRIALS = PARQUETS = ("lever.parquet", "events.parquet", "trials.parquet")
_TAIL_BYTES = 64
# Events whose names do not depend on the trial they fall into: decoded once for every different body.
_SAME_IN_EVERY_TRIAL = ("input", "output", "fault", "zeroed", "lost")
_SAID_BY = {"state": "state", "output": "active", "input": "levels", "trial_end": "reason", "fault": "fault"}


class Kept(msgspec.Struct):
    """The measures as they lie beside a journal, and which bytes they were made from."""

    uid: str
    journal_bytes: int
    tail: bytes
    found: Found | None
    why: str


def entry_of(folder: Path) -> Entry:
    """The entry of a session's folder. Raises RecordError for what is no session.

    Measures that lie beside the journal are taken if they were made from its very bytes; else they are made, and kept.
    """
    return session_entry_of(folder, read_session(folder))


def read_session(folder: Path) -> SessionBytes:
    """A session's journal. Raises RecordError for what is no session."""
    return SessionBytes(_read(folder / JOURNAL))


def session_entry_of(folder: Path, session: SessionBytes) -> Entry:
    """:func:`entry_of` for a journal that is read already."""
    kept, data = _kept(folder), session.columns.data
    made_from = (session.uid, len(data), data[-_TAIL_BYTES:])
    if kept is not None and (kept.uid, kept.journal_bytes, kept.tail) == made_from:
        return replace(session_entry(session, kept.found, measured=False), why=kept.why)
    entry = session_entry(session)
    kept = Kept(*made_from, entry.found, entry.why)
    _write(folder / MEASURES, lambda scratch: scratch.write_bytes(msgspec.msgpack.encode(kept)))
    return entry


def derive(folder: Path) -> Entry:
    """The entry, and beside the journal its measures and lever, events and trials as Parquet, where they are not yet.

    Raises RecordError for what is no session, and where they cannot be written.
    """
    session = read_session(folder)
    entry = session_entry_of(folder, session)
    if not all(_fresh(folder / name, folder / JOURNAL) for name in (EVENTS, TRIALS)):
        _write_parquet(folder, entry, session)
    return entry


def entry_or_why(job: tuple[Path, bool, Path | None]) -> Entry | str:
    """The entry of a folder (True: and what lies beside its journal), or why there is none; for many, in processes.

    The disk is asked to fetch the journal that comes ``after`` in the meantime.
    """
    folder, parquet, after = job
    if after is not None:
        _fetch(after / JOURNAL)
    try:
        return derive(folder) if parquet else entry_of(folder)
    except RecordError as error:
        return str(error)


def _fresh(path: Path, journal: Path) -> bool:
    return path.exists() and path.stat().st_mtime_ns >= journal.stat().st_mtime_ns


def _kept(folder: Path) -> Kept | None:
    try:
        kept = msgspec.msgpack.decode((folder / MEASURES).read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None
    return kept if kept.found is None or kept.found.version == MEASURES_VERSION else None


# --- Parquet ----------------------------------------------------------------------------------------------------------


def _write_parquet(folder: Path, entry: Entry, session: SessionBytes) -> None:
    columns = session.columns
    who = {"subject": entry.session.subject, "session": entry.session.session}
    if len(columns.rows("lever")):
        _write_table(folder / LEVER, who, lever_columns(session))
    _write_table(folder / TRIALS, who, trial_columns(entry))
    _write_table(folder / EVENTS, who, event_columns(columns))


def lever_columns(session: SessionBytes) -> dict[str, Any]:
    """Every sample: board_us, counts (as if never zeroed) and mm (push positive)."""
    lever = session.columns.lever
    rule = session.manifest["config"]["lever"]
    mm_per_count = float(rule["mm_per_count"]) * (-1 if rule["invert"] else 1)
    mm = (lever.counts * mm_per_count).astype(np.float32)
    return {"board_us": lever.t_us, "counts": lever.counts.astype(np.int32), "mm": mm}


def trial_columns(entry: Entry) -> dict[str, Any]:
    """Every trial, as the archive has it, with what the lever showed where the trial was measured."""
    rows = [{**vars(trial), "info": msgspec.json.encode(trial.info).decode()} for trial in entry.trials]
    names = list(rows[0]) if rows else ["trial"]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in names}
    if entry.found is not None:
        counted = [i for i, t in enumerate(entry.trials) if t.counts]
        for name, values in entry.found.trials.items():
            spread: list[float | None] = [None] * len(rows)
            for i, value in zip(counted, values, strict=True):
                spread[i] = value
            columns[name if name != "reward_s" else "cue_to_reward_s"] = spread
    return columns


def event_columns(columns: Columns) -> dict[str, Any]:
    """Every event but lever samples: number, times, trial, name, what it says in a word, and its fields as JSON."""
    rows = columns.events[columns.message[columns.events] != wire.BY_NAME["lever"].number]
    words, which = _said_by_all(columns, rows)
    begun = columns.rows("trial_begin")
    trials = columns.bodies("trial_begin", begun)[:, :4].copy().view("<u4").ravel().astype(np.int64)
    trial = np.concatenate([np.zeros(1, np.int64), trials])[np.searchsorted(begun, rows, "right")]
    names, says, fields = (np.array(column, object) for column in zip(*words, strict=True)) if words else ([], [], [])
    return {
        "number": columns.numbers(rows),
        "board_us": columns.board_us[rows],
        "host_ns": columns.host_ns[rows],
        "trial": trial,
        "name": np.asarray(names)[which],
        "says": np.asarray(says)[which],
        "fields": np.asarray(fields)[which],
    }


def _said_by_all(columns: Columns, rows: Ints) -> tuple[list[tuple[str, str, str]], Ints]:
    """The words of events, and which of them each row has.

    Most events are edges of a frame clock, and say one of few things: those are put into words once.
    """
    which = np.full(len(rows), -1, np.int64)  # at first the place, among all rows, of the row that speaks for each
    message = columns.message[rows]
    for name in _SAME_IN_EVERY_TRIAL:
        mine = np.flatnonzero(message == wire.BY_NAME[name].number)
        if len(mine):
            bodies = columns.bodies(name, rows[mine])
            _, first, same = np.unique(
                bodies.view(f"V{bodies.shape[1]}").ravel(), return_index=True, return_inverse=True
            )
            which[mine] = mine[first][same]
    alone = which < 0
    which[alone] = np.flatnonzero(alone)
    speakers, which = np.unique(which, return_inverse=True)
    notes = np.flatnonzero(columns.kind == Kind.NOTE)
    reader, words = EventReader(), []
    for row in np.union1d(rows[speakers], notes).tolist():
        payload = columns.payload(row)
        if columns.kind[row] == Kind.NOTE:
            reader.learn(read_json(payload))
        else:
            words.append(_words(reader, payload))
    return words, which


def _words(reader: EventReader, payload: bytes) -> tuple[str, str, str]:
    event = reader.read(0, payload)
    fields = event.fields
    if event.name == "rule":
        says = f"{fields['rule']} {fields['decision']}"
    elif event.name == "generator":
        says = f"{fields['generator']} {fields['mark']}"
    else:
        value = fields.get(_SAID_BY.get(event.name, ""), "")
        says = "+".join(value) if isinstance(value, tuple) else str(value)
    return event.name, says, msgspec.json.encode(fields).decode()


def _write_table(path: Path, who: dict[str, str], columns: dict[str, Any]) -> None:
    import pyarrow as pa  # noqa: PLC0415 (it is not needed by those who do not derive)
    from pyarrow import parquet  # noqa: PLC0415

    n = len(next(iter(columns.values()), []))
    same = {name: pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [value]) for name, value in who.items()}
    table = pa.table({**same, **columns})
    texts = [field.name for field in table.schema if not pa.types.is_integer(field.type)]
    counted = {field.name: "DELTA_BINARY_PACKED" for field in table.schema if pa.types.is_integer(field.type)}
    _write(path, lambda scratch: parquet.write_table(table, scratch, use_dictionary=texts, column_encoding=counted))


# --- files ------------------------------------------------------------------------------------------------------------


def _fetch(path: Path) -> None:
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None


def _write(path: Path, fill: Callable[[Path], object]) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fill(scratch)
        os.replace(scratch, path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        scratch.unlink(missing_ok=True)
