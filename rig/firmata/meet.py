"""Before a session: who answers at the port, can its pins do what they are named for, where does the lever rest?

All through pyfirmata2 (``board``). No clock and no port of its own: both come with :class:`Port`, so that a model of
the board or an emulated one is met in virtual time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Protocol

from rig.errors import BoardError
from rig.firmata.board import PinBoard
from rig.firmata.guard import safe_bytes
from rig.firmata.trials import INPUT_BITS, SWITCH
from rig.firmata.wiring import Placed, Wiring, place

WAIT_WHO_US = 12_000_000  # an Uno's bootloader, then StandardFirmata's blinking of its version
WAIT_PINS_US = 3_000_000
ASK_AGAIN_US = 500_000
REST_SAMPLES = 1000  # a second: a paw that holds the lever for a moment is not rest
SKIPPED_SAMPLES = 30  # StandardFirmata first hurries through those it believes it owes
WAIT_REST_US = 15_000_000
LOW_PROTOCOL = (2, 3)  # the first with capability and mapping replies
PROBES = 10


class Port(Protocol):
    """The board's port: what :class:`rig.link.Link` says of these three."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, timeout_ns: int) -> bytes:
        """The bytes that came, waiting at most so long."""

    def now_ns(self) -> int:
        """The time, which is the trial machine's too."""


class Meeting:
    """One board met; what was found stands in its attributes."""

    def __init__(self, wiring: Wiring, board: PinBoard, port: Port) -> None:
        self.wiring, self.board, self.port = wiring, board, port
        self.rest_counts = 0
        self.rest_sd_counts = 0.0
        self.sample_period_us = 0.0
        self.round_trips_us: list[int] = []
        self._samples: list[int] = []

    def run(self) -> Placed:
        """Everything. Raises BoardError."""
        board, port = self.board, self.port
        board.pullups = self.wiring.pullups
        board.on_sample = self._samples.append
        ports = sorted({pin // 8 for pin in self.wiring.outputs.values()})
        port.write(safe_bytes(ports))
        self._ask(board.ask_who, lambda: None not in (board.firmware, board.firmata_version), WAIT_WHO_US, _NOBODY)
        if board.firmata_version < LOW_PROTOCOL or board.firmata_version[0] != 2:
            raise BoardError(f"the board speaks Firmata {board.firmata_version}: flash StandardFirmata 2.3 or later")
        port.write(safe_bytes(ports))
        self._ask(board.ask_pins, lambda: bool(board.able) and board.mapped, WAIT_PINS_US, _NO_PINS)
        placed = place(self.wiring, board.able, board.channels)
        board.settle(placed, INPUT_BITS)
        watched = {pin // 8 for pin in placed.inputs.values()}
        self._ask(lambda: None, lambda: watched <= board.ports_seen, WAIT_PINS_US, _NO_INPUTS)
        self._find_rest(placed)
        self._probe()
        board.on_sample = lambda counts: None
        return placed

    def _now_us(self) -> int:
        return self.port.now_ns() // 1000

    def _ask(self, ask: Callable[[], None], done: Callable[[], bool], wait_us: int, complaint: str) -> None:
        start_us = asked_us = self._now_us()
        ask()
        while not done():
            now_us = self._now_us()
            if now_us - start_us > wait_us:
                raise BoardError(complaint)
            if now_us - asked_us > ASK_AGAIN_US:
                asked_us = now_us
                ask()
            self._exchange()
        self.port.write(self.board.give())

    def _exchange(self, wait_ns: int = 20_000_000) -> None:
        out = self.board.give()
        if out:
            self.port.write(out)
        self.board.take(self.port.read(wait_ns))

    def _find_rest(self, placed: Placed) -> None:
        """The lever's rest and noise, from the first second in which it is still."""
        if not self.wiring.analogue:
            self.rest_counts = self.board.levels >> SWITCH
            return
        start_us = first_us = self._now_us()
        first, samples = 0, self._samples
        limit = max(1.5, self.wiring.max_rest_sd_mm / self.wiring.mm_per_count)  # a converter's last bit: no movement
        while True:
            self._exchange()
            now_us = self._now_us()
            if len(samples) < SKIPPED_SAMPLES:
                first_us, first = now_us, len(samples)
            elif len(samples) >= SKIPPED_SAMPLES + REST_SAMPLES:
                self.rest_sd_counts = statistics.pstdev(samples[SKIPPED_SAMPLES:])
                self.sample_period_us = (now_us - first_us) / (len(samples) - first)
                if self.rest_sd_counts <= limit:
                    break
                samples.clear()
            if now_us - start_us > WAIT_REST_US:
                self._no_rest(limit)
        self.rest_counts = round(statistics.median(samples[SKIPPED_SAMPLES:]))
        if self.rest_counts in (0, (1 << placed.bits) - 1):
            raise BoardError(
                f"the lever's channel {self.wiring.lever} is stuck at {self.rest_counts}, an end of its converter:"
                " check its cable, its supply and pins.lever"
            )

    def _no_rest(self, limit: float) -> None:
        if self.rest_sd_counts == 0.0:
            raise BoardError(f"the board sends no samples of {self.wiring.lever}: flash StandardFirmata anew")
        raise BoardError(
            f"the lever's channel {self.wiring.lever} is noisy or moving: SD {self.rest_sd_counts:.1f} counts at rest,"
            f" {limit:.1f} allowed (lever.max_rest_sd_mm): let the lever go, check cable and ground"
        )

    def _probe(self) -> None:
        """Round trips before the session: what the wire, the board and this computer need."""
        for _ in range(PROBES):
            seen, asked_us = self.board.versions, self._now_us()
            self.board.ask_version()
            while self.board.versions == seen and self._now_us() - asked_us < 1_000_000:
                self._exchange()
            self.round_trips_us.append(self._now_us() - asked_us)


_NOBODY = (
    "no Firmata answers at 57600 baud: flash StandardFirmata (Arduino IDE: File, Examples, Firmata), check port and"
    " cable; a board with this project's own firmware is body: serial"
)
_NO_PINS = "the board tells no pin capabilities: flash StandardFirmata 2.3 or later"
_NO_INPUTS = "the board reports no digital inputs: flash StandardFirmata anew"
