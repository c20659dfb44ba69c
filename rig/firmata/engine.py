"""The trial machine behind StandardFirmata's pins: the same C as everywhere, stepped with the times it is given.

No port, no clock, no process: bytes of the board and of the session in, bytes for both out. So the same engine runs in
real time (``loop``), beside a model of the board and beside the real sketch on an emulated chip, in virtual time.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from typing import Protocol

from rig import core, wire
from rig.errors import BoardError
from rig.firmata.board import PinBoard
from rig.firmata.guard import safe_bytes
from rig.firmata.wiring import TONE, Placed, Wiring, place

MASK = (1 << 32) - 1
WAIT_WHO_US = 12_000_000  # an Uno's bootloader, then StandardFirmata's blinking of its version
WAIT_PINS_US = 3_000_000
ASK_AGAIN_US = 500_000
REST_SAMPLES = 1000  # a second: a paw that holds the lever for a moment is not rest
SKIPPED_SAMPLES = 30  # StandardFirmata first hurries through those it believes it owes
WAIT_REST_US = 15_000_000
PROBE_US = 1_000_000
SILENT_US = 250_000  # of the analogue channel: a sample is due every millisecond
DEAF_US = 3_000_000  # of the board: a version is asked for every second
LOW_PROTOCOL = (2, 3)  # the first with capability and mapping replies
_LASER = wire.OUTPUTS.index("laser")
_TONE_BIT = 1 << len(wire.OUTPUTS)
_SWITCH = len(wire.INPUTS)


class Port(Protocol):
    """The board's port: what :class:`rig.link.Link` says of these three."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, timeout_ns: int) -> bytes:
        """The bytes that came, waiting at most so long."""

    def now_ns(self) -> int:
        """The time, which is the trial machine's too."""


