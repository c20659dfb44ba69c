"""The yardsticks of ``bench/latency.py``: their figures are cycles, so they can be held to the cycle."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import latency

from avr.build import avr_program
from avr.emulator import Emulator
from avr.records import bytes_of

ROWS = {row.name: row for row in latency.ROWS}


@pytest.mark.parametrize(("chip", "entry"), [("328p", 4), ("2560", 5)])
def test_the_lean_interrupt_takes_the_cycles_that_its_instructions_add_up_to(chip: str, entry: int) -> None:
    """On A: JMP 3, five moves, SBRS 2, four sums, BRLT 1, SBIC 1, SBI 2; on B one more; and one to break into."""
    latencies_us, _ = latency.measure(ROWS[f"{chip} lean assembly"], 1000, 700)
    on_a = entry + 3 + 5 + 2 + 4 + 1 + 1 + 2
    cycles = np.rint(latencies_us * 16).astype(int)
    assert set(cycles[::2].tolist()) <= {on_a, on_a + 1}
    assert set(cycles[1::2].tolist()) <= {on_a + 1, on_a + 2}


@pytest.mark.parametrize("name", ["328p C 32-bit, full line", "2560 C 32-bit, full line", "2560 lean assembly"])
def test_forty_thousand_edges_a_second_are_counted(name: str) -> None:
    assert latency.keeps_count(ROWS[name], 40_000, edges=5_000)


def test_a_rate_beyond_the_chip_loses_counts() -> None:
    assert not latency.keeps_count(ROWS["328p C 32-bit"], 200_000, edges=2_000)


def test_the_line_is_what_makes_the_worst_case() -> None:
    alone, _ = latency.measure(ROWS["328p C 32-bit"], 1000, 700)
    full, _ = latency.measure(ROWS["328p C 32-bit, full line"], 1000, 700)
    assert alone.max() - alone.min() < 0.2
    assert full.max() - full.min() > 1


def test_every_edge_is_told_once_and_in_order() -> None:
    """Below 12,500 edges/s the line has room for an event of 8 bytes an edge."""
    chip = Emulator(avr_program(latency.C_CODE, "atmega2560"))
    latency.run_set_up(chip)
    latency.turn_forwards(chip, latency.edge_cycles(10_000, 500, 0, chip.cycle))
    chip.run_for_us(60_000)
    events = list(struct.iter_unpack("<BBHi", bytes_of(chip.uart_read())))
    assert [(mark, number, position) for mark, number, _, position in events] == [
        (0xE7, n & 0xFF, n + 1) for n in range(500)
    ]
