"""Bodies that run a scenario and give back what was told: the C core through cffi, and the reference.

A scenario is a list of happenings in order of time; times are unwrapped microseconds. May not: judge.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi
from reference import Event, Machine

from rig import wire
from rig.bodies import core

U32 = 0xFFFFFFFF
SHIM = Path(__file__).with_name("shim.c")
STRIDE_US = 100_000  # events are taken at least so often


@dataclass(frozen=True)
class Happening:
    """Something that happens to a board."""

    t_us: int


@dataclass(frozen=True)
class Edge(Happening):
    """The lever moved by ``delta`` counts."""

    delta: int


@dataclass(frozen=True)
class Input(Happening):
    """The raw input pins now read ``levels``."""

    levels: int


@dataclass(frozen=True)
class Command(Happening):
    """A command arrived; ``fields`` are the bytes after number and sequence."""

    number: int
    fields: bytes


@dataclass(frozen=True)
class Heard(Happening):
    """A good frame arrived that asks for nothing."""


def command(t_us: int, name: str, **values: int) -> Command:
    message = wire.BY_NAME[name]
    return Command(t_us, message.number, message.body.pack(*(values[key] for key, _ in message.fields)))


def event(payload: bytes) -> Event:
    name, _, board_us, fields = wire.decode(payload)
    return Event(name, board_us, fields)


@dataclass
class Told:
    """What a body told, and what its pins did: ``pins[t] = (active outputs, tone_hz, level of each output)``."""

    events: list[Event]
    pins: dict[int, tuple[int, ...]]


class Reference(Machine):
    """The reference, taking happenings as the other bodies do."""

    sequence = 0

    def take(self, h: Happening) -> None:
        if isinstance(h, Edge):
            self.edge(h.t_us, h.delta)
        elif isinstance(h, Input):
            self.input(h.t_us, h.levels)
        elif isinstance(h, Heard):
            self.heard(h.t_us)
        elif isinstance(h, Command):
            status = self.command(h.t_us, h.number, h.fields)
            detail = h.fields[0] if h.fields else 0
            self.tell("applied", sequence=self.sequence & 255, command=h.number, status=status, detail=detail)
            self.sequence += 1


def run_reference(start_us: int, happenings: list[Happening], end_us: int) -> Told:
    machine = Reference(start_us)
    for h in happenings:
        machine.take(h)
    machine.step(end_us)
    return Told(machine.events, changes(machine.pins))


def changes(pins: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Without the times at which nothing is different from before: what came and went in no time left no trace."""
    kept: dict[int, tuple[int, ...]] = {}
    last: tuple[int, ...] = (0, 0, *[255] * 8)
    for t_us, now in pins.items():
        if now != last:
            kept[t_us] = last = now
    return kept


@functools.cache
def roomy() -> tuple[Any, Any]:
    """``(ffi, lib)`` of the host body and shim.c, with a queue that holds whatever a scenario can tell at once."""
    text = SHIM.read_text(encoding="utf-8")
    ffi = cffi.FFI()
    ffi.cdef(core.declarations() + text.partition("/* cffi: begin */")[2].partition("/* cffi: end */")[0])
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    built = core.build((str(SHIM), f"-DSHIM_VERSION=0x{version}", "-DRIG_QUEUE_BYTES=60000"))
    return ffi, ffi.dlopen(str(built))


def events_in(data: bytes) -> Iterator[Event]:
    """The events of ``size u8, payload; …``."""
    at = 0
    while at < len(data):
        yield event(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]


