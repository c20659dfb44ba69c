"""Is the emulator true? Interrupts, flags, ports and the host, against programs whose cycles are known.

The expected figures are the chip's, from the data sheets (ATmega328P DS40002061, ATmega2560 DS40002211) and the
instruction set manual; each test also switches its correction off and shows that the library alone gets it wrong.
Nothing here depends on the host's clock. The UART and the other peripherals have files of their own.
"""

from __future__ import annotations

import resource
from collections import Counter

import numpy as np
import pytest

from avr.chips import CBI, EDGE, ENTRY, JMP, SBI, both_chips, rises, start
from avr.records import NOTHING, Correction

# ---- entering and leaving interrupts


def latencies(mcu: str, without: Correction = NOTHING, **defines: int) -> set[int]:
    chip = start("entry.S", mcu, without, **defines)
    gaps = np.random.default_rng(7).integers(50, 150, 300)
    cycles = 1000 + np.cumsum(gaps)
    chip.schedule_pins(*EDGE[mcu], 1 - np.arange(300) % 2, cycles)
    chip.run_until_cycle(int(cycles[-1]) + 100)
    return set((np.array(rises(chip)) - cycles).tolist())


@both_chips
def test_an_edge_takes_the_cycles_of_the_data_sheet_to_the_first_write(mcu: str) -> None:
    least = ENTRY[mcu] + JMP + SBI
    assert latencies(mcu) == {least, least + 1}
    assert latencies(mcu, Correction.ENTRY) == {5, 6}
    assert latencies(mcu, FEEDS=1) == {least, least + 1}


def back_to_back(mcu: str, without: Correction = NOTHING) -> int:
    chip = start("level.S", mcu, without)
    chip.schedule_pin(*EDGE[mcu], 0, 500)
    chip.run_until_cycle(20_000)
    ((period, _),) = Counter(np.diff(rises(chip)).tolist()).most_common(1)
    return period


@both_chips
def test_one_instruction_runs_between_two_interrupts(mcu: str) -> None:
    reti = ENTRY[mcu]
    one_nop = ENTRY[mcu] + JMP + SBI + CBI + reti + 1
    assert back_to_back(mcu) == one_nop
    assert back_to_back(mcu, Correction.RETURN) == one_nop + 1
    assert back_to_back(mcu, Correction.RETURN | Correction.ENTRY) == one_nop + 1 - ENTRY[mcu]


@both_chips
def test_one_instruction_runs_after_sei(mcu: str) -> None:
    def counted(without: Correction = NOTHING, **defines: int) -> int:
        chip = start("sei.S", mcu, without, **defines)
        chip.schedule_pin(*EDGE[mcu], 1, 500)
        chip.run_until_cycle(1000)
        return chip.peek_int("counted", 1)

    assert counted() == 1
    assert counted(Correction.RETURN) == 2
    assert counted(FEEDS=1) == 0


@both_chips
def test_a_flag_raised_while_masked_fires_when_unmasked(mcu: str) -> None:
    def from_unmasking(without: Correction = NOTHING) -> list[int]:
        chip = start("masked.S", mcu, without)
        chip.schedule_pin(*EDGE[mcu], 1, 1000)
        chip.run_until_cycle(20_000)
        unmasked = rises(chip, "B", 1)[0] + SBI
        return [cycle - unmasked for cycle in rises(chip)]

    assert from_unmasking() == [ENTRY[mcu] + JMP + SBI]
    assert from_unmasking(Correction.MASKED) == []


# ---- flags and ports


@both_chips
def test_writing_a_one_clears_one_flag(mcu: str) -> None:
    chip = start("flags.c", mcu)
    port, bit = EDGE[mcu]
    chip.schedule_pin(port, bit, 1, 80_000)
    chip.run_until_cycle(90_000)
    tov, ocf = 1, 2
    assert chip.peek_int("timer_before") == tov | ocf
    assert chip.peek_int("timer_after") == tov
    assert chip.peek_int("edge_before") != 0
    assert chip.peek_int("edge_after") == 0

    chip = start("flags.c", mcu, Correction.FLAGS)
    chip.schedule_pin(port, bit, 1, 80_000)
    chip.run_until_cycle(90_000)
    assert chip.peek_int("timer_after") == 0
    assert chip.peek_int("edge_after") != 0


