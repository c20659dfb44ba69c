"""The microscope's frame clock, watched pulse by pulse: which is a frame, which is none, and which did not come.

Pure: times in, findings out. Frames come at a steady rate while a scan runs, so a pulse off the beat is extra, one much
shorter than the others is a glitch, and a beat without a pulse is a frame that the file has and the cable lost. A
silence longer than ``max_gap_ms`` ends the scan; what comes after it is the next one. A pulse is judged when it ends,
for its width tells. What an abort leaves behind is our reading: a pulse cut short, or one more pulse off the beat and
then silence, means that the frame being scanned was never finished, and the file does not have it. A clock of short
pulses cannot tell such an abort from a clean end unless it sends that pulse.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rig import wire

OFF_BEAT = 0.1  # of a frame: further from the beat than this is no frame
GLITCH = 0.25  # of a pulse's usual width: shorter is no pulse
CUT = 0.9  # shorter than this and the last of its scan: the frame was aborted
WIDTHS = 3  # pulses seen before their width is known
FOLLOW = 0.05  # how fast rate and width follow
WANDER = 0.1  # intervals further off than this do not move the rate
RELOCK = 2  # so many more pulses on a beat of their own: a scan that began anew without a pause
MAX_RATE_ERROR = 0.12  # from the rate in the configuration

_INPUT, _OUTPUT = wire.BY_NAME["input"], wire.BY_NAME["output"]
_FRAME = 1 << wire.INPUTS.index("frame")
_NEXT_FILE = 1 << wire.OUTPUTS.index("next_file")


class Finding(NamedTuple):
    """Something to be told. ``frame``: how many frames the files have so far.

    ``what``: started, stopped (a scan), missing (``n`` pulses did not come), extra (a pulse off the beat), glitch (too
    short a pulse), aborted (the frame being scanned was not finished), late (live only: no pulse where one is due;
    what that was is told as missing or stopped).
    """

    what: str
    board_us: int
    frame: int
    n: int = 1


FAULTS = ("missing", "extra", "glitch", "aborted")


@dataclass
class File:
    """What one file of the microscope should hold: it begins with a scan, or with a next-file trigger."""

    first_us: int
    frames: int = 0  # those whose pulse was lost included
    missing: int = 0
    scan: int = 0

    def plain(self) -> dict[str, int]:
        """As JSON can hold it."""
        return {"first_us": self.first_us, "frames": self.frames, "missing": self.missing, "scan": self.scan}


class Place(NamedTuple):
    """Where a moment lies among the frames: file and frames count from 1, ``fraction`` from 0 to 1 within the frame."""

    file: int
    frame_of_file: int
    frame: int
    fraction: float


@dataclass
class FrameWatch:
    """Feed it each edge, and the time now and then. ``rises_us`` is where each frame of the files began."""

    frame_hz: float
    max_gap_ms: float = 300.0
    files: list[File] = field(default_factory=list)
    rises_us: list[int] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))

    def __post_init__(self) -> None:
        self.period_us = self._nominal_us = 1e6 / self.frame_hz
        self._gap_us = int(1000 * self.max_gap_ms)
        self._first_of_file: list[int] = []  # index into rises_us
        self._scans = 0
        self._running = False
        self._last_us = 0  # the last frame's pulse
        self._rise_us: int | None = None  # of a pulse that has not ended
        self._width_us = 0.0
        self._widths: list[int] = []
        self._short = False  # the last frame's pulse was cut
        self._stump_us: int | None = None  # the last pulse, if it was on the beat but so short that it is a glitch
        self._strays_us: list[int] = []  # the last pulses off the beat, where they keep a beat of their own
        self._told_late = False
        self._new_file = False

    @property
    def frames(self) -> int:
        """Frames in the files so far."""
        return len(self.rises_us)

    @property
    def rate_hz(self) -> float:
        """Frames a second, as the last ones came."""
        return 1e6 / self.period_us

    @property
    def scanning(self) -> bool:
        """Does a scan run?"""
        return self._running

    # --- pulses ------------------------------------------------------------------------------------------------------

    def edge(self, board_us: int, *, high: bool) -> list[Finding]:
        """The frame input changed."""
        found = self.passed(board_us)
        if self._rise_us is not None:  # its end, or, where that was lost, the next one's beginning
            self._pulse(self._rise_us, None if high else board_us - self._rise_us, found)
        self._rise_us = board_us if high else None
        return found

    def passed(self, board_us: int) -> list[Finding]:
        """Time has come so far without another edge."""
        found: list[Finding] = []
        if not self._running:
            return found
        newest_us = max(self._last_us, self._rise_us or 0, self._strays_us[-1] if len(self._strays_us) > 1 else 0)
        if board_us - newest_us > self._gap_us:
            self._stop(found)
        elif board_us - newest_us > (1 + OFF_BEAT) * self.period_us and not self._told_late:
            self._told_late = True
            self._tell(found, "late", int(self._last_us + self.period_us))
        return found

    def next_file(self) -> None:
        """The microscope was told to go on in another file: its next frame begins it."""
        self._new_file = self._running

    def _pulse(self, rise_us: int, width_us: int | None, found: list[Finding]) -> None:
        """A whole pulse. Is it a frame?"""
        known = len(self._widths) >= WIDTHS
        share = width_us / self._width_us if known and width_us is not None else 1.0
        if self._stump_us is not None and width_us is not None:
            whole_us = rise_us + width_us - self._stump_us
            if abs(whole_us - self._width_us) < (1 - CUT) * self._width_us:  # one pulse with a dent in it
                rise_us, share = self._stump_us, 1.0
        beats = round((rise_us - self._last_us) / self.period_us)
        off_us = rise_us - self._last_us - beats * self.period_us
        on_beat = beats >= 1 and abs(off_us) <= OFF_BEAT * self.period_us
        if share < GLITCH:
            self._stump_us = rise_us if on_beat else None
            self._tell(found, "glitch", rise_us)
        elif not self._running:
            self._start(rise_us, found)
        elif on_beat:
            self._accept(rise_us, beats, found)
        else:
            self._off_beat(rise_us, found)
            return
        if share >= GLITCH:
            self._learn_width(width_us, share)

    def _learn_width(self, width_us: int | None, share: float) -> None:
        self._short, self._stump_us = share < CUT, None
        if width_us is None:
            return
        if len(self._widths) < WIDTHS:
            self._widths.append(width_us)
            self._width_us = float(sorted(self._widths)[len(self._widths) // 2])
        elif not self._short:
            self._width_us += FOLLOW * (width_us - self._width_us)

    def _accept(self, rise_us: int, beats: int, found: list[Finding]) -> None:
        step_us = (rise_us - self._last_us) / beats
        if beats == 1 and abs(step_us - self.period_us) < WANDER * self.period_us:
            slack_us = MAX_RATE_ERROR * self._nominal_us
            period_us = self.period_us + FOLLOW * (step_us - self.period_us)
            self.period_us = min(max(period_us, self._nominal_us - slack_us), self._nominal_us + slack_us)
        for i in range(1, beats):
            self._add(int(self._last_us + i * step_us))
        if beats > 1:
            self.files[-1].missing += beats - 1
            self._tell(found, "missing", rise_us, beats - 1)
        self._add(rise_us)
        self._last_us = rise_us
        self._told_late = False
        self._strays_us = []

    def _off_beat(self, rise_us: int, found: list[Finding]) -> None:
        strays_us = self._strays_us
        if strays_us and abs(rise_us - strays_us[-1] - self.period_us) > WANDER * self.period_us:
            strays_us.clear()
        strays_us.append(rise_us)
        self._tell(found, "extra", rise_us)
        if len(strays_us) > RELOCK and strays_us[0] - self._last_us > self.period_us:
            self._strays_us = []
            self._stop(found)
            self.faults["extra"] -= len(strays_us)  # they were frames, of the next scan
            self._start(strays_us[0], found)
            for at_us in strays_us[1:]:
                self._accept(at_us, 1, found)

    # --- scans and files ---------------------------------------------------------------------------------------------

    def _start(self, rise_us: int, found: list[Finding]) -> None:
        self._scans += 1
        self._running = self._new_file = True
        self._short, self._stump_us, self._told_late = False, None, False
        self._strays_us = []
        self._add(rise_us)
        self._last_us = rise_us
        self._tell(found, "started", rise_us)

    def _stop(self, found: list[Finding]) -> None:
        """The silence has become too long to be lost pulses."""
        self._running = False
        stray = bool(self._strays_us) and self._strays_us[-1] - self._last_us < self.period_us
        if self._short or stray:
            self._drop_last()
            self._tell(found, "aborted", self._last_us)
        elif self._stump_us is not None:
            self.faults["glitch"] -= 1  # it was the beginning of a frame
            self._tell(found, "aborted", self._last_us)
        self._tell(found, "stopped", self._last_us)

    def _add(self, rise_us: int) -> None:
        if self._new_file:
            self._new_file = False
            self.files.append(File(rise_us, scan=self._scans))
            self._first_of_file.append(len(self.rises_us))
        self.files[-1].frames += 1
        self.rises_us.append(rise_us)

    def _drop_last(self) -> None:
        self.rises_us.pop()
        self.files[-1].frames -= 1
        if not self.files[-1].frames:
            self.files.pop()
            self._first_of_file.pop()

    def _tell(self, found: list[Finding], what: str, board_us: int, n: int = 1) -> None:
        if what in self.faults:
            self.faults[what] += n
        found.append(Finding(what, board_us, self.frames, n))

    # --- questions ---------------------------------------------------------------------------------------------------

    def place(self, board_us: int) -> Place | None:
        """The frame that a moment lies in; None where the microscope did not scan."""
        at = bisect_right(self.rises_us, board_us) - 1
        if at < 0:
            return None
        file = bisect_right(self._first_of_file, at) - 1
        rise_us = self.rises_us[at]
        next_us = self.rises_us[at + 1] if at + 1 < self.frames else None
        if next_us is None or next_us - rise_us > 1.5 * self.period_us:
            next_us = rise_us + int(self.period_us)
        fraction = (board_us - rise_us) / (next_us - rise_us)
        return Place(file + 1, at - self._first_of_file[file] + 1, at + 1, fraction) if fraction < 1 else None

    def summary(self) -> dict[str, object]:
        """Counts, as a session's summary tells them."""
        files = [one.plain() for one in self.files]
        return {"frames": self.frames, **self.faults, "rate_hz": round(self.rate_hz, 3), "files": files}


class FrameReader:
    """Feeds a watch from events as a board sends them."""

    def __init__(self, watch: FrameWatch) -> None:
        self.watch = watch
        self._outputs = 0

    def input(self, board_us: int, levels: int, changed: int) -> list[Finding]:
        """An ``input`` event."""
        if not changed & _FRAME:
            return self.watch.passed(board_us)
        return self.watch.edge(board_us, high=bool(levels & _FRAME))

    def output(self, board_us: int, active: int) -> list[Finding]:
        """An ``output`` event: next_file may have gone up."""
        if active & ~self._outputs & _NEXT_FILE:
            self.watch.next_file()
        self._outputs = active
        return self.watch.passed(board_us)

    def payloads(self, events: Iterable[tuple[int, bytes]]) -> None:
        """A whole session: ``(board_us, payload)`` of its events, in order."""
        board_us = 0
        for board_us, payload in events:
            if payload[0] == _INPUT.number:
                self.input(board_us, *_INPUT.body.unpack_from(payload, wire.EVENT_HEADER.size))
            elif payload[0] == _OUTPUT.number:
                self.output(board_us, _OUTPUT.body.unpack_from(payload, wire.EVENT_HEADER.size)[0])
        self.watch.passed(board_us)
