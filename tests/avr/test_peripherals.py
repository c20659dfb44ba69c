"""Are timers, converter, EEPROM and resets true? Against the data sheets' figures, with and without each correction."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from avr.chips import both_chips, rises, start
from avr.records import NOTHING, Correction


@both_chips
def test_a_timer_moves_its_pin_at_its_own_cycle(mcu: str) -> None:
    def steps(without: Correction = NOTHING) -> set[int]:
        chip = start("square.S", mcu, without)
        chip.run_until_cycle(20_000)
        return set(np.diff(chip.edges("B", 5 if mcu == "atmega2560" else 1)[0]).tolist())

    assert steps() == {101}
    assert len(steps(Correction.EXACT)) > 1


@pytest.mark.parametrize(("mcu", "channel"), [("atmega328p", 0), ("atmega2560", 2), ("atmega2560", 11)])
def test_the_converter_holds_what_it_sampled(mcu: str, channel: int) -> None:
    """A conversion takes 13 clocks of 128 cycles; the input moves in the middle of one."""

    def converted(without: Correction = NOTHING) -> tuple[int, int]:
        chip = start("convert.c", mcu, without, CHANNEL=channel)
        chip.schedule_adc(channel, 100, 0)
        chip.run_until_cycle(19_000)
        settled = chip.peek_int("result")
        begun = int(chip.edges("B", 0)[0][-1])
        chip.schedule_adc(channel, 500, begun + 1000)
        chip.run_until_cycle(begun + 13 * 128 + 60)
        return settled, chip.peek_int("result")

    assert converted() == (100, 100)
    if channel < 8:
        assert converted(Correction.ADC)[1] == 500


@both_chips
def test_a_conversion_takes_thirteen_clocks(mcu: str) -> None:
    chip = start("convert.c", mcu, CHANNEL=0)
    chip.run_until_cycle(200_000)
    (period, _), *_ = Counter(np.diff(chip.edges("B", 0)[0]).tolist()).most_common()
    assert 13 * 128 < period < 13 * 128 + 60


@both_chips
def test_writing_the_eeprom_takes_its_time(mcu: str) -> None:
    def written(without: Correction = NOTHING) -> tuple[int, list[int]]:
        chip = start("remember.c", mcu, without)
        chip.run_until_us(9000)
        begun, done = rises(chip, "B", 1)[0], rises(chip)[0]
        return done - begun, list(chip.peek("found"))

    cycles, found = written()
    assert found == [0xFF, 0x5A]
    assert 0 <= cycles - 26_368 * 2 < 16
    assert written(Correction.EEPROM)[0] < 20


@both_chips
def test_the_watchdog_bites_and_its_bite_is_seen(mcu: str) -> None:
    chip = start("bitten.c", mcu)
    chip.run_until_us(40_000)
    names = [(name, detail) for _, name, detail in chip.events()]
    assert names == [("reset", 1), ("reset", 8), ("reset", 8)]
    first, second = (cycle for cycle, _, detail in chip.events() if detail == 8)
    assert second - first == pytest.approx(2048 / 128_000 * 16e6, abs=200)
    cycles, levels = chip.edges("B", 0)
    assert levels.tolist() == [1, 0, 1, 0, 1]
    assert [int(cycle) for cycle in cycles[1::2]] == [first, second]
    assert list(chip.peek("causes")[:3]) == [1, 1 | 8, 1 | 8]
    lost = start("bitten.c", mcu, Correction.RESET)
    lost.run_until_us(30_000)
    assert list(lost.peek("causes")[:2]) == [1, 8]


@both_chips
def test_a_brown_out_lets_go_of_the_pins_and_holds_the_chip(mcu: str) -> None:
    chip = start("bitten.c", mcu, CLEAR_CAUSE=1)
    chip.schedule_reset("brown_out", 50_000, hold_us=500)
    chip.schedule_pin("B", 0, 1, 52_000)
    chip.run_until_cycle(51_000)
    assert chip.port_level("B") & 1 == 0
    chip.run_until_cycle(53_000)
    assert chip.port_level("B") & 1 == 1
    chip.run_until_cycle(50_000 + 8000 + 2000)
    cycles, levels = chip.edges("B", 0)
    assert levels.tolist() == [1, 0, 1]
    assert 50_000 <= cycles[1] < 50_005
    assert 58_000 < cycles[2] < 58_500
    assert list(chip.peek("causes")[:2]) == [1, 4]
    chip.reset()
    chip.run_for_cycles(2000)
    assert chip.peek("causes")[2] == 2
