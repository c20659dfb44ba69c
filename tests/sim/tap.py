"""The tapped board: the host body built with tap.c, and what really happened on it, read from outside the program.

May not: judge.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cffi
import numpy as np

from rig.bodies import core

SOURCE = Path(__file__).with_name("tap.c")
WRAPPED = ("core_init", "core_step", "core_command", "core_host_heard", "queue_open", "queue_open_if")
ROOM = 1 << 20
PINS = np.dtype(
    [
        ("t_us", "u8"),
        ("silent_us", "u4"),
        ("life", "u2"),
        ("active", "u2"),
        ("pins", "u2"),
        ("levels", "u1"),
        ("armed", "u1"),
        ("pad", "u4"),
    ]
)


@functools.cache
def load(queue_bytes: int = 2048, *more: str) -> tuple[Any, Any]:
    """``(ffi, lib)`` of the tapped board with a queue of this size; ``more``: flags of a mutant."""
    text = SOURCE.read_text(encoding="utf-8")
    ffi = cffi.FFI()
    ffi.cdef(core.declarations() + text.partition("/* cffi: begin */")[2].partition("/* cffi: end */")[0])
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    wraps = ",".join(f"--wrap={name}" for name in WRAPPED)
    flags = (str(SOURCE), f"-DTAP_VERSION=0x{version}", f"-Wl,{wraps}", f"-DRIG_QUEUE_BYTES={queue_bytes}", *more)
    return ffi, ffi.dlopen(str(core.build(flags)))


@dataclass
class Life:
    """One life of the board, from power-on (or reset) to the next. Event n, as a payload, is ``events[n]``."""

    boot: int
    events: dict[int, bytes] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)  # numbers that found no room
    pins: Any = field(default_factory=lambda: np.empty(0, PINS))


@dataclass
class Truth:
    """Everything that happened on the board."""

    lives: list[Life] = field(default_factory=list)
    _pins: list[Any] = field(default_factory=list)

    def take(self, ffi: Any, lib: Any) -> None:
        """Empty the tap."""
        room = ffi.new("uint8_t[]", ROOM)
        data = b""
        while n := lib.tap_events(room, ROOM):
            data += bytes(ffi.buffer(room, n))
        self._read(data)
        pins = ffi.new("tap_pins_t[]", 65536)
        assert ffi.sizeof("tap_pins_t") == PINS.itemsize
        while n := lib.tap_pins(pins, 65536):
            self._pins.append(np.frombuffer(bytes(ffi.buffer(pins, n * PINS.itemsize)), PINS))

    def _read(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            size, kept = data[at], data[at + 1]
            if size == 0:
                self.lives.append(Life(int.from_bytes(data[at + 2 : at + 4], "little")))
                at += 4
                continue
            payload = data[at + 2 : at + 2 + size]
            number = int.from_bytes(payload[1:5], "little")
            life = self.lives[-1]
            life.events[number] = payload
            if not kept:
                life.dropped.add(number)
            at += 2 + size

    def close(self) -> None:
        """Sort the pins into their lives."""
        whole = np.concatenate(self._pins) if self._pins else np.empty(0, PINS)
        for life in self.lives:
            life.pins = whole[whole["life"] == life.boot]
