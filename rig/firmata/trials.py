"""The trial machine with a StandardFirmata board's pins, over cffi: ``firmware/boards/host/firmata.h`` for Python.

Pure but for :meth:`Trials.wait` and :meth:`Trials.flush`, which read, write and sleep on descriptors. Times are µs of
any size; the machine keeps 32 bits of them.
"""

from __future__ import annotations

from typing import Any

from rig import wire
from rig.bodies import core
from rig.firmata.wiring import TONE, Placed

MASK = (1 << 32) - 1
ROOM = 1 << 12
SWITCH = len(wire.INPUTS)  # the bit of a lever that is a switch, above the inputs
INPUT_BITS = {**{name: i for i, name in enumerate(wire.INPUTS)}, "lever": SWITCH}
OUTPUT_BITS = {name: i for i, name in enumerate((*wire.OUTPUTS, TONE))}


class Trials:
    """One machine on one board.

    Args:
        at_counts: where the lever is.
        levels: of the inputs as the pins have them, by ``INPUT_BITS``.
    """

    def __init__(self, now_us: int, placed: Placed, at_counts: int, levels: int) -> None:
        self._ffi, self.lib = core.load()
        self._memory = [
            self._ffi.new("uint64_t[]", n // 8 + 1) for n in (self.lib.host_size(), self.lib.firmata_size())
        ]
        self.host = self._ffi.cast("host_t *", self._memory[0])
        self.pins = self._ffi.cast("firmata_t *", self._memory[1])
        self._room = self._ffi.new("uint8_t[]", ROOM)
        self.lib.host_start(self.host, now_us & MASK, 1, 0, int(wire.BoardKind.FIRMATA), 0)
        self.lib.host_input_now(self.host, levels & 0xFF)
        self._place(now_us, placed, at_counts, levels)
        self.seen: Any = self.lib.firmata_seen(self.pins)  # the struct itself: what it says is always of now

    def _place(self, now_us: int, placed: Placed, at_counts: int, levels: int) -> None:
        lib, pins = self.lib, self.pins
        switch = placed.channel is None
        lib.firmata_start(pins, self.host, now_us, placed.channel or 0, 0 if switch else placed.bits, at_counts, levels)
        for role, pin in placed.inputs.items():
            lib.firmata_input(pins, pin, INPUT_BITS[role])
        if switch:
            lib.firmata_input(pins, placed.lever, SWITCH)
        for role, pin in placed.outputs.items():
            lib.firmata_output(pins, pin, OUTPUT_BITS[role])
        if placed.light_level is not None:
            lib.firmata_light(pins, placed.light_level)

    # --- bytes and time ----------------------------------------------------------------------------------------------

    def take(self, now_us: int, data: bytes) -> None:
        """Bytes from the board, arriving now: decided upon before this returns."""
        self.lib.firmata_take(self.pins, now_us, data, len(data))

    def hear(self, now_us: int, data: bytes) -> None:
        """Bytes from the session, arriving now."""
        self.lib.firmata_hear(self.pins, now_us, data, len(data))

    def step(self, now_us: int) -> None:
        """Everything due by now."""
        self.lib.firmata_step(self.pins, now_us)

    def say(self, data: bytes) -> None:
        """Whole messages for the board, beside the machine's own."""
        self.lib.firmata_say(self.pins, data, len(data))

    def next_us(self, now_us: int) -> int:
        """When the next step is due."""
        ahead = (self.lib.host_next(self.host) - now_us) & MASK
        return now_us + (ahead if ahead < 1 << 31 else 0)

    def out(self) -> bytes:
        """Bytes for the board."""
        return self._taken(self.lib.firmata_out)

    def words(self) -> bytes:
        """What the board said beside samples and levels."""
        return self._taken(self.lib.firmata_words)

    def said(self) -> bytes:
        """Bytes for the session."""
        return self._taken(self.lib.firmata_said)

    def _taken(self, take: Any) -> bytes:
        n = take(self.pins, self._room, ROOM)
        return bytes(self._ffi.buffer(self._room, n)) if n else b""

    # --- real time ---------------------------------------------------------------------------------------------------

    def wait(self, port: int, session: int, guard: int, until_ns: int, *, full: bool) -> int:
        """Sleep, decide, answer, until this process is wanted: bits ``FIRMATA_…`` of ``lib``."""
        return int(self.lib.firmata_wait(self.pins, port, session, guard, until_ns, full))

    def flush(self, port: int) -> int:
        """Write what there is for the board now. The same bits."""
        return int(self.lib.firmata_flush(self.pins, port))

    # --- how long it took --------------------------------------------------------------------------------------------

    @property
    def replies(self) -> int:
        """How many readings of the board's bytes were answered."""
        return int(self.lib.firmata_timed(self.pins, self.lib.FIRMATA_REPLY))

    def times_us(self) -> dict[str, float]:
        """``loop_…``: from the waking to the write; ``timer_…``: how late. p50 and p99 at most 7 % too high; worst."""
        return {
            f"{name}_{key}_us": round(self.lib.firmata_percentile_ns(self.pins, which, percent) / 1000, 1)
            for name, which in (("loop", self.lib.FIRMATA_REPLY), ("timer", self.lib.FIRMATA_LATE))
            for key, percent in (("p50", 50), ("p99", 99), ("worst", 100))
        }