class Host:
    """The host body: the C core, stepped promptly."""

    def __init__(self, start_us: int) -> None:
        self.ffi, self.lib = roomy()
        self.memory = self.ffi.new("uint64_t[]", self.lib.host_size() // 8 + 1)
        self.host = self.ffi.cast("host_t *", self.memory)
        self.room = self.ffi.new("uint8_t[]", 4096)
        self.events: list[Event] = []
        self.pins: dict[int, tuple[int, ...]] = {}
        self.now_us = start_us
        self.sequence = 0
        self.lib.host_start(self.host, start_us & U32, 1, 0, 1, 0)
        self.take()

    def take(self) -> None:
        lib, host = self.lib, self.host
        while used := lib.host_take_events(host, self.room, 4096):
            self.events += events_in(bytes(self.ffi.buffer(self.room, used)))
        self.now_us += lib.host_now(host) - self.now_us & U32
        levels = (lib.host_level(host, o) for o in range(8))
        self.pins[self.now_us] = (lib.host_outputs(host), lib.host_tone_hz(host), *levels)

    def plan(self, happenings: list[Happening]) -> None:
        edges = [h for h in happenings if isinstance(h, Edge)]
        inputs = [h for h in happenings if isinstance(h, Input)]
        self.kept: tuple[Any, ...] = (
            self.ffi.new("uint32_t[]", [h.t_us & U32 for h in edges]),
            self.ffi.new("int8_t[]", [h.delta for h in edges]),
            self.ffi.new("uint32_t[]", [h.t_us & U32 for h in inputs]),
            self.ffi.new("uint8_t[]", [h.levels for h in inputs]),
        )
        self.lib.host_plan_lever(self.host, self.kept[0], self.kept[1], len(edges))
        self.lib.host_plan_inputs(self.host, self.kept[2], self.kept[3], len(inputs))

    def step(self, t_us: int) -> None:
        while True:
            reason = self.lib.host_run(self.host, min(t_us, self.now_us + STRIDE_US) & U32, 1)
            self.take()
            if reason == 0 and self.now_us == t_us:
                return

    def command(self, h: Command) -> None:
        self.step(h.t_us)
        self.lib.host_command(self.host, self.sequence & 255, h.number, h.fields, len(h.fields))
        self.sequence += 1
        self.take()

    def heard(self, t_us: int) -> None:
        self.step(t_us)
        self.lib.host_keep_alive(self.host)
        self.take()


def run_host(start_us: int, happenings: list[Happening], end_us: int) -> Told:
    host = Host(start_us)
    host.plan(happenings)
    for h in happenings:
        if isinstance(h, Command):
            host.command(h)
        elif isinstance(h, Heard):
            host.heard(h.t_us)
    host.step(end_us)
    return Told(host.events, changes(host.pins))


def difference(reference: Told, other: Told, start_us: int) -> str:
    """Where two bodies part, with what went before: empty where they agree."""
    if reference == other:
        return ""
    pairs = list(itertools.zip_longest(reference.events, other.events))
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
    lines = [f"  {_line(a, start_us)}" for a, _ in pairs[max(0, at - 12) : at]]
    for a, b in pairs[at : at + 3]:
        lines += [f"reference: {_line(a, start_us)}", f"other:     {_line(b, start_us)}"]
    times = sorted({*reference.pins, *other.pins})
    lines += [
        f"pins at {t - start_us}: reference {reference.pins.get(t)}, other {other.pins.get(t)}"
        for t in times
        if reference.pins.get(t) != other.pins.get(t)
    ][:3]
    return "\n".join(["they part after:", *lines])


def _line(told: Event | None, start_us: int) -> str:
    if told is None:
        return "nothing"
    fields = " ".join(f"{key}={value}" for key, value in told.fields.items())
    return f"{told.board_us - start_us & U32} {told.name} {fields}"


def play(happenings: Iterable[Happening], end_us: int, start_us: int = 0) -> Told:
    """Run it on the core and on the reference; they must agree. Happenings at one time keep their order."""
    ordered = sorted(happenings, key=lambda h: h.t_us)
    core_told = run_host(start_us, ordered, end_us)
    parted = difference(run_reference(start_us, ordered, end_us), core_told, start_us)
    assert not parted, parted
    return core_told


def brief(told: Told, *names: str) -> list[tuple[int, ...]]:
    """The events of these names as ``(board_us, *fields)``, in order."""
    return [(e.board_us, *_flat(e)) for e in told.events if e.name in names]


def _flat(told: Event) -> tuple[int, ...]:
    return tuple(value for value in told.fields.values() if isinstance(value, int))