@both_chips
def test_sbi_touches_its_own_bit(mcu: str) -> None:
    def after(without: Correction = NOTHING) -> tuple[int, int]:
        chip = start("sbi.c", mcu, without)
        chip.run_until_cycle(2000)
        return chip.peek_int("port_after"), chip.peek_int("flags_after")

    ocf_b = 4
    assert after() == (0x07, ocf_b)
    assert after(Correction.SBI) == (0x02, 0)


@both_chips
def test_a_pull_up_driven_low_stays_low(mcu: str) -> None:
    def pressed(without: Correction = NOTHING) -> list[int]:
        chip = start("pullup.c", mcu, without)
        chip.schedule_pin(*EDGE[mcu], 0, 2000)
        chip.run_until_cycle(3000)
        return [chip.peek_int(name) for name in ("at_rest", "pressed", "pressed_after_write")]

    assert pressed() == [1, 0, 0]
    assert pressed(Correction.PULLUP) == [1, 0, 1]


@both_chips
def test_a_low_level_needs_no_polling(mcu: str) -> None:
    """With the interrupt's sense bits at their reset value and its mask closed, as any program starts."""

    def blocks(without: Correction = NOTHING) -> int:
        chip = start("sbi.c", mcu, without)
        chip.schedule_pin(*EDGE[mcu], 1, 3000)
        chip.schedule_pin(*EDGE[mcu], 0, 4000)
        chip.run_until_cycle(5000)
        before = chip.blocks
        chip.run_until_cycle(50_000)
        return chip.blocks - before

    assert blocks() < 50
    assert blocks(Correction.LEVEL) > 10_000


@both_chips
def test_an_edge_before_the_sense_was_chosen_does_not_count(mcu: str) -> None:
    def entries(without: Correction = NOTHING) -> int:
        chip = start("sense.S", mcu, without)
        chip.schedule_pins(*EDGE[mcu], [1, 0, 1, 0], [1000, 2000, 10_000, 11_000])
        chip.run_until_cycle(12_000)
        return len(chip.edges("B", 0)[0])

    assert entries() == 2
    assert entries(Correction.LEVEL) > 2


# ---- the host's sleep and its standard output


def host_sleeps(program: str, cycles: int, without: Correction = NOTHING) -> int:
    """How often the kernel was asked to let this thread wait: a count, not a time."""
    chip = start(program, "atmega2560", without)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    chip.run_until_cycle(cycles)
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before


def test_sleep_and_status_reads_cost_no_time_of_the_host() -> None:
    assert host_sleeps("sleeper.S", 400 * 2048) < 20
    # libsimavr sleeps only while it is ahead of the clock on the wall: on a busy computer not in every run.
    assert any(host_sleeps("sleeper.S", 400 * 2048, Correction.SLEEP) > 20 for _ in range(50))
    assert host_sleeps("poll.c", 100_000, Correction.UART) < 20
    assert host_sleeps("poll.c", 100_000, Correction.UART | Correction.SLEEP) > 500


@both_chips
def test_waking_costs_its_cycles(mcu: str) -> None:
    chip = start("sleeper.S", mcu)
    chip.run_until_cycle(10 * 2048)
    timer_started = int(chip.pin_changes()["cycle"][0]) + 1
    first = timer_started + 2048 + 2 * ENTRY[mcu] + JMP + SBI
    assert chip.edges("B", 0)[0].tolist() == [first + 2048 * n for n in range(9)]


def test_loading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    start("send.c", "atmega2560").run_until_cycle(10_000)
    assert capfd.readouterr() == ("", "")
    start("send.c", "atmega2560", Correction.QUIET).run_until_cycle(10_000)
    assert "Loaded" in capfd.readouterr().out
