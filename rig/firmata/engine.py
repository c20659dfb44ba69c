"""The trial machine behind StandardFirmata's pins: the same C as everywhere, stepped with the times it is given.

No port, no clock, no process: bytes of the board and of the session in, bytes for both out. So the same engine runs in
real time (``loop``), beside a model of the board and beside the real sketch on an emulated chip, in virtual time.
Samples, levels and outputs are the C side's (``trials``); all else the board says goes through pyfirmata2 (``board``).
"""

from __future__ import annotations

from collections import deque
from typing import Any

from rig import wire
from rig.errors import BoardError
from rig.firmata.board import PinBoard
from rig.firmata.guard import safe_bytes
from rig.firmata.meet import Meeting, Port
from rig.firmata.trials import Trials
from rig.firmata.wiring import Placed, Wiring

PROBE_US = 1_000_000
SILENT_US = 250_000  # of the analogue channel: a sample is due every millisecond
DEAF_US = 3_000_000  # of the board: a version is asked for every second
STUCK_US = 60_000_000


class Engine:
    """One session's worth of trial machine on one board. :meth:`begin` first, then bytes and time."""

    trials: Trials

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.board = PinBoard()
        self.rest_counts = 0
        self.rest_sd_counts = 0.0
        self.sample_period_us = 0.0
        self.round_trips_us: deque[int] = deque(maxlen=100)
        self._stuck = False
        self._asked = False
        self._asked_us = self._answered_us = self.check_us = 0

    def begin(self, port: Port) -> None:
        """Find out who answers, check the pins, make the outputs safe, zero the lever. Raises BoardError."""
        meeting = Meeting(self.wiring, self.board, port)
        placed = meeting.run()
        self.rest_counts, self.rest_sd_counts = meeting.rest_counts, meeting.rest_sd_counts
        self.sample_period_us = meeting.sample_period_us
        self.round_trips_us.extend(meeting.round_trips_us)
        self.start(port.now_ns() // 1000, placed)

    def start(self, now_us: int, placed: Placed) -> None:
        """The machine, from now on, on these pins."""
        self.trials = Trials(now_us, placed, self.rest_counts, self.board.levels)
        self.trials.take(now_us, self.board.splitter.leave())
        self._answered_us = self.check_us = now_us

    # --- bytes and time ----------------------------------------------------------------------------------------------

    def serial(self, now_us: int, data: bytes) -> None:
        """Bytes from the board, arrived now: decided and acted on before this returns. Raises BoardError."""
        self.trials.take(now_us, data)
        self.attend(now_us)

    def session(self, now_us: int, data: bytes) -> None:
        """Bytes from the session, arrived now. Raises BoardError."""
        self.trials.hear(now_us, data)
        self.attend(now_us)

    def step(self, now_us: int) -> None:
        """Time has passed. Raises BoardError where the board has not been heard for too long."""
        self.trials.step(now_us)
        self.attend(now_us)

    def attend(self, now_us: int) -> None:
        """What does not decide a trial: the board's other words, outputs without a pin, silence. Raises BoardError."""
        words = self.trials.words()
        if words and self.board.take(words):
            self._answered_us = now_us
            if self._asked:
                self._asked = False
                self.round_trips_us.append(now_us - self._asked_us)
        seen = self.trials.seen
        if seen.unwired or seen.dim:
            self._refuse(seen.unwired)
        if now_us >= self.check_us:
            self._check(now_us)

    def _refuse(self, unwired: int) -> None:
        """A record must not claim an output that no pin has."""
        if not unwired:
            raise BoardError("light below full command needs pins.laser_level (a PWM pin); name it in config.yaml")
        role = next(name for i, name in enumerate(wire.OUTPUTS) if unwired >> i & 1)
        raise BoardError(f"the protocol uses {role}, which has no pin: name it in config.yaml, pins.{role}")

    def _check(self, now_us: int) -> None:
        self.check_us = now_us + PROBE_US // 4
        seen = self.trials.seen
        heard_us = max(seen.heard_us, self._answered_us)
        silent_us = now_us - (seen.sample_us if self.wiring.analogue else heard_us)
        if now_us - heard_us > DEAF_US or (self.wiring.analogue and silent_us > SILENT_US):
            raise BoardError(f"the board has been silent for {silent_us // 1000} ms: check the cable")
        self._stuck = self._stuck or (self.wiring.analogue and now_us - seen.moved_us > STUCK_US)
        if now_us - self._asked_us >= PROBE_US:
            self._asked, self._asked_us = True, now_us
            self.board.ask_version()
            self.trials.say(self.board.give())

    # --- what it was like --------------------------------------------------------------------------------------------

    @property
    def warnings(self) -> list[str]:
        """What looks wrong with the lever, as sentences."""
        seen, said = self.trials.seen, []
        if self._stuck:
            said.append("lever: not one count of change for a minute: stuck? check its cable and supply")
        if seen.jumps:
            said.append(f"lever: jumped a quarter of its range between samples, {seen.jumps} x: check for a loose wire")
        if seen.ends:
            said.append(f"lever: at an end of its converter, {seen.ends} x: check its supply, or give it less travel")
        return said

    def about(self) -> dict[str, Any]:
        """Which board it is, and how its lever rests."""
        return {
            "firmware": self.board.firmware,
            "firmware_version": self.board.firmware_version,
            "protocol": self.board.firmata_version,
            "rest_counts": self.rest_counts,
            "rest_sd_counts": round(self.rest_sd_counts, 2),
        }

    def status(self, scheduling: str) -> dict[str, Any]:
        """How good its times are, so far. ``scheduling``: what the process that runs it was granted."""
        trips = sorted(self.round_trips_us)
        return {
            "clock": "host",
            "uncertainty_us": round(self.uncertainty_us),
            "scheduling": scheduling,
            "frames": self.trials.replies,
            **self.trials.times_us(),
            "sample_period_us": round(self.sample_period_us),
            "round_trip_us": trips[len(trips) // 2] if trips else 0,
            "round_trip_worst_us": trips[-1] if trips else 0,
            "stray_bytes": self.board.splitter.stray,
            "warnings": self.warnings,
        }

    @property
    def uncertainty_us(self) -> float:
        """How long before its stamp an input may have changed, or after it an output: a sample and a round trip."""
        return self.sample_period_us + max(self.round_trips_us, default=0)

    def make_safe(self) -> bytes:
        """Bytes that put every output low, whatever was being said."""
        return safe_bytes(sorted({pin // 8 for pin in self.wiring.outputs.values()}))