class Trials:
    """The trial machine in real time, over cffi; times are µs of any size."""

    def __init__(self, now_us: int) -> None:
        self._ffi, self._lib = core.load()
        self._memory = self._ffi.new("uint64_t[]", self._lib.host_size() // 8 + 1)
        self.host = self._ffi.cast("host_t *", self._memory)
        self._out = self._ffi.new("uint8_t[]", 1 << 12)
        self.lib = self._lib
        self._lib.host_start(self.host, now_us & MASK, 1, 0, int(wire.BoardKind.FIRMATA), 0)

    def step(self, now_us: int) -> None:
        """Everything due by now."""
        self._lib.host_step(self.host, now_us & MASK)

    def move(self, counts: int) -> None:
        """The lever moved so far, now."""
        self._lib.host_lever_to(self.host, self._lib.host_lever(self.host) + counts)

    def next_us(self, now_us: int) -> int:
        """When the next step is due."""
        ahead = (self._lib.host_next(self.host) - now_us) & MASK
        return now_us + (ahead if ahead < 1 << 31 else 0)

    def send(self, room: int = 1 << 12) -> bytes:
        """Bytes for the session."""
        n = self._lib.host_send(self.host, self._out, min(room, 1 << 12))
        return bytes(self._ffi.buffer(self._out, n)) if n else b""


class Engine:
    """One session's worth of trial machine on one board. :meth:`begin` first, then bytes and time."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.board = PinBoard()
        self.board.pullups = wiring.pullups
        self.board.on_sample = self._sample
        self.placed: Placed | None = None
        self.rest_counts = 0
        self.rest_sd_counts = 0.0
        self.sample_period_us = 0.0
        self.round_trips_us: deque[int] = deque(maxlen=100)
        self.warnings: dict[str, int] = {}
        self.active = 0  # wired outputs that are on, bit per output; the tone's gate above them
        self._bits = {**{name: i for i, name in enumerate(wire.INPUTS)}, "lever": _SWITCH}
        self._samples: list[int] = []
        self._counts = 0
        self._pin_bits: list[tuple[int, int]] = []
        self._light = 255
        self._levels = self._versions = self._wanted = 0
        self._asked_us = self._heard_us = self._sample_us = self._moved_us = self._probe_due_us = 0
        self._asked = False

    # --- before a session --------------------------------------------------------------------------------------------

    def begin(self, port: Port) -> None:
        """Find out who answers, check the pins, make the outputs safe, zero the lever. Raises BoardError."""
        board = self.board
        ports = sorted({pin // 8 for pin in self.wiring.outputs.values()})
        port.write(safe_bytes(ports))
        self._ask(port, board.ask_who, lambda: board.firmware is not None, WAIT_WHO_US, _NOBODY)
        if (board.firmata_version or (0, 0)) < LOW_PROTOCOL or board.firmata_version[0] != 2:
            raise BoardError(f"the board speaks Firmata {board.firmata_version}: flash StandardFirmata 2.3 or later")
        port.write(safe_bytes(ports))
        self._ask(port, board.ask_pins, lambda: bool(board.able) and board.mapped, WAIT_PINS_US, _NO_PINS)
        self.placed = place(self.wiring, board.able, board.channels)
        board.settle(self.placed, self._bits)
        watched = {pin // 8 for pin in self.placed.inputs.values()}
        self._ask(port, lambda: None, lambda: watched <= board.ports_seen, WAIT_PINS_US, _NO_INPUTS)
        self._find_rest(port)
        self._probe(port)
        roles = (*wire.OUTPUTS, TONE)
        self._pin_bits = [(pin, 1 << roles.index(role)) for role, pin in self.placed.outputs.items()]
        now_us = port.now_ns() // 1000
        self._heard_us = self._sample_us = self._moved_us = self._probe_due_us = now_us
        self.trials = Trials(now_us)
        self.trials.lib.host_input_now(self.trials.host, board.levels & 0xFF)
        self._levels = board.levels & 0xFF
        self._samples.clear()
        self._counts = self.rest_counts

    def _ask(self, port: Port, ask: Callable[[], None], done: Callable[[], bool], wait_us: int, complaint: str) -> None:
        start_us = asked_us = port.now_ns() // 1000
        ask()
        while not done():
            now_us = port.now_ns() // 1000
            if now_us - start_us > wait_us:
                raise BoardError(complaint)
            if now_us - asked_us > ASK_AGAIN_US:
                asked_us = now_us
                ask()
            self._exchange(port)
        port.write(self.board.give())

    def _exchange(self, port: Port, wait_ns: int = 20_000_000) -> bool:
        out = self.board.give()
        if out:
            port.write(out)
        return self.board.take(port.read(wait_ns)) > 0

    def _find_rest(self, port: Port) -> None:
        """The lever's rest and noise, from the first second in which it is still."""
        if not self.wiring.analogue:
            self.rest_counts = self.board.levels >> _SWITCH
            return
        start_us = first_us = port.now_ns() // 1000
        first = 0
        limit = max(
            1.5, self.wiring.max_rest_sd_mm / self.wiring.mm_per_count
        )  # a converter's own last bit is no movement
        while True:
            self._exchange(port)
            now_us = port.now_ns() // 1000
            if len(self._samples) < SKIPPED_SAMPLES:
                first_us, first = now_us, len(self._samples)
            elif len(self._samples) >= SKIPPED_SAMPLES + REST_SAMPLES:
                self.rest_sd_counts = statistics.pstdev(self._samples[SKIPPED_SAMPLES:])
                self.sample_period_us = (now_us - first_us) / (len(self._samples) - first)
                if self.rest_sd_counts <= limit:
                    break
                self._samples.clear()
            if now_us - start_us > WAIT_REST_US:
                self._no_rest(limit)
        self.rest_counts = round(statistics.median(self._samples[SKIPPED_SAMPLES:]))
        if self.rest_counts in (0, (1 << self.placed.bits) - 1):  # type: ignore[union-attr]
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

    def _probe(self, port: Port) -> None:
        """Ten round trips before the session: what the wire, the board and this computer need."""
        for _ in range(10):
            seen = self.board.versions
            asked_us = port.now_ns() // 1000
            self.board.ask_version()
            while self.board.versions == seen and port.now_ns() // 1000 - asked_us < 1_000_000:
                self._exchange(port)
            self.round_trips_us.append(port.now_ns() // 1000 - asked_us)

    # --- a session ---------------------------------------------------------------------------------------------------

    def _sample(self, counts: int) -> None:
        self._samples.append(counts)

    def serial(self, now_us: int, data: bytes) -> None:
        """Bytes from the board, arrived now: decided and acted on before this returns. Raises BoardError."""
        board, trials = self.board, self.trials
        if not board.take(data):
            return
        trials.step(now_us)
        self._heard_us = now_us
        levels = board.levels
        if not self.wiring.analogue:
            self._samples.append(levels >> _SWITCH)
        if self._samples:
            self._sample_us = now_us
            for counts in self._samples:
                if counts != self._counts:
                    self._watch_jumps(counts, now_us)
                    trials.move(counts - self._counts)
                    self._counts = counts
            self._samples.clear()
        if levels & 0xFF != self._levels:
            self._levels = levels & 0xFF
            trials.lib.host_input_now(trials.host, self._levels)
        if self._asked and board.versions != self._versions:
            self._asked = False
            self.round_trips_us.append(now_us - self._asked_us)
        self._act()

    def session(self, now_us: int, data: bytes) -> None:
        """Bytes from the session, arrived now."""
        self.trials.step(now_us)
        self.trials.lib.host_receive(self.trials.host, data, len(data))
        self._act()

    def step(self, now_us: int) -> None:
        """Time has passed. Raises BoardError where the board has not been heard for too long."""
        self.trials.step(now_us)
        self._act()
        if now_us >= self._probe_due_us:
            self._check(now_us)

    def _check(self, now_us: int) -> None:
        self._probe_due_us = now_us + PROBE_US // 4
        if now_us - self._heard_us > DEAF_US or (self.wiring.analogue and now_us - self._sample_us > SILENT_US):
            raise BoardError(f"the board has been silent for {(now_us - self._sample_us) // 1000} ms: check the cable")
        if self.wiring.analogue and now_us - self._moved_us > 60_000_000:
            self.warnings["lever: not one count of change for a minute: stuck?"] = 1
        if now_us - self._asked_us >= PROBE_US:
            self._asked, self._asked_us, self._versions = True, now_us, self.board.versions
            self.board.ask_version()

    def _watch_jumps(self, counts: int, now_us: int) -> None:
        self._moved_us = now_us
        top = (1 << self.placed.bits) - 1  # type: ignore[union-attr]
        if top > 1 and abs(counts - self._counts) > top // 4:
            self._warn("lever: jumps of a quarter of its range between samples: a loose wire?")
        if top > 1 and counts in (0, top):
            self._warn(f"lever: reaches the end of its converter ({counts})")

    def _warn(self, text: str) -> None:
        self.warnings[text] = self.warnings.get(text, 0) + 1

    def _act(self) -> None:
        """Outputs follow the machine. Raises BoardError for one that has no pin: a record must not claim it."""
        trials = self.trials
        active = int(trials.lib.host_outputs(trials.host))
        wired = active | (_TONE_BIT if trials.lib.host_tone_hz(trials.host) else 0)
        if active >> _LASER & 1:
            self._set_light(int(trials.lib.host_level(trials.host, _LASER)))
        changed = wired ^ self._wanted
        if not changed:
            return
        self._wanted = wired
        pins = {pin: int(bool(wired & bit)) for pin, bit in self._pin_bits if changed & bit}
        if pins:
            self.board.set_outputs(pins)
        self.active = sum(bit for _, bit in self._pin_bits if wired & bit)
        if active & ~self.active:
            role = next(name for i, name in enumerate(wire.OUTPUTS) if (active & ~self.active) >> i & 1)
            raise BoardError(f"the protocol uses {role}, which has no pin: name it in config.yaml, pins.{role}")

    def _set_light(self, level: int) -> None:
        if level == self._light:
            return
        if self.placed is None or self.placed.light_level is None:
            raise BoardError("light below full command needs pins.laser_level (a PWM pin); name it in config.yaml")
        self._light = level
        self.board.set_light_level(self.placed.light_level, level)

    def make_safe(self) -> bytes:
        """Bytes that put every output low, whatever was being said."""
        return safe_bytes(sorted({pin // 8 for pin in self.wiring.outputs.values()}))

    @property
    def uncertainty_us(self) -> float:
        """How long before its stamp an input may have changed, or after it an output: a sample and a round trip."""
        return self.sample_period_us + max(self.round_trips_us, default=0)


_NOBODY = (
    "no Firmata answers at 57600 baud: flash StandardFirmata (Arduino IDE: File, Examples, Firmata), check port and"
    " cable; a board with this project's own firmware is body: serial"
)
_NO_PINS = "the board tells no pin capabilities: flash StandardFirmata 2.3 or later"
_NO_INPUTS = "the board reports no digital inputs: flash StandardFirmata anew"
