"""Bodies that run golden vectors, frames and all: the reference, and the host body through its link.

May not: judge.
"""

from __future__ import annotations

from typing import Any

from bodies import U32, event
from reference import Event, Machine
from vectors import Vector, payloads, since

from rig import wire
from rig.bodies import core


def run_vector_on_reference(vector: Vector, later_us: int = 0) -> list[Event]:
    """The reference's events; each frame from the host takes effect ``later_us`` later than the vector says."""
    machine, expected = Machine(vector.start_us), 0
    happenings: list[tuple[int, int, str, Any]] = [
        (t_us, 0, kind, value) for t_us, kind, value in vector.happenings if kind != "rx"
    ]
    happenings += [(t_us + later_us, 1, "rx", payload) for t_us, payload in payloads(vector)]
    for t_us, _, kind, value in sorted(happenings, key=lambda h: h[:2]):
        now_us = vector.start_us + t_us
        if kind == "edge":
            machine.edge(now_us, value)
        elif kind == "input":
            machine.input(now_us, value)
        else:
            machine.heard(now_us)
            if 0x10 <= value[0] < 0x40 and value[1:2] == bytes((expected,)):
                status = machine.command(now_us, value[0], value[2:])
                detail = value[2] if len(value) > 2 else 0
                machine.tell("applied", sequence=expected, command=value[0], status=status, detail=detail)
                expected = expected + 1 & 255
    machine.step(vector.start_us + vector.end_us + later_us)
    return [since(told, vector.start_us) for told in machine.events]


def run_vector_on_host(vector: Vector) -> list[Event]:
    """The host body's events, as its link sends them: the default build, frames both ways."""
    ffi, lib = core.load()
    memory = ffi.new("uint64_t[]", lib.host_size() // 8 + 1)
    host, room = ffi.cast("host_t *", memory), ffi.new("uint8_t[]", 1 << 16)
    splitter, told = wire.FrameSplitter(), {}

    def run(t_us: int) -> None:
        while lib.host_run(host, vector.start_us + t_us & U32, 1):
            listen()
        listen()

    def listen() -> None:
        while size := lib.host_send(host, room, 1 << 16):
            for payload in splitter.feed(bytes(ffi.buffer(room, size))):
                if payload[0] >= wire.BY_NAME["boot"].number:
                    told[wire.decode(payload).number] = since(event(payload), vector.start_us)

    lib.host_start(host, vector.start_us & U32, 1, 0, 1, 0)
    kept = []
    for name, kind, element in (("lever", "edge", "int8_t[]"), ("inputs", "input", "uint8_t[]")):
        moments = [(t_us, value) for t_us, what, value in vector.happenings if what == kind]
        times = ffi.new("uint32_t[]", [vector.start_us + t_us & U32 for t_us, _ in moments])
        kept += [times, values := ffi.new(element, [value for _, value in moments])]
        getattr(lib, f"host_plan_{name}")(host, times, values, len(moments))
    for t_us, _, value in vector.happenings:
        if isinstance(value, bytes):
            run(t_us)
            lib.host_receive(host, value, len(value))
    run(vector.end_us)
    assert sorted(told) == list(range(len(told))), "numbers are missing"
    return [told[number] for number in sorted(told)]
