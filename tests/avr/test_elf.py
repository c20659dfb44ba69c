"""The reader of ELF files, and its scan for code that the emulator would run wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from avr.build import EmulatorError, avr_program
from avr.elf import read_elf, scan_elf
from avr.emulator import Emulator
from avr.records import MCUS


def hazard(constant: int) -> Path:
    return avr_program(["hazard.S"], "atmega328p", defines={"CONSTANT": constant})


@pytest.mark.parametrize("constant", [12, 13, 28, 47, 63])
def test_the_scan_finds_a_mistaken_constant(constant: int) -> None:
    (found,) = scan_elf(hazard(constant))
    assert (found.function, found.text) == ("main", f"sbrs over adiw r24, {constant}")


@pytest.mark.parametrize("constant", [0, 11, 16, 27, 59])
def test_the_scan_lets_other_constants_pass(constant: int) -> None:
    assert scan_elf(hazard(constant)) == []


def test_the_library_does_run_it_wrongly() -> None:
    """If this ever fails the library has been mended, and the scan can go."""

    def reached(constant: int) -> int:
        chip = Emulator(hazard(constant), "atmega328p", allow_hazards=True)
        chip.run_until_cycle(1000)
        return chip.peek_int("reached", 1)

    assert reached(11) == 2
    assert reached(13) == 1


def test_a_program_with_a_hazard_is_refused() -> None:
    with pytest.raises(EmulatorError, match=r"reword the code: 0x[0-9a-f]+ in main: sbrs over adiw"):
        Emulator(hazard(13), "atmega328p")


@pytest.mark.parametrize("mcu", MCUS)
def test_all_test_programs_are_free_of_it(mcu: str) -> None:
    for name in ("everything.c", "echo.c", "reference_isr.c"):
        assert scan_elf(avr_program([name], mcu)) == []


def test_symbols_lie_where_the_program_has_them() -> None:
    elf = read_elf(avr_program(["everything.c"], "atmega2560"))
    edges = elf.symbols["edges"]
    assert (edges.size, edges.in_ram, edges.is_data) == (2, True, True)
    assert 0x200 <= edges.address < 0x2200
    main = elf.symbols["main"]
    assert not main.in_ram
    assert elf.nearest(main.address + 4) == "main"
