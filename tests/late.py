"""The core in a body whose step comes late, as on a busy board (shim.c): its interrupts are calls.

May not: judge.
"""

from __future__ import annotations

from dataclasses import dataclass

from bodies import U32, Command, Edge, Happening, Heard, Input, events_in, roomy
from reference import Event

RING = 6  # time for a step: the core keeps 15 edges, and 8 more may come in one microsecond


@dataclass(frozen=True)
class Foretold:
    """An interrupt wrote these outputs at once, with these levels of laser and mask."""

    t_us: int
    outputs: int
    levels: tuple[int, int]


class Late:
    """The core with a step that comes when it is called for, and what its interrupts foretold."""

    def __init__(self, start_us: int) -> None:
        self.ffi, self.lib = roomy()
        self.body = self.ffi.gc(self.lib.late_new(start_us & U32), self.lib.late_free)
        self.room = self.ffi.new("uint8_t[]", 4096)
        self.events: list[Event] = []
        self.foretold: list[Foretold] = []
        self.sequence = self.waiting = 0
        self.now_us = start_us
        self._took()

    def take(self, h: Happening) -> None:
        """Let it happen; only a command brings its step along."""
        self.now_us = h.t_us
        if isinstance(h, Edge):
            self.lib.late_edge(self.body, h.t_us & U32, h.delta)
        elif isinstance(h, Input):
            self.lib.late_input(self.body, h.t_us & U32, h.levels)
        elif isinstance(h, Heard):
            self.lib.late_heard(self.body, h.t_us & U32)
        elif isinstance(h, Command):
            sequence, fields = self.sequence & 255, h.fields
            self.lib.late_command(self.body, h.t_us & U32, sequence, h.number, fields, len(fields))
            self.sequence += 1
        self.waiting += 1
        self._took()

    def step(self, now_us: int) -> None:
        self.now_us = now_us
        self.waiting = 0
        self.lib.late_step(self.body, now_us & U32)
        self._took()

    def _took(self) -> None:
        while used := self.lib.late_take(self.body, self.room, 4096):
            self.events += events_in(bytes(self.ffi.buffer(self.room, used)))
        t_us, outputs = self.ffi.new("uint32_t[]", 64), self.ffi.new("uint16_t[]", 64)
        levels = self.ffi.new("uint8_t[]", 128)
        for i in range(self.lib.late_foretold(self.body, t_us, outputs, levels, 64)):
            unwrapped = self.now_us - (self.now_us - t_us[i] & U32)
            self.foretold.append(Foretold(unwrapped, outputs[i], (levels[2 * i], levels[2 * i + 1])))
