"""Is the emulated UART true? Byte times, the receive buffer, overrun, and both directions at full rate.

Expected figures after the ATmega2560 data sheet (DS40002211), chapter "USART".
"""

from __future__ import annotations

import numpy as np
import pytest

from avr.build import avr_program
from avr.chips import EDGE, both_chips, rises, start
from avr.emulator import Emulator
from avr.records import NOTHING, Correction, bytes_of


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


def kept(mcu: str, without: Correction = NOTHING, **defines: int) -> tuple[bytes, int, int, int]:
    chip = start("deaf.c", mcu, without, **defines)
    chip.run_until_cycle(1000)
    chip.uart_write(bytes(range(0x30, 0x3A)))
    chip.schedule_pin(*EDGE[mcu], 1, 10_000)
    chip.uart_write(b"z", 12_000)
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
    assert kept(mcu, FLUSH=1) == (b"z", 0, 0, 7)


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


@both_chips
def test_a_byte_is_received_at_the_end_of_its_frame(mcu: str) -> None:
    """From there: two interrupts of 40 to 60 cycles each, then the frame of the answer."""
    chip = start("echo.c", mcu)
    chip.run_until_cycle(4000)
    chip.uart_write(b"x", 5000)
    chip.run_until_cycle(6000)
    assert 5000 + 160 + 60 < int(chip.uart_read()["cycle"][0]) - 160 < 5000 + 160 + 120


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
