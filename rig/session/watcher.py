"""What goes along with a session: light, sound, frames, water each hear its events through the same narrow door.

A watcher hears the events it names, may have things kept in the record, may end the session, and gives its part of the
summary. Pure: it is told the time, and never speaks to the board. May not: block, or know other watchers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rig.experiment.table import Table
from rig.experiment.task import Trial


@dataclass(frozen=True)
class Staged:
    """A trial the board holds, with what its numbers mean."""

    number: int
    trial: Trial
    table: Table


class Watcher:
    """The door. A watcher overrides what it needs; nothing here does anything.

    Attributes:
        name: of its part in the summary; empty: it has none.
        hears: names of the events it is told of, as wire.py has them.
        stop: why the session must end at once; empty: it need not.
        acts: it does something in the world; what an earlier process has heard is not told to it again.
        outdated: the trial to come was made from what holds no longer; the session makes it again and clears this.
    """

    name: ClassVar[str] = ""
    hears: ClassVar[tuple[str, ...]] = ()
    acts: ClassVar[bool] = False

    def __init__(self) -> None:
        self.stop = ""
        self.outdated = False
        self._notes: list[dict[str, Any]] = []

    @property
    def warning(self) -> str:
        """One line for whoever looks, as long as something is wrong."""
        return ""

    @property
    def line(self) -> str:
        """How it goes, in one line for whoever looks; empty: nothing to say."""
        return ""

    def event(self, name: str, board_us: int, body: tuple[int, ...], staged: Staged | None) -> None:
        """One event, before the session itself acts on it; ``staged``: the trial that begins or runs."""

    def passed(self, board_us: int, host_ns: int) -> None:
        """So late is it: by the newest event's stamp, and by the link's clock."""

    def recall(self, said: dict[str, Any]) -> None:
        """A note of an earlier process, whose session goes on."""

    def finish(self) -> dict[str, Any] | None:
        """The session is over: its part of the summary, as JSON can hold it."""
        return None

    def note(self, name: str, **fields: Any) -> None:
        """Have something kept in the record."""
        self._notes.append({"name": name, **fields})

    @property
    def has_notes(self) -> bool:
        """Something is to be kept."""
        return bool(self._notes)

    def notes(self) -> Sequence[dict[str, Any]]:
        """What is to be kept, each once."""
        if not self._notes:
            return ()
        notes, self._notes = self._notes, []
        return notes
