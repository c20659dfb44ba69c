"""A session's folder: ``<data>/<subject>/<date>_<n>/`` with its journal, and reading it back.

The journal is the truth; a copy of the protocol lies beside it for people. May not: know how a session runs.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from rig import events
from rig.errors import RecordError
from rig.events import Kind
from rig.record.journal import Damage, Journal, Record, read_journal

JOURNAL = "journal"
BEGINNING = (JOURNAL, "stream.log")  # what lies in the folder before the first record
NEEDED_BYTES = 200_000_000  # a long session with video-rate events is a quarter of it


def checked_subject(subject: str) -> str:
    """The animal's name, which names its folder. Raises RecordError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", subject):
        raise RecordError(f'subject "{subject}": use up to 64 letters, digits, _-. (it names a folder)')
    return subject


def new_session(data: Path, subject: str, today: date) -> Path:
    """Make the folder of the next session of this animal on this day. Raises RecordError."""
    checked_subject(subject)
    for n in range(1, 1000):
        folder = data / subject / f"{today.isoformat()}_{n}"
        try:
            folder.mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            if folder.is_dir():
                continue
            raise RecordError(f"{folder}: a file is in the way; move it") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RecordError(f"{folder}: cannot be made ({reason}): set `data` in config.yaml") from None
        _check_room(folder)
        return folder
    raise RecordError(f"{data / subject}: 999 sessions today are enough")


def discard(folder: Path) -> None:
    """Take the folder of a session away that did not begin. Whatever else lies in it stays."""
    for name in BEGINNING:
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    needed = int(os.environ.get("RIG_NEEDED_BYTES", NEEDED_BYTES))
    if free < needed:
        folder.rmdir()
        raise RecordError(
            f"{folder.parent}: {free / 1e6:.0f} MB are free, a session wants {needed / 1e6:.0f}: make room, or set"
            " `data` in config.yaml"
        )


def journal_path(session: Path) -> Path:
    """The journal of a session given by its folder or by the journal itself."""
    path = session / JOURNAL if session.is_dir() else session
    if not path.is_file():
        raise RecordError(f"{session}: no session here (expected a folder with a {JOURNAL})")
    return path


def read_entries(session: Path) -> tuple[list[Record], list[Damage]]:
    """Every readable record of a session, and what was found damaged."""
    journal = read_whole(session)
    return list(journal), list(journal.damage)


def read_whole(session: Path) -> Journal:
    """The journal of a session, with its bytes."""
    return read_journal(journal_path(session))


def manifest_of(entries: list[Record]) -> dict[str, Any]:
    """The manifest of a session. Raises RecordError where it is missing."""
    for entry in entries:
        if entry.kind == Kind.MANIFEST:
            return events.read_json(entry.payload)
    raise RecordError("the journal holds no manifest: run `rig verify` on it")


def summary_of(entries: list[Record]) -> dict[str, Any] | None:
    """The summary of a session, or None where it was interrupted."""
    found = [entry.payload for entry in entries if entry.kind == Kind.SUMMARY]
    return events.read_json(found[-1]) if found else None


def events_of(entries: list[Record]) -> Iterator[events.Event]:
    """The events of a session, with names."""
    return events.read_events((entry.kind, entry.host_ns, entry.payload) for entry in entries)


def sessions(data: Path, subject: str | None = None) -> list[Path]:
    """Session folders below a data folder, oldest first."""
    found = data.glob(f"{subject or '*'}/*_*/{JOURNAL}")
    return sorted((path.parent for path in found), key=_order)


def _order(folder: Path) -> tuple[str, str, int]:
    day, _, n = folder.name.rpartition("_")
    return day, folder.parent.name, int(n) if n.isdigit() else 0
