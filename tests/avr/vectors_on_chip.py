"""Golden vectors on the emulated chip, and on the reference with every frame at the time at which the chip took it.

A board takes a frame some 100 us after its last byte came. The chip tells when: a command by its ``applied`` event, a
ping by its ``pong``. So the witness hears the same at the same times, and both must tell the same. May not: judge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bodies import event
from reference import Event, Machine
from vectors import Vector, since

from avr.board import ChipBoard
from avr.records import bytes_of
from rig import wire

BEGIN_US = 2_000  # the vector begins so long after the chip is ready
BYTE_CYCLES = 160
EDGE_US = 25
FRAME_US, SMALL_FRAME_US = 1000, 2500
ALIVE_US = 140_000  # longer silences of the host are meant
PING_EVERY_US = {"atmega2560": 3_000, "atmega328p": 1_200}  # a small queue must be acknowledged often
STAMP_US = 15  # an input's stamp may wait so long for other interrupts
TAKEN_US = 150  # where nothing tells when
LATEST_US = 20_000
_COMMANDS = range(0x10, 0x40)
_EVENT = 0x80


def fitted(vector: Vector, small: bool = False) -> Vector:
    """The vector as a real encoder turns, one count at a time; its frames no denser than a host sends them that waits
    for answers; and with as many samples as a small board can keep."""
    happenings: list[tuple[int, str, bytes | int]] = []
    free_us, line_us = 0, 0
    for told_us, kind, told in vector.happenings:
        t_us, value = told_us, told
        if kind == "edge":
            for _ in range(abs(int(value))):
                free_us = max(free_us, t_us)
                happenings.append((free_us, kind, 1 if int(value) > 0 else -1))
                free_us += EDGE_US
            continue
        if isinstance(value, bytes):
            payloads = wire.FrameSplitter().feed(value)
            t_us = max(t_us, line_us)
            line_us = t_us + (SMALL_FRAME_US if small else FRAME_US)
            if small and payloads and payloads[0][0] == wire.BY_NAME["set_lever"].number:
                value = wire.frame(_slower(payloads[0]))
        happenings.append((t_us, kind, value))
    return replace(vector, happenings=sorted(happenings, key=lambda h: h[0]))


def _slower(payload: bytes) -> bytes:
    """The same ``set_lever`` with a sample every 5 ms, four in a message."""
    fields = wire.decode(payload).fields | {"period_us": 5000, "batch": 4}
    return wire.encode("set_lever", {key: int(value) for key, value in fields.items()}, payload[1])  # type: ignore[arg-type]


def _with_pings(vector: Vector, every_us: int) -> list[tuple[int, bytes | None]]:
    """The host's frames by time; None is a ping that acknowledges all that has come."""
    frames: list[tuple[int, bytes | None]] = []
    for t_us, kind, value in vector.happenings:
        if kind != "rx" or not isinstance(value, bytes):
            continue
        if frames and t_us - frames[-1][0] < ALIVE_US:
            frames += [(t, None) for t in range(frames[-1][0] + every_us, t_us - 800, every_us)]
        pings = wire.FrameSplitter().feed(value)
        frames.append((t_us, None if pings and pings[0][0] == wire.BY_NAME["ping"].number else value))
    last_us = frames[-1][0]
    if vector.end_us - last_us < ALIVE_US:
        frames += [(t, None) for t in range(last_us + every_us, vector.end_us, every_us)]
    return frames


