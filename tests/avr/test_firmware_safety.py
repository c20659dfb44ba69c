"""Faults on the emulated Mega and Uno: laser and valve low within 1 ms, whatever the state, each proven at the pins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scenarios import generator, state

from avr.board import CYCLES_PER_US, ChipBoard, ChipRig
from avr.build import BOARDS
from rig import wire
from rig.wire import Fault, Generator

LATEST_US = 1000
WATCHDOG = 8
boards = pytest.mark.parametrize("mcu", BOARDS)
VALVE, LASER = (1 << wire.OUTPUTS.index(name) for name in ("valve", "laser"))
INTERLOCK = wire.INPUTS.index("interlock")
ON = state(outputs=VALVE | LASER, after_us=900_000)


def low_after_us(rig: ChipBoard, role: str, cycle: int) -> float:
    """How long after a cycle a pin went low for the last time; it must have been high then."""
    when, levels = rig.edges(role)
    before = levels[when <= cycle]
    assert len(before), f"{role} never moved before"
    assert before[-1] == 1, f"{role} was not on"
    assert levels[-1] == 0, f"{role} is still on"
    return float(when[-1] - cycle) / CYCLES_PER_US


def off_within_a_millisecond(rig: ChipBoard, cycle: int) -> None:
    for role in ("valve", "laser"):
        late_us = low_after_us(rig, role, cycle)
        assert 0 <= late_us < LATEST_US, f"{role} {late_us} us"


def turning(rig: ChipBoard, cycles: npt.NDArray[np.int64]) -> None:
    rig.turn(cycles, np.where(np.arange(len(cycles)) // 40 % 2 == 0, 1, -1))


def load(rig: ChipRig, ms: int) -> None:
    """10,000 edges/s back and forth from now on."""
    turning(rig, rig.chip.cycle + 2000 + 1600 * np.arange(ms * 10))


@boards
def test_a_ceiling_ends_it_on_time(mcu: str) -> None:
    rig = ChipRig(mcu)
    rig.setup({"valve": 50_000})
    load(rig, 150)
    rig.table([ON])
    rig.poll(80_000)
    (began,) = [event.board_us for event in rig.told("output") if event.fields["active"]]
    for role in ("valve", "laser"):
        assert 0 <= low_after_us(rig, role, rig.cycle_of(began + 50_000)) < LATEST_US
        assert len(rig.rises(role)) == 1
    assert [event.fields["fault"] for event in rig.told("fault")] == [Fault.CEILING]


def test_a_duty_ends_it() -> None:
    rig = ChipRig()
    rig.setup(duty={"laser": (800_000, 30_000)})
    rig.table(
        [state(start=1, after_us=900_000)], (), [generator(Generator.TRAIN, output=1, width_us=4000, period_us=20_000)]
    )
    rig.poll(300_000)
    on_us = (rig.falls("laser").sum() - rig.rises("laser").sum()) / CYCLES_PER_US
    assert abs(on_us - 30_000) < LATEST_US
    assert [event.fields["fault"] for event in rig.told("fault")] == [Fault.DUTY]


@boards
def test_silence_of_the_host_ends_it(mcu: str) -> None:
    rig = ChipRig(mcu)
    rig.setup(deadman_us=50_000)
    rig.table([ON])
    rig.poll(20_000)
    load(rig, 150)
    rig.board.link.write(wire.frame(wire.encode("ping", {"token": 7, "next_event": 0})))
    last_word = rig.chip.cycle + 12 * 160
    rig.chip.run_for_us(120_000)
    for role in ("valve", "laser"):
        late_us = low_after_us(rig, role, last_word) - 50_000
        assert -50 < late_us < LATEST_US, f"{role} {late_us} us after its time"
    rig.poll(50_000)
    assert [event.fields["fault"] for event in rig.told("fault")] == [Fault.DEADMAN]


@boards
def test_an_open_interlock_ends_it_at_once(mcu: str) -> None:
    rig = ChipRig(mcu)
    rig.input("interlock", 1, rig.chip.cycle + 1600)
    rig.poll(5000)
    rig.setup(interlock=INTERLOCK)
    rig.table([ON])
    load(rig, 100)
    opened = rig.chip.cycle + 20_000 * CYCLES_PER_US + 7
    rig.input("interlock", 0, opened)
    rig.poll(40_000)
    off_within_a_millisecond(rig, opened)
    assert low_after_us(rig, "laser", opened) < 40
    assert [event.fields["fault"] for event in rig.told("fault")] == [Fault.INTERLOCK]


@boards
def test_a_program_that_hangs_is_ended_by_the_watchdog(mcu: str) -> None:
    """Its main loop is overwritten with a jump to itself while interrupts go on: the watchdog bites after 15 ms."""
    rig = ChipRig(mcu)
    rig.setup()
    rig.table([ON])
    rig.poll(5000)
    hung, chip = rig.chip.cycle, rig.chip
    while "main" not in chip.elf.nearest(at := int(chip._lib.emu_pc(chip._chip))):
        chip.run_for_cycles(7)
    chip._lib.emu_load(chip._chip, b"\xff\xcf", 2, at)  # rjmp to itself
    chip.run_for_us(60_000)
    bites = [cycle for cycle, name, cause in chip.events() if name == "reset" and cycle > hung and cause == WATCHDOG]
    assert len(bites) >= 1
    assert (bites[0] - hung) / CYCLES_PER_US < 20_000
    off_within_a_millisecond(rig, bites[0] - 1)


@boards
def test_a_restart_and_a_brown_out_leave_no_output_on(mcu: str) -> None:
    rig = ChipRig(mcu)
    rig.setup()
    rig.table([ON])
    rig.poll(5000)
    fallen = rig.chip.cycle + 1600
    rig.chip.schedule_reset("brown_out", fallen)
    rig.chip.run_for_us(30_000)
    changes = rig.chip.pin_changes()
    port, bit = rig.pins["laser"]
    mine = changes[(changes["port"] == ord(port)) & (changes["cycle"] >= fallen)]
    assert int(mine["cycle"][0]) - fallen < 16
    assert not (mine["level"] >> bit & 1).any()
    boot = rig.hello.boot
    rig.board.__init__(rig.board.link)  # type: ignore[misc]
    hello = rig.board.connect()
    assert (hello.boot, hello.armed) == (boot + 1, 0)
    assert rig.board.begin_anew().armed == 0
