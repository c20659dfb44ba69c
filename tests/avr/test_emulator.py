"""Is the emulator true? Each correction of libsimavr against a program whose cycles are known.

The expected figures are the chip's, from the data sheets (ATmega328P DS40002061, ATmega2560 DS40002211) and the
instruction set manual; each test also switches its correction off and shows that the library alone gets it wrong.
Nothing here depends on the host's clock.
"""

from __future__ import annotations

import resource
from collections import Counter

import numpy as np
import pytest

from avr.build import avr_program
from avr.emulator import MCUS, NOTHING, Correction, Emulator, bytes_of

EDGE = {"atmega2560": ("E", 4), "atmega328p": ("D", 2)}
ENTRY = {"atmega2560": 5, "atmega328p": 4}
JMP, SBI, CBI, OUT = 3, 2, 2, 1

both_chips = pytest.mark.parametrize("mcu", MCUS)


def start(program: str, mcu: str, without: Correction = NOTHING, **defines: str | int) -> Emulator:
    return Emulator(avr_program([program], mcu, defines=defines), mcu, without=without)


def rises(chip: Emulator, port: str = "B", bit: int = 0) -> list[int]:
    cycles, levels = chip.edges(port, bit)
    return [int(cycle) for cycle in cycles[levels == 1]]


def periods(chip: Emulator) -> Counter[int]:
    return Counter(np.diff(rises(chip)).tolist())


# ---- entering and leaving interrupts


def latencies(mcu: str, without: Correction = NOTHING) -> set[int]:
    chip = start("entry.S", mcu, without)
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


def back_to_back(mcu: str, without: Correction = NOTHING) -> int:
    chip = start("level.S", mcu, without)
    chip.schedule_pin(*EDGE[mcu], 0, 500)
    chip.run_until_cycle(20_000)
    ((period, _),) = periods(chip).most_common(1)
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
    def counted(without: Correction = NOTHING) -> int:
        chip = start("sei.S", mcu, without)
        chip.schedule_pin(*EDGE[mcu], 1, 500)
        chip.run_until_cycle(1000)
        return chip.peek_int("counted", 1)

    assert counted() == 1
    assert counted(Correction.RETURN) == 2


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


# ---- the UART


def spacing(mcu: str, divisor: int, without: Correction = NOTHING) -> list[int]:
    chip = start("send.c", mcu, without, DIVISOR=divisor)
    chip.run_until_cycle(80_000)
    sent = chip.uart_read()
    assert bytes_of(sent) == bytes(range(20))
    return sorted(set(np.diff(sent["cycle"].astype(np.int64)[1:]).tolist()))


@pytest.mark.parametrize(("divisor", "cycles"), [(1, 160), (3, 320), (16, 1360)])
def test_a_byte_takes_ten_bits(divisor: int, cycles: int) -> None:
    assert spacing("atmega2560", divisor) == [cycles]
    assert min(spacing("atmega2560", divisor, Correction.UART)) >= cycles * 11 // 10


@both_chips
def test_the_last_byte_has_left_when_the_chip_says_so(mcu: str) -> None:
    chip = start("send.c", mcu)
    chip.run_until_cycle(10_000)
    left = int(chip.uart_read()["cycle"][-1])
    assert 0 < rises(chip)[0] - left < 12


def kept(mcu: str, without: Correction = NOTHING) -> tuple[bytes, int, int, int]:
    chip = start("deaf.c", mcu, without)
    chip.run_until_cycle(1000)
    chip.uart_write(bytes(range(0x30, 0x3A)))
    chip.schedule_pin(*EDGE[mcu], 1, 10_000)
    chip.run_until_cycle(15_000)
    count = chip.peek_int("kept_count")
    overrun = 8
    return (
        chip.peek("kept")[:count],
        chip.peek_int("status_first") & overrun,
        chip.peek_int("status_last") & overrun,
        sum(name == "overrun" for _, name, _ in chip.events()),
    )


@both_chips
def test_the_receiver_keeps_three_bytes_and_tells_of_the_others(mcu: str) -> None:
    assert kept(mcu) == (b"012", 8, 0, 7)
    assert kept(mcu, Correction.UART) == (b"0123456789", 0, 0, 0)


@both_chips
def test_bytes_at_full_rate_come_back_whole(mcu: str) -> None:
    def echoed(without: Correction = NOTHING) -> bytes:
        chip = start("echo.c", mcu, without)
        chip.run_until_cycle(4000)
        chip.uart_write(message)
        chip.run_for_cycles(3000 * 160 + 40_000)
        return bytes_of(chip.uart_read())

    message = np.random.default_rng(3).integers(0, 256, 3000, np.uint8).tobytes()
    assert echoed() == message
    assert len(echoed(Correction.UART)) < 2900


def test_bytes_arrive_at_the_speed_of_the_line() -> None:
    """The host's end may run at its own speed: 115200 baud are 1388.9 cycles, not the chip's 1360."""
    elf = avr_program(["echo.c"], "atmega2560")
    chip = Emulator(elf, baud=115_200)
    chip.run_until_cycle(4000)
    chip.uart_write(bytes(100))
    chip.run_until_cycle(200_000)
    cycles = chip.uart_read()["cycle"].astype(np.int64)
    assert len(cycles) == 100
    assert round((cycles[-1] - cycles[0]) / 99, 1) == pytest.approx(16e6 * 10 / 115_200, abs=0.1)


def test_a_byte_written_into_a_full_buffer_is_lost_and_seen() -> None:
    chip = start("overfill.c", "atmega328p")
    chip.run_until_cycle(2000)
    assert bytes_of(chip.uart_read()) == b"ab"
    assert [(name, detail) for _, name, detail in chip.events()] == [("reset", 1), ("udr_full", ord("c"))]


def test_bytes_for_a_receiver_that_is_off_are_lost_and_seen() -> None:
    chip = start("send.c", "atmega2560")
    chip.uart_write(b"x")
    chip.run_until_cycle(1000)
    assert ("unheard", ord("x")) in [(name, detail) for _, name, detail in chip.events()]
    assert chip.uart_waiting == 0


# ---- the host's sleep and its standard output


def host_sleeps(program: str, cycles: int, without: Correction = NOTHING) -> int:
    """How often the kernel was asked to let this thread wait: a count, not a time."""
    chip = start(program, "atmega2560", without)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    chip.run_until_cycle(cycles)
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before


def test_sleep_and_status_reads_cost_no_time_of_the_host() -> None:
    assert host_sleeps("sleeper.S", 400 * 2048) < 20
    assert host_sleeps("sleeper.S", 400 * 2048, Correction.SLEEP) > 50
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


# ---- timers, converter, resets


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
    chip.run_until_cycle(50_000 + 8000 + 2000)
    cycles, levels = chip.edges("B", 0)
    assert levels.tolist() == [1, 0, 1]
    assert 50_000 <= cycles[1] < 50_005
    assert 58_000 < cycles[2] < 58_500
    assert list(chip.peek("causes")[:2]) == [1, 4]
    chip.reset()
    chip.run_for_cycles(2000)
    assert chip.peek("causes")[2] == 2
