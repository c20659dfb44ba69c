"""The journals of a case, read with nothing of the program but its list of messages: what the checkers judge.

May not: judge.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from rig import wire
from sim.tap import Life, Truth

MANIFEST, EVENT, COMMAND, NOTE, SUMMARY = range(1, 6)
HEAD = struct.Struct("<2sIIBq")
EVENT_HEAD = struct.Struct("<BII")
NUMBER = {message.name: message.number for message in wire.MESSAGES}
NAME = {number: name for name, number in NUMBER.items()}


@dataclass(slots=True)
class Told:
    """One event of a journal."""

    number: int
    t_us: int  # board time, unwrapped
    message: int
    payload: bytes

    def fields(self) -> dict[str, Any]:
        """By name."""
        return dict(wire.decode(self.payload).fields)


@dataclass
class Session:
    """One journal, and the life of the board it is about."""

    folder: Path
    records: list[tuple[int, bytes]]
    skipped: int  # bytes that are no record
    life: Life | None
    told: list[Told] = field(default_factory=list)
    commands: list[tuple[int, bytes]] = field(default_factory=list)  # (index of the next event, payload)

    @property
    def manifest(self) -> dict[str, Any]:
        """What the session began with."""
        return next((json.loads(payload) for kind, payload in self.records if kind == MANIFEST), {})

    def notes(self, name: str) -> list[dict[str, Any]]:
        """The notes of that name."""
        found = [json.loads(payload) for kind, payload in self.records if kind == NOTE]
        return [note for note in found if note["note"] == name]

    def note_names(self) -> list[str]:
        """What was noted, in order."""
        return [json.loads(payload)["note"] for kind, payload in self.records if kind == NOTE]

    @property
    def summary(self) -> dict[str, Any] | None:
        """The last one."""
        found = [payload for kind, payload in self.records if kind == SUMMARY]
        return json.loads(found[-1]) if found else None


def read(folder: Path, truth: Truth) -> Session:
    """A session's folder."""
    records, skipped = _records((folder / "journal").read_bytes())
    session = Session(folder, records, skipped, None)
    boot = session.manifest.get("board", {}).get("boot")
    session.life = next((life for life in truth.lives if life.boot == boot), None)
    now_us: int | None = None
    for kind, payload in records:
        if kind == COMMAND:
            session.commands.append((len(session.told), payload))
        elif kind == EVENT:
            message, number, stamp_us = EVENT_HEAD.unpack_from(payload)
            now_us = stamp_us if now_us is None else now_us + (stamp_us - now_us + (1 << 31)) % (1 << 32) - (1 << 31)
            session.told.append(Told(number, now_us, message, payload))
    return session


def _records(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """As docs/journal.md says."""
    found, skipped = [], 0
    at = 14
    assert data[:at] == b"rig journal 1\n" or len(data) < at
    while at < len(data):
        if at + HEAD.size <= len(data):
            sync, check, length, kind, _ = HEAD.unpack_from(data, at)
            end = at + HEAD.size + length
            if sync == b"\xf5\xa9" and end <= len(data) and crc32(data[at + 6 : end]) ^ at & 0xFFFFFFFF == check:
                found.append((kind, data[at + HEAD.size : end]))
                at = end
                continue
        at += 1
        skipped += 1
    return found, skipped
