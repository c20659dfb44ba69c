"""The Teensy's program on this computer: the Arduino API is a stub (tests/teensy), everything else is what is flashed.

What it does and at which microsecond is shown here; how fast a real Teensy is, and its registers, are not.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import cffi
import pytest
from avr.vectors_on_chip import fitted
from bodies import U32, event
from reference import Event
from scenarios import Row, generator, on_rule, rule, state
from test_golden import first_difference
from vector_bodies import run_vector_on_reference
from vectors import Vector, load, since

from rig import pins, wire
from rig.bodies import core
from rig.wire import Decision, Generator, Rule

HERE = Path(__file__).parent / "teensy"
CYCLES_A_US = 600
LONGEST_US = 5_000_000  # the cycle counter comes round after seven seconds
SCAN = 1 << wire.OUTPUTS.index("scan_start")
SETUP: list[tuple[str, dict[str, int]]] = [
    ("set_inputs", {"enabled": 0xFF, "invert": 0}),
    ("set_safety", {"deadman_us": 5_000_000, "interlock": wire.INPUTS.index("interlock")}),
    ("set_lever", {"source": 0, "period_us": 1000, "batch": 1}),
    ("lock", {}),
    ("arm", {}),
]
GRAY = (0b00, 0b01, 0b11, 0b10)  # bit 0 is line A: A leads upwards
VECTORS = list(load())
TABLE = {
    pin.role: int(pin.name)
    for pin in pins.table((core.firmware_folder() / "boards/teensy/pins_teensy4.h").read_text(encoding="utf-8"))
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    built = tmp_path_factory.mktemp("teensy") / "fake.so"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{HERE}"]
    subprocess.run([*core.compiler(), *flags, str(HERE / "fake.c"), "-o", str(built)], check=True)
    ffi = cffi.FFI()
    text = (HERE / "fake.c").read_text(encoding="utf-8")
    ffi.cdef(text.partition("/* cffi: begin */")[2].partition("/* cffi: end */")[0])
    return ffi, ffi.dlopen(str(built))


class Teensy:
    """A board at power-on; ``t_us`` is its clock, unwrapped. Things of one microsecond are one turn of its loop."""

    def __init__(self, library: tuple[Any, Any], start_us: int = 0) -> None:
        self.ffi, self.lib = library
        self.zero_us = self.t_us = start_us
        self.phase = self.sequence = 0
        self.room = self.ffi.new("uint8_t[]", 1 << 16)
        self.splitter = wire.FrameSplitter()
        self.told: dict[int, Event] = {}
        self.control: list[wire.Decoded] = []
        self.lib.fake_begin(start_us & U32)

    def turn(self) -> None:
        """The main loop until it has nothing left to say."""
        self.lib.fake_turn()
        self.lib.fake_turn()
        while size := self.lib.fake_hear(self.room, 1 << 16):
            for payload in self.splitter.feed(bytes(self.ffi.buffer(self.room, size))):
                if payload[0] >= wire.BY_NAME["boot"].number:
                    self.told[wire.decode(payload).number] = event(payload)
                else:
                    self.control.append(wire.decode(payload))
            self.lib.fake_turn()

    def until(self, t_us: int) -> None:
        """It becomes so late, and the loop turns whenever something is due before."""
        while self.t_us < t_us:
            self.turn()
            wait_us = max(1, self.lib.fake_next_us() - self.t_us & U32)
            self.t_us = min(t_us, self.t_us + wait_us, self.t_us + LONGEST_US)
            self.lib.fake_clock((self.t_us - self.zero_us) * CYCLES_A_US & U32)

    def edge(self, delta: int) -> None:
        self.phase += delta
        lines = GRAY[self.phase % 4]
        self.pins({"encoder_a": lines & 1, "encoder_b": lines >> 1})

    def input(self, levels: int) -> None:
        self.pins({role: levels >> i & 1 for i, role in enumerate(wire.INPUTS)})

    def pins(self, levels: dict[str, int]) -> None:
        self.lib.fake_pins(bytes(TABLE[role] for role in levels), bytes(levels.values()), len(levels))

    def say(self, frame: bytes) -> None:
        self.lib.fake_say(frame, len(frame))

    def command(self, name: str, **values: int) -> None:
        self.say(wire.frame(wire.encode(name, values, self.sequence & 255)))
        self.sequence += 1
        self.turn()

    def table(self, states: list[Row], rules: list[Row], generators: list[Row]) -> None:
        self.command("table_begin", trial=1, states=len(states), rules=len(rules), generators=len(generators))
        for kind, rows in (("state", states), ("rule", rules), ("generator", generators)):
            for i, row in enumerate(rows):
                self.command(f"table_{kind}", index=i, **row)
        self.command("table_commit")

    def out(self, role: str) -> int:
        """0 or 1; 2 where it drives nothing."""
        return int(self.lib.fake_driven(TABLE[role]))

    def events(self, *names: str) -> list[Event]:
        told = [self.told[number] for number in sorted(self.told)]
        return [e for e in told if e.name in names] if names else told


@pytest.fixture
def board(library: tuple[Any, Any]) -> Teensy:
    """Met, set up, its interlock closed, locked and armed."""
    made = Teensy(library)
    made.input(1 << wire.INPUTS.index("interlock"))
    made.say(b"\0" + wire.frame(wire.encode("hello_ask", {"nonce": 5})))
    made.turn()
    for name, values in SETUP:
        made.command(name, **values)
    assert [e.fields["status"] for e in made.events("applied")] == [0] * len(SETUP)
    return made


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
def test_golden_vectors(vector: Vector, library: tuple[Any, Any]) -> None:
    """Event for event and field for field, to the microsecond, with real edges at its pins."""
    vector = fitted(vector)
    board = Teensy(library, vector.start_us)
    for t_us, kind, value in vector.happenings:
        board.until(vector.start_us + t_us)
        if kind == "edge":
            board.edge(int(value))
        elif kind == "input":
            board.input(int(value))
        elif isinstance(value, bytes):
            board.say(value)
    board.until(vector.start_us + vector.end_us)
    board.turn()
    told = [since(e, vector.start_us) for e in board.events() if e.name != "boot"]
    expected = [e for e in run_vector_on_reference(vector) if e.name != "boot"]
    assert not first_difference(expected, told)


def test_it_says_what_it_holds(board: Teensy) -> None:
    hello = next(message.fields for message in board.control if message.fields.get("nonce") == 5)
    assert hello["board"] == wire.BoardKind.TEENSY4
    assert hello["wire_hash"] == wire.wire_hash()
    assert hello["pins_hash"] == pins.hash_of(pins.Pin(role, str(pin)) for role, pin in TABLE.items())
    assert (hello["states"], hello["rules"], hello["generators"], hello["queue_bytes"]) == (32, 4, 8, 32768)


def test_a_decision_is_at_the_pin_in_the_interrupt_and_told_afterwards(board: Teensy) -> None:
    first = state([(on_rule(0, Decision.LEAVE), 1)], rules=1)
    lit = state(start=1, outputs=SCAN, after_us=500, after_to=wire.END)
    light = generator(Generator.PULSE, output=wire.OUTPUTS.index("laser"), level=100, width_us=300)
    board.table([first, lit], [rule(Rule.WINDOW, -100, 3)], [light])
    board.until(1000)
    for t_us in (1000, 1100, 1200):
        board.until(t_us)
        assert (board.out("scan_start"), board.out("laser")) == (0, 0)
        board.edge(1)
    assert (board.out("scan_start"), board.out("laser")) == (1, 1)  # the loop has not turned since
    assert board.lib.fake_wave(TABLE["laser_level"]) == 100
    board.until(1501)
    assert (board.out("scan_start"), board.out("laser"), board.lib.fake_wave(TABLE["laser_level"])) == (1, 0, 0)
    board.until(2000)
    assert board.out("scan_start") == 0
    assert [(e.board_us, e.fields["active"]) for e in board.events("output")] == [
        (1200, SCAN | 2),
        (1500, SCAN),
        (1700, 0),
    ]


def test_outputs_are_low_before_anything_else_and_a_fault_takes_them_there(board: Teensy) -> None:
    assert {board.out(role) for role in wire.OUTPUTS} == {0}
    board.table([state(outputs=3)], [], [])
    board.until(2000)
    assert (board.out("valve"), board.out("laser")) == (1, 1)
    board.input(0)  # the interlock opens: off before the loop has turned
    assert (board.out("valve"), board.out("laser")) == (0, 0)
    board.until(3000)
    assert [(e.board_us, e.fields["fault"]) for e in board.events("fault")] == [(2000, wire.Fault.INTERLOCK)]


def test_both_lines_at_once_are_counted_and_told(board: Teensy) -> None:
    board.until(1000)
    board.pins({"encoder_a": 1, "encoder_b": 1})
    board.until(4000)
    assert board.events("input_error")[-1].fields["illegal"] == 1


def test_a_tone_is_a_wave_on_its_pin(board: Teensy) -> None:
    tone = generator(Generator.TONE, tone_hz=6000, width_us=2000)
    board.table([state(start=1, after_us=5000)], [], [tone])
    board.until(1000)
    assert (board.lib.fake_wave(TABLE["tone"]), board.lib.fake_wave_hz(TABLE["tone"])) == (128, 6000)
    board.until(4000)
    assert board.lib.fake_wave(TABLE["tone"]) == 0


def test_the_watchdog_is_fed_and_a_restart_is_another_life(board: Teensy) -> None:
    assert board.lib.fake_fed() == 0xB480A602
    assert board.lib.fake_watchdog_ticks() == 16 * 32
    (boot,) = board.events("boot")
    board.table([state(outputs=1)], [], [])
    board.command("restart")
    board.say(b"\0" + wire.frame(wire.encode("hello_ask", {"nonce": 6})))
    board.turn()
    hello = next(message.fields for message in board.control if message.fields.get("nonce") == 6)
    assert hello["boot"] == boot.fields["boot"] + 1  # type: ignore[operator]
    assert (hello["armed"], board.out("valve")) == (0, 0)


def test_a_host_that_does_not_listen_holds_nothing_up(board: Teensy) -> None:
    board.lib.fake_usb_room(0)
    board.table([state(outputs=SCAN, after_us=2000)], [], [])
    board.until(1000)
    assert board.out("scan_start") == 1
    board.until(4000)
    assert board.out("scan_start") == 0
    board.lib.fake_usb_room(1 << 16)
    board.until(5000)
    assert board.events("trial_end")


def test_a_force_transducer_is_a_lever_too(board: Teensy) -> None:
    board.command("set_lever", source=1, period_us=1000, batch=1)
    board.lib.fake_analogue(300)
    board.until(3500)
    board.edge(1)  # nobody looks at the encoder now
    board.until(6000)
    assert board.events("lever")[-1].fields["first_counts"] == 300
