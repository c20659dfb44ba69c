"""Living through a record again, so that a session can go on where it ends. Floor 2: says nothing to a board.

Events are heard as they were, trials made again as their notes say; what a watcher says on the way stands in the record
already, or is added to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from rig import events
from rig.events import Kind
from rig.record.journal import Record


class Resumable(Protocol):
    """What is asked of a session."""

    recalled: list[bytes]

    def hear(self, payload: bytes) -> None:
        """One event."""

    def passed(self, host_ns: int) -> None:
        """It was so late when these events had come."""

    def was_noted(self, said: dict[str, Any]) -> None:
        """A note that was kept: of a trial, which is to be made again, or another."""

    def was_ordered(self, payload: bytes) -> None:
        """A command that was sent."""

    def wake(self) -> None:
        """Another process goes on here."""


def live_through(session: Resumable, entries: Sequence[Record]) -> list[bytes]:
    """Bring a session to where the record ends. Returns the notes that were cut off there."""
    noted, told_ns = set[bytes](), 0
    for kind, host_ns, payload, _ in entries:
        if kind != Kind.EVENT or host_ns != told_ns:
            session.passed(told_ns)
        if kind == Kind.EVENT:
            told_ns = host_ns
            session.hear(payload)
        elif kind == Kind.COMMAND:
            session.was_ordered(payload)
        elif kind == Kind.NOTE:
            noted.add(payload)
            said = events.read_json(payload)
            session.was_noted(said)
    session.passed(told_ns)
    session.wake()
    return [payload for payload in session.recalled if payload not in noted]
