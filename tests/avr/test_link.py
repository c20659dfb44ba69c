"""The emulated board behind the program's own idea of a link."""

from __future__ import annotations

from avr.build import avr_program
from avr.emulator import Emulator
from avr.link import EmulatedLink
from rig.link import Link


def echo() -> tuple[Emulator, Link]:
    chip = Emulator(avr_program(["echo.c"], "atmega2560"))
    chip.run_until_us(1000)
    return chip, EmulatedLink(chip)


def test_bytes_come_back_and_time_passes_only_in_reading() -> None:
    chip, link = echo()
    assert link.now_ns() == 1_000_000
    link.write(b"push")
    assert link.now_ns() == 1_000_000
    came = b""
    while len(came) < 4:
        came += link.read(1_000_000)
    assert came == b"push"
    assert link.now_ns() == 1_100_000
    assert chip.uart_waiting == 0
    link.close()


def test_silence_lasts_exactly_the_time_asked_for() -> None:
    _, link = echo()
    assert link.read(0) == b""
    assert link.now_ns() == 1_000_000
    assert link.read(12_345_000) == b""
    assert link.now_ns() == 13_345_000
