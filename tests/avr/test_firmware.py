"""The shipped AVR programs against the other two witnesses: golden vectors and recorded wheels, event for event.

Vectors run through the reference and the host core elsewhere (tests/test_golden.py); here through the Mega and the Uno,
next to the reference, which hears every frame when the chip took it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bodies import Command, Edge, Happening, Heard, Input, run_host
from reference import Event
from rehearse import ROOT
from scenarios import Table, on_rule, rule, state
from story import READY_US, Story
from vectors import Vector, load, since

from avr.board import U32, ChipBoard, ChipRig
from avr.build import BOARDS
from avr.records import bytes_of
from avr.vectors_on_chip import VectorOnChip, fitted, reference_at
from rig import pins, wire
from rig.bodies.animals import read_trace
from rig.wire import BoardKind, Decision, Rule

VECTORS = {vector.name: vector for vector in load()}
# What the Uno's two rules, two generators, five inputs and 104 bytes of events can hold.
ON_UNO = ["ceiling", "code", "downward", "duty", "hold", "interlock", "light", "press"]
ON_UNO += ["refusals", "sounds", "stops", "wrap"]
TOO_MUCH_FOR_UNO = ["deadman", "drawn_3", "drawn_40", "drawn_8", "loop", "refused", "ties", "upload"]
CASES = [("atmega2560", name) for name in VECTORS] + [("atmega328p", name) for name in ON_UNO]

BURST_COUNTS = 6  # drawn levers move 40,000 counts/s, and a sample may be taken 0.15 ms late while a step decides
STAMP_US = {"atmega2560": 1, "atmega328p": 3}  # an edge's time may be so far from the true one
TIMES = ("since_us", "due_us", "gap_us")
LATE = ("late_us",)


def test_every_vector_has_its_place() -> None:
    assert sorted(ON_UNO + TOO_MUCH_FOR_UNO) == sorted(VECTORS)


def differences(chip: list[Event], other: list[Event], sample_counts: int = 1, stamp_us: int = 1) -> list[str]:
    """Where two logs part: fields to the letter, times within the stamp, samples within so many counts."""
    found = [f"{len(chip)} events, {len(other)} expected"] if len(chip) != len(other) else []
    for i, (a, b) in enumerate(zip(chip, other, strict=False)):
        mine, its = dict(a.fields), dict(b.fields)
        pairs = [(a.board_us, b.board_us), *((mine.pop(key), its.pop(key, -9)) for key in TIMES if key in mine)]
        far = max(abs(int(x) - int(y)) for x, y in pairs)  # type: ignore[arg-type]
        if a.name == "lever" and b.name == "lever":
            x, y = (np.array(fields.pop("offsets")) + int(fields.pop("first_counts")) for fields in (mine, its))  # type: ignore[arg-type]
            if x.shape != y.shape or np.abs(x - y).max() > sample_counts:
                found.append(f"event {i}: samples {y} expected, the chip told {x}")
        if abs(int(mine.pop("peak_counts", 0)) - int(its.pop("peak_counts", 0))) > sample_counts:  # type: ignore[arg-type]
            found.append(f"event {i}: expected {b}, the chip told {a}")
        for key in LATE:
            mine.pop(key, None), its.pop(key, None)
        if a.name != b.name or mine != its or far > stamp_us:
            found.append(f"event {i}: expected {b}, the chip told {a}")
    return found[:4]


def heard(run: VectorOnChip, end_us: int) -> list[Event]:
    return [e for e in run.events if e.name != "boot" and e.board_us <= end_us]


@pytest.mark.parametrize(("mcu", "name"), CASES, ids=[f"{BOARDS[mcu]}-{name}" for mcu, name in CASES])
def test_golden_vectors(mcu: str, name: str) -> None:
    vector = fitted(VECTORS[name], small=mcu == "atmega328p")
    run = VectorOnChip(vector, mcu)
    expected = reference_at(vector.start_us, vector.end_us, run.stamped(vector), run.taken())
    counts = BURST_COUNTS if name.startswith("drawn") else 1
    assert not differences(heard(run, vector.end_us), [e for e in expected if e.name != "boot"], counts, STAMP_US[mcu])
    assert not run.board.troubles()
    assert run.board.chip.free_ram_bytes > 30


def test_a_chip_that_told_something_else_is_found() -> None:
    """The comparison can fail: a count, a time or an event more is a difference."""
    told = [Event("rule", 100, {"rule": 0, "counts": 5, "since_us": 10})]
    assert not differences(told, told)
    assert differences(told, [Event("rule", 100, {"rule": 0, "counts": 6, "since_us": 10})])
    assert differences(told, [Event("rule", 100, {"rule": 0, "counts": 5, "since_us": 12})])
    assert differences(told, [Event("rule", 102, told[0].fields)])
    assert differences(told, [*told, *told])


# --- hello ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mcu", BOARDS)
def test_hello_states_what_the_board_holds(mcu: str) -> None:
    rig = ChipRig(mcu)
    hello = rig.hello
    assert hello.board == BoardKind[BOARDS[mcu].upper()]
    assert hello.wire_hash == wire.wire_hash()
    text = (ROOT / "firmware/boards/avr" / f"pins_{BOARDS[mcu]}.h").read_text(encoding="utf-8")
    assert hello.pins_hash == pins.hash_of(pins.table(text))
    if mcu == "atmega2560":
        assert (hello.states, hello.rules, hello.generators, hello.outputs, hello.inputs) == (32, 4, 8, 8, 8)
        assert hello.queue_bytes >= 2048
    else:
        assert (hello.states, hello.rules, hello.generators, hello.outputs, hello.inputs) == (16, 2, 2, 5, 5)
        assert hello.queue_bytes == 104


@pytest.mark.parametrize("mcu", BOARDS)
def test_a_board_takes_and_tells_nothing_but_its_name_until_it_is_asked(mcu: str) -> None:
    board = ChipBoard(mcu)
    board.chip.uart_write(
        wire.frame(wire.encode("lock", {}, 0)) + wire.frame(wire.encode("ping", {"token": 1, "next_event": 0}))
    )
    board.chip.run_for_us(1_200_000)
    told = wire.FrameSplitter().feed(bytes_of(board.chip.uart_read()))
    assert {payload[0] for payload in told} == {wire.BY_NAME["hello"].number}
    assert 2 <= len(told) <= 4
    assert wire.decode(told[-1]).fields["next_command"] == 0


# --- recorded wheels --------------------------------------------------------------------------------------------------

WHEELS = {  # file, X4 counts to a recorded one, seconds of it
    "ibl_fpga_wheel_a": (2, 8.0),
    "ibl_zm335_a": (4, 4.0),
    "iblrig_bench_20180508": (4, 6.0),
    "iblrig_bench_20180731": (4, 6.0),
}
FASTEST_US = 25


def liveliest(path: Path, scale: int, seconds: float) -> list[tuple[int, int]]:
    """The stretch of a recording with most movement, as single counts: (time from its begin, +-1)."""
    t_us, counts = read_trace(path)
    steps = np.diff(counts, prepend=counts[0]) * scale
    moved = np.cumsum(np.abs(steps))
    ends = np.searchsorted(t_us, t_us + round(seconds * 1e6)) - 1
    begin = int(np.argmax(moved[ends] - moved))
    edges: list[tuple[int, int]] = []
    free_us = 0
    for i in range(begin, int(ends[begin])):
        n = abs(int(steps[i]))
        room_us = int(t_us[i] - t_us[i - 1]) if i > begin else 0
        gap_us = max(FASTEST_US, min(1000, room_us) // max(n, 1))
        for k in range(n):
            free_us = max(free_us, int(t_us[i] - t_us[begin]) - gap_us * (n - 1 - k))
            edges.append((free_us, 1 if steps[i] > 0 else -1))
            free_us += FASTEST_US
    return edges


@pytest.mark.parametrize("name", WHEELS)
def test_recorded_wheels_give_the_counts_and_decisions_of_the_host_core(name: str) -> None:
    """Quiescence and threshold as that rig had them, in X4: +-12 and +-184 counts, zeroed at each decision."""
    scale, seconds = WHEELS[name]
    story = Story(loose=False)
    story.setup()
    rows = [
        rule(Rule.WINDOW, -12, 12),
        rule(Rule.WINDOW, -184, 184),
        rule(Rule.PRESS, 20, 60, hysteresis_counts=8, time_us=300_000),
    ]
    told = [(on_rule(1, Decision.LEAVE), 1), (on_rule(2, Decision.PRESS), 1)]
    story.trial(
        Table(1, [state(told, rules=7, flags=1), state(flags=1, outputs=8, after_us=3303, after_to=0)], rows), READY_US
    )
    # The recordings' stamps are whole milliseconds: kept off the microseconds of samples and timers, so no ties.
    edges = [
        (READY_US + 20_370 + t_us, step)
        for t_us, step in liveliest(ROOT / f"tests/data/{name}.encoder.csv.gz", scale, seconds)
    ]
    assert len(edges) > 800
    end_us = edges[-1][0] + 20_000
    story.beat(end_us)
    story.happenings += [Edge(t_us, step) for t_us, step in edges]
    vector = fitted(story.vector(name, "", end_us))
    run = VectorOnChip(vector, "atmega2560")
    expected = host_at(run, vector)
    assert not differences(heard(run, end_us), [e for e in expected if e.name != "boot"], stamp_us=12)
    assert sum(e.name == "rule" for e in expected) > 20
    zeroed = sum(int(str(e.fields["at_counts"])) for e in run.events if e.name == "zeroed")
    last = [e for e in run.events if e.name == "lever"][-1]
    offsets = last.fields["offsets"]
    assert isinstance(offsets, tuple)
    assert zeroed + int(last.fields["first_counts"]) + offsets[-1] == sum(step for _, step in edges)  # type: ignore[arg-type]


def host_at(run: VectorOnChip, vector: Vector) -> list[Event]:
    """The host core, with every frame when the chip took it."""
    happenings: list[Happening] = []
    for t_us, kind, value in run.stamped(vector):
        happenings.append(Edge(t_us, value) if kind == "edge" else Input(t_us, value))
    for t_us, payload in run.taken():
        known = 0x10 <= payload[0] < 0x40
        happenings.append(Command(t_us, payload[0], payload[2:]) if known else Heard(t_us))
    happenings.sort(key=lambda h: (h.t_us, isinstance(h, (Command, Heard))))
    return [since(e, 0) for e in run_host(0, happenings, vector.end_us).events]


def test_the_clock_comes_round_after_seventy_one_minutes() -> None:
    """The vector `wrap` begins a quarter of a second before; here the timer's own rounds are under test, too."""
    run = VectorOnChip(fitted(VECTORS["wrap"]), "atmega2560")
    stamps = [e.board_us for e in run.events if e.name != "boot"]
    assert VECTORS["wrap"].start_us + stamps[-1] > U32
    assert stamps == sorted(stamps)
