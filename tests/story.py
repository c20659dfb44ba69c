"""How a golden vector is put together: commands find their own time, frames are written out, pings acknowledge.

May not: know what any vector is about (that is make.py).
"""

from __future__ import annotations

import inspect
from dataclasses import replace

from bodies import Command, Edge, Happening, Heard, Input, command
from scenarios import Scenario, Table, push
from vector_bodies import run_vector_on_reference
from vectors import Vector

from rig import wire

FRAME_GAP_US = 1000  # commands come one by one, as over a serial line
HEARTBEAT_US = 100_000
READY_US = 60_000  # trials begin about then
ALL = 0xFF


class Story:
    """Collects what happens; commands find their own time, one after the other."""

    def __init__(self, start_us: int = 0, loose: bool = True) -> None:
        self.start_us, self.loose = start_us, loose
        self.happenings: list[Happening] = []
        self.t_us = 1000

    @classmethod
    def of(cls, scenario: Scenario) -> Story:
        """The story of a random scenario: its commands keep their times."""
        story = cls(scenario.start_us % (1 << 32), loose=False)
        for h in scenario.happenings:
            story.happenings.append(replace(h, t_us=h.t_us - scenario.start_us))
        return story

    def host(self, *commands: Command) -> None:
        """These commands now, a frame's time apart."""
        for told in commands:
            self.happenings.append(Command(self.t_us, told.number, told.fields))
            self.t_us += FRAME_GAP_US

    def say(self, t_us: int, name: str, **values: int) -> None:
        self.happenings.append(command(t_us, name, **values))

    def setup(
        self, interlock: int = wire.NO_INPUT, deadman_us: int = 1_000_000, **limits: tuple[int, int, int]
    ) -> None:
        """Wires, limits (``valve=(max_on_us, window_us, max_duty_us)``), lock and arm."""
        self.host(command(0, "set_inputs", enabled=ALL, invert=0))
        self.host(command(0, "set_lever", source=0, period_us=1000, batch=20))
        for name, (max_on_us, window_us, duty_us) in limits.items():
            row = {"max_on_us": max_on_us, "window_us": window_us, "max_duty_us": duty_us}
            self.host(command(0, "set_output", output=wire.OUTPUTS.index(name), safe=0, **row))
        self.host(command(0, "set_safety", deadman_us=deadman_us, interlock=interlock))
        self.host(command(0, "lock"), command(0, "arm"))

    def trial(self, table: Table, commit_us: int | None = None) -> None:
        """The table's frames one by one; the last of them at ``commit_us``."""
        *rows, commit = table.commands(0)
        self.host(*rows)
        self.t_us = max(self.t_us, commit_us or 0)
        self.host(commit)

    def lever(self, t_us: int, counts: int, gap_us: int = 1000) -> None:
        self.happenings += push(t_us, counts, gap_us)

    def input(self, t_us: int, levels: int) -> None:
        self.happenings.append(Input(t_us, levels))

    def beat(self, end_us: int, begin_us: int = HEARTBEAT_US) -> None:
        self.happenings += [Heard(t) for t in range(begin_us, end_us, HEARTBEAT_US)]

    def vector(self, name: str, about: str, end_us: int) -> Vector:
        """With the host's frames written out and the reference's events as what is expected."""
        ordered = sorted(self.happenings, key=lambda h: (h.t_us, isinstance(h, (Command, Heard)), isinstance(h, Input)))
        vector = Vector(name, inspect.cleandoc(about), self.start_us, self.loose, end_us)
        hello = wire.encode("hello_ask", {"nonce": 1})  # a board takes nothing from a host it has not met
        vector.happenings.append((0, "rx", wire.frame(hello)))
        sequence = 0
        for i, h in enumerate(ordered):
            if isinstance(h, Edge):
                vector.happenings.append((h.t_us, "edge", h.delta))
            elif isinstance(h, Input):
                vector.happenings.append((h.t_us, "input", h.levels))
            elif isinstance(h, Command):
                payload = bytes((h.number, sequence & 255)) + h.fields
                vector.happenings.append((h.t_us, "rx", wire.frame(payload)))
                sequence += 0x10 <= h.number < 0x40  # no other number is a command to the link
            else:
                ping = wire.encode("ping", {"token": i, "next_event": 0})
                vector.happenings.append((h.t_us, "rx", wire.frame(ping)))
        vector.expected = run_vector_on_reference(vector)
        acknowledge(vector)
        return vector


def acknowledge(vector: Vector) -> None:
    """Each ping acknowledges what was told before the ping before it: that much has surely been sent by then."""
    before = 0
    for i, (t_us, kind, value) in enumerate(vector.happenings):
        if kind == "rx" and isinstance(value, bytes) and (payload := wire.FrameSplitter().feed(value)[0])[0] == 2:
            token = int(wire.decode(payload).fields["token"])  # type: ignore[arg-type]
            frame = wire.frame(wire.encode("ping", {"token": token, "next_event": before}))
            vector.happenings[i] = (t_us, kind, frame)
            before = sum(event.board_us < t_us for event in vector.expected)