class VectorOnChip:
    """One vector's run. ``events``: what the chip told; ``taken``: when it took each frame; from the vector's 0."""

    def __init__(self, vector: Vector, mcu: str) -> None:
        self.start_us = vector.start_us
        self.board = ChipBoard(mcu, vector.start_us - BEGIN_US)
        self.told: dict[int, Event] = {}
        self.late_us = 0
        self._answers: dict[int, int] = {}
        self._splitter = wire.FrameSplitter()
        for t_us, kind, value in vector.happenings:
            # So that in a tie the chip, too, has the edge first: a stamp may be a microsecond off.
            cycle = self.board.cycle_of(vector.start_us + t_us - (0.8 if kind == "edge" else 0.4))
            if kind == "edge":
                self.board.turn([cycle], int(value))
            elif kind == "input":
                self.board.inputs_to(int(value), cycle)
        self._sent: list[tuple[int, int | None, bytes]] = []  # (about when, token of a ping, payload)
        for t_us, frame in _with_pings(vector, PING_EVERY_US[mcu]):
            self._say(t_us, frame)
        self._run(self.board.cycle_of(vector.start_us + vector.end_us))
        self._run(self.board.chip.cycle + 40_000 * 16)  # what is still to be sent

    @property
    def events(self) -> list[Event]:
        return [self.told[number] for number in sorted(self.told)]

    def _say(self, t_us: int, frame: bytes | None) -> None:
        token = None if frame else len(self._sent)
        if frame is None:
            self._run(self.board.cycle_of(self.start_us + t_us) - 40 * BYTE_CYCLES)
            next_event = next(n for n in range(len(self.told) + 1) if n not in self.told)
            frame = wire.frame(wire.encode("ping", {"token": len(self._sent), "next_event": next_event}))
        begin = self.board.cycle_of(self.start_us + t_us) - len(frame) * BYTE_CYCLES
        self._run(begin)
        self.board.chip.uart_write(frame, max(begin, self.board.chip.cycle))
        for payload in wire.FrameSplitter().feed(frame):
            self._sent.append((t_us, token, payload))

    def _run(self, cycle: int) -> None:
        self.board.chip.run_until_cycle(max(cycle, self.board.chip.cycle))
        for payload in self._splitter.feed(bytes_of(self.board.chip.uart_read())):
            if payload[0] >= _EVENT:
                self.told[wire.decode(payload).number] = since(event(payload), self.start_us)
            elif payload[0] == wire.BY_NAME["pong"].number:
                fields = wire.decode(payload).fields
                self._answers[int(fields["token"])] = int(fields["board_us"]) - self.start_us & 0xFFFFFFFF  # type: ignore[arg-type]

    def taken(self) -> list[tuple[int, bytes]]:
        """Every frame and when the chip took it; in order."""
        applied = [e for e in self.events if e.name == "applied"]
        found, expected = [], 0
        for about_us, token, payload in self._sent:
            t_us = about_us + TAKEN_US
            if token is not None and token in self._answers:
                t_us = self._answers[token]
            elif payload[0] in _COMMANDS and payload[1] == expected & 255:
                t_us = applied[expected].board_us
                expected += 1
            assert -20 <= t_us - about_us < LATEST_US, f"a frame of {about_us} was taken at {t_us}"
            found.append((t_us, payload))
        return found

    def stamped(self, vector: Vector) -> list[tuple[int, str, int]]:
        """Edges as the vector has them, inputs as the chip stamped them; ``late_us`` says how late at worst."""
        stamps = [e.board_us for e in self.events if e.name == "input"]
        found = []
        for told_us, kind, value in vector.happenings:
            t_us = told_us
            if kind == "input":
                near = [stamp - t_us for stamp in stamps if -2 <= stamp - t_us <= STAMP_US]
                t_us += near[0] if near else 0
                self.late_us = max(self.late_us, near[0] if near else 0)
            if kind != "rx":
                found.append((t_us, kind, int(value)))
        return found


def reference_at(
    start_us: int, end_us: int, outside: list[tuple[int, str, int]], taken: list[tuple[int, bytes]]
) -> list[Event]:
    """What the reference tells of these edges and inputs when frames take effect at these times."""
    machine, expected = Machine(start_us), 0
    happenings: list[tuple[int, int, str, Any]] = [(t_us, 0, kind, value) for t_us, kind, value in outside]
    happenings += [(t_us, 1, "rx", payload) for t_us, payload in taken]
    for t_us, _, kind, value in sorted(happenings, key=lambda h: h[:2]):
        now_us = start_us + t_us
        if kind == "edge":
            machine.edge(now_us, value)
        elif kind == "input":
            machine.input(now_us, value)
        else:
            machine.heard(now_us)
            if value[0] in _COMMANDS and value[1:2] == bytes((expected & 255,)):
                status = machine.command(now_us, value[0], value[2:])
                detail = value[2] if len(value) > 2 else 0
                machine.tell("applied", sequence=expected & 255, command=value[0], status=status, detail=detail)
                expected += 1
    machine.step(start_us + end_us)
    return [since(told, start_us) for told in machine.events]
