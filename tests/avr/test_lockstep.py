"""The emulator as a tool: the same run to the bit however it is cut, memory, errors, long trains of stimuli."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avr.build import EmulatorError, avr_program
from avr.chips import start
from avr.emulator import Emulator
from avr.records import MCUS, Records

END_CYCLE = 40_000


def busy_run(mcu: str, cuts: list[int], late: bool = False) -> tuple[Records, Records, bytes]:
    """A run full of edges, bytes both ways and timers, stopped at every cut.

    With ``late`` each edge is scheduled only when the run has been stopped at or before it.
    """
    chip = Emulator(avr_program(["everything.c"], mcu), mcu)
    port, bit = ("E", 4) if mcu == "atmega2560" else ("D", 2)
    edges = 3000 + np.cumsum(np.random.default_rng(5).integers(90, 900, 200))
    levels = 1 - np.arange(200) % 2
    chip.uart_write(bytes(range(200)), 2000)
    if not late:
        chip.schedule_pins(port, bit, levels, edges)
    sent = []
    stops = [0, *sorted(cuts), END_CYCLE]
    for begin, end in itertools.pairwise(stops):
        if late:
            now = (edges >= begin) & (edges < end)
            chip.schedule_pins(port, bit, levels[now], edges[now])
        chip.run_until_cycle(end)
        sent.append(chip.uart_read())
    return chip.pin_changes(), np.concatenate(sent), chip.peek(0x20, 2000)


@functools.cache
def whole(mcu: str) -> tuple[Records, Records, bytes]:
    return busy_run(mcu, [])


def assert_same(one: tuple[Records, Records, bytes], other: tuple[Records, Records, bytes]) -> None:
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])
    assert one[2] == other[2]


@pytest.mark.parametrize("mcu", MCUS)
def test_the_busy_run_is_busy(mcu: str) -> None:
    pins, sent, _ = whole(mcu)
    assert len(pins) > 250
    assert len(sent) > 100


@pytest.mark.parametrize("mcu", MCUS)
@pytest.mark.parametrize("chunk", [1, 7, 160, 1600])
def test_a_run_is_the_same_in_pieces_of_any_size(mcu: str, chunk: int) -> None:
    cuts = list(range(chunk, END_CYCLE, chunk))
    assert_same(busy_run(mcu, cuts), whole(mcu))
    assert_same(busy_run(mcu, cuts, late=True), whole(mcu))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, END_CYCLE - 1), max_size=300))
def test_a_run_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    assert_same(busy_run("atmega328p", cuts, late=True), whole("atmega328p"))


@pytest.mark.parametrize("levels", [0, 3, 6])
def test_the_deepest_stack_is_found(levels: int) -> None:
    chip = start("deep.c", "atmega328p", LEVELS=levels)
    chip.run_until_cycle(20_000)
    assert chip.peek_int("done") == 1
    frame, saved, callers = 200, 5, 2
    assert chip.deepest_stack_bytes == (levels + 1) * (frame + saved) + callers
    variables = chip.symbol("_end").address - 0x100
    assert chip.free_ram_bytes == 2048 - variables - chip.deepest_stack_bytes


def test_a_broken_program_is_an_error_that_says_where() -> None:
    chip = start("deep.c", "atmega328p", LEVELS=20)
    with pytest.raises(EmulatorError, match=r"cycle \d+"):
        chip.run_until_cycle(1_000_000)


def test_of_two_stimuli_at_one_cycle_the_later_given_wins() -> None:
    for last in (0, 1):
        chip = start("send.c", "atmega2560")
        chip.schedule_pin("D", 0, 1 - last, 500)
        chip.schedule_pin("D", 0, last, 500)
        chip.run_until_cycle(600)
        assert chip.port_level("D") & 1 == last
        chip.schedule_pins("D", 0, [1 - last, last], [700, 700])
        chip.run_until_cycle(800)
        assert chip.port_level("D") & 1 == last


def test_a_pin_that_is_let_go_falls_back_on_its_pull_up() -> None:
    chip = start("pullup.c", "atmega328p")
    chip.schedule_pin("D", 2, 0, 1000)
    chip.schedule_pin("D", 2, None, 2000)
    chip.run_until_cycle(1500)
    assert chip.port_level("D") & 4 == 0
    chip.run_until_cycle(2500)
    assert chip.port_level("D") & 4 == 4


def test_what_has_passed_cannot_be_changed() -> None:
    chip = start("send.c", "atmega2560")
    chip.run_until_cycle(1000)
    with pytest.raises(EmulatorError, match="in the past"):
        chip.schedule_pin("B", 0, 1, 999)
    with pytest.raises(EmulatorError, match="has passed"):
        chip.uart_write(b"x", 999)
    with pytest.raises(EmulatorError, match="has passed"):
        chip.run_until_cycle(999)
    with pytest.raises(EmulatorError, match="out of range"):
        chip.schedule_pin("Q", 0, 1, 2000)
    with pytest.raises(EmulatorError, match="no symbol"):
        chip.peek("nothing")


def test_a_wrong_chip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match="atmega2560, atmega328p"):
        Emulator(avr_program(["send.c"], "atmega2560"), "attiny85")
    other = tmp_path / "text.elf"
    other.write_text("not a program at all, only text of some length")
    with pytest.raises(EmulatorError, match="not an AVR ELF"):
        Emulator(other)


def test_long_trains_of_stimuli_in_any_order() -> None:
    """Two trains of 60,000 edges, given late one first and unsorted, count the same as sorted."""

    def position(order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
        chip = Emulator(avr_program(["lean_isr.S", "lean_main.c"], "atmega328p"), "atmega328p")
        chip.schedule_pins("D", 3, levels[order], edges[order] + 100)
        chip.schedule_pins("D", 2, levels[order], edges[order])
        chip.run_until_cycle(int(edges[-1]) + 2000)
        return chip.peek_int("position")

    edges = 10_000 + 200 * np.arange(60_000)
    levels = 1 - np.arange(60_000) % 2
    straight = np.arange(60_000)
    assert position(straight) == 120_000 & 0xFFFF
    assert position(straight[::-1]) == 120_000 & 0xFFFF
