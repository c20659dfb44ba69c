"""What people did to an animal outside of sessions: one file a subject, ``<data>/<subject>/ledger.ndjson``.

Floor 1: reads this file, and adds lines to it. What they mean stands in ``rig.subject``.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rig.errors import RecordError

LEDGER = "ledger.ndjson"


@dataclass(frozen=True)
class Deed:
    """One line of the ledger: ``weight`` (g), ``baseline`` (g), ``water`` (µL), ``stage``, ``set`` or ``unset``."""

    what: str
    on: date
    utc: str
    value: Any = None
    name: str = ""
    who: str = ""
    why: str = ""


def add_deed(data: Path, subject: str, deed: Deed) -> None:
    """Write a line into the ledger, to the disk. Raises RecordError."""
    folder = data / subject
    line = json.dumps({key: str(value) if key == "on" else value for key, value in asdict(deed).items()})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / LEDGER, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RecordError(f"{folder / LEDGER}: cannot be written: {error.strerror}") from None


def read_ledger(data: Path, subject: str) -> tuple[Deed, ...]:
    """The lines of an animal's ledger, oldest first. Raises RecordError naming file and line."""
    path = data / subject / LEDGER
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):  # where a folder cannot be, the session will say so
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
            found.append(Deed(**{**said, "on": date.fromisoformat(said["on"])}))
        except (ValueError, TypeError, KeyError):
            raise RecordError(f"{path}:{number}: not a line of a ledger: correct it or take it out") from None
    return tuple(found)
