"""The microscope beside a session: its frames watched while they come, and every event's place among them afterwards.

Floor 2. What is judged stands in :mod:`rig.imaging.frames`; here it is noted, shown and summed. May not:
speak to the board.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rig.config import Config
from rig.imaging.frames import FAULTS, Finding, FrameReader, FrameWatch
from rig.session.watcher import Staged, Watcher

SHOWN_US = 10_000_000  # a fault is shown for so long
_LATE = "late"


class FrameWatcher(Watcher):
    """Goes along with a session whose microscope sends its frame clock."""

    name = "frames"
    hears = ("input", "output")

    def __init__(self, frame_hz: float, max_gap_ms: float) -> None:
        super().__init__()
        self.reader = FrameReader(FrameWatch(frame_hz, max_gap_ms))
        self._now_us = 0
        self._fault: Finding | None = None

    @property
    def watch(self) -> FrameWatch:
        """What it has found."""
        return self.reader.watch

    def event(self, name: str, board_us: int, body: tuple[int, ...], staged: Staged | None) -> None:
        """An edge of the frame clock, or the next file's trigger."""
        self._tell(self.reader.input(board_us, *body) if name == "input" else self.reader.output(board_us, body[0]))

    def passed(self, board_us: int, host_ns: int) -> None:
        """A frame that is due and has not come is late."""
        self._now_us = board_us
        self._tell(self.watch.passed(board_us))

    def _tell(self, found: list[Finding]) -> None:
        for one in found:
            self.note("frame", **one._asdict())
            if one.what in FAULTS or one.what == _LATE:
                self._fault = one

    @property
    def line(self) -> str:
        """Rate, count and faults."""
        watch = self.watch
        faults = ", ".join(f"{n} {what}" for what, n in watch.faults.items() if n)
        rate = f"{watch.rate_hz:.2f} Hz" if watch.scanning else "not scanning"
        return f"{rate}, {watch.frames} frames in {len(watch.files)} files" + (f"; {faults}" if faults else "")

    @property
    def warning(self) -> str:
        """A fault of the last seconds; a microscope that does not scan."""
        fault = self._fault
        if fault is not None and self._now_us - fault.board_us < SHOWN_US:
            return f"frames: {fault.n} {fault.what} after frame {fault.frame}"
        if self._now_us and not self.watch.scanning:
            return "frames: the microscope does not scan" if self.watch.frames else "frames: none has come yet"
        return ""

    def finish(self) -> dict[str, Any]:
        """Counts, to be held against the imaging files."""
        return self.watch.summary()


def frame_watchers(config: Config) -> list[Watcher]:
    """One where the rig has a microscope whose frame clock is wired; else none."""
    imaging = config.imaging
    if imaging.frame_hz is None or "frame" not in config.inputs:
        return []
    return [FrameWatcher(imaging.frame_hz, imaging.max_gap_ms)]


def watch_of(config: Config, events: Iterable[tuple[int, bytes]]) -> FrameWatch:
    """The frames of a record: ``(board_us, payload)`` of its events. A rig without frame_hz is taken for 30 Hz."""
    reader = FrameReader(FrameWatch(config.imaging.frame_hz or 30.0, config.imaging.max_gap_ms))
    reader.payloads(events)
    return reader.watch
