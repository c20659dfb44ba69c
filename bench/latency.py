"""From an encoder edge to the pin that it decides, on the emulated AVR: one row a program.

    python bench/latency.py [--edges 4000] [--json] [NAME …]

Each row: best and median latency in us, the worst at 1, 5, 10 and 20 thousand edges/s with 20 % jitter, and the
most edges/s at which no count is lost (three trains of 10,000 edges). "full line" rows send bytes back to back at 1
Mbaud all the time, the others only what their events need. Virtual time: the figures are cycles of a 16 MHz chip and
the same on every machine; the input synchroniser (2 to 3 cycles on a real chip) is not in them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from avr.build import EmulatorError, avr_program
from avr.emulator import Emulator

RATES_HZ = (1_000, 5_000, 10_000, 20_000)
ENCODER = {"atmega2560": (("E", 4), ("E", 5)), "atmega328p": (("D", 2), ("D", 3))}
F_CPU_HZ = 16_000_000
SEEDS = (0, 1, 2)
Cycles = npt.NDArray[np.int64]


def run_set_up(chip: Emulator) -> None:
    """Lets a program that arms itself come to its main loop."""
    chip.run_until_us(1000)


def position_counts(chip: Emulator) -> int:
    """The position of a program that keeps it in a variable of that name."""
    return chip.peek_int("position", signed=True)


@dataclass(frozen=True)
class Row:
    """One program to measure.

    ``prepare`` brings the chip from power-on to where edges count and the first threshold is armed; from then on the
    program must raise ``output`` at every ``step_counts``-th count upwards and lower it before the next.
    """

    name: str
    mcu: str
    build: Callable[[], Path]
    prepare: Callable[[Emulator], None] = run_set_up
    position: Callable[[Emulator], int] = position_counts
    step_counts: int = 7
    output: tuple[str, int] = ("B", 0)


@dataclass
class Figures:
    """What one row came to, in us of virtual time."""

    best_us: float
    median_us: float
    worst_us: dict[int, float] = field(default_factory=dict)
    most_edges_hz: int = 0
    stack_bytes: int = 0


def edge_cycles(rate_hz: float, count: int, seed: int, begin: int, jitter: float = 0.2) -> Cycles:
    """Cycles of ``count`` edges whose distances are even in ``1 ± jitter`` of the mean."""
    spread = np.random.default_rng(seed).uniform(1 - jitter, 1 + jitter, count)
    return begin + np.cumsum(F_CPU_HZ / rate_hz * spread).astype(np.int64)


def turn_forwards(chip: Emulator, cycles: Cycles) -> None:
    """Plays a quadrature encoder that turns one way: A, B, A, B, …, one edge at each cycle."""
    for first, (port, bit) in enumerate(ENCODER[chip.mcu]):
        own = cycles[first::2]
        chip.schedule_pins(port, bit, 1 - np.arange(len(own)) % 2, own)


def measure(row: Row, rate_hz: float, edges: int, seed: int = 0) -> tuple[npt.NDArray[np.float64], Emulator]:
    """Latencies in us of all decisions in a train of edges, and the chip afterwards.

    Raises:
        EmulatorError: the program crashed, or did not decide as often as it should have.
    """
    chip = Emulator(row.build(), row.mcu, F_CPU_HZ)
    row.prepare(chip)
    cycles = edge_cycles(rate_hz, edges, seed, chip.cycle)
    turn_forwards(chip, cycles)
    chip.run_until_cycle(int(cycles[-1]) + F_CPU_HZ // 1000)
    when, levels = chip.edges(*row.output)
    decided = when[(levels == 1) & (when >= cycles[0])].astype(np.int64)
    due = cycles[row.step_counts - 1 :: row.step_counts]
    if len(decided) != len(due):
        raise EmulatorError(f"{row.name}: {len(decided)} decisions for {len(due)} thresholds at {rate_hz:.0f} edges/s")
    return (decided - due) * 1e6 / F_CPU_HZ, chip


def keeps_count(row: Row, rate_hz: float, edges: int = 10_000) -> bool:
    """Whether every train at a rate is counted to the last edge; a crash is a loss."""
    for seed in SEEDS:
        chip = Emulator(row.build(), row.mcu, F_CPU_HZ)
        row.prepare(chip)
        cycles = edge_cycles(rate_hz, edges, seed, chip.cycle)
        turn_forwards(chip, cycles)
        try:
            chip.run_until_cycle(int(cycles[-1]) + F_CPU_HZ // 1000)
        except EmulatorError:
            return False
        if row.position(chip) != edges:
            return False
    return True


def most_edges_hz(row: Row, low: int = 5_000, high: int = 640_000, to: int = 500) -> int:
    """The highest rate without a lost count, by halving; 0 if ``low`` is too fast already."""
    if not keeps_count(row, low):
        return 0
    while high - low > to:
        middle = (low + high) // 2
        low, high = (middle, high) if keeps_count(row, middle) else (low, middle)
    return low


def figures(row: Row, edges: int = 4_000) -> Figures:
    """All figures of a row."""
    runs = {rate: measure(row, rate, edges) for rate in RATES_HZ}
    every = np.concatenate([latencies for latencies, _ in runs.values()])
    found = Figures(float(every.min()), float(np.median(every)))
    found.worst_us = {rate: float(latencies.max()) for rate, (latencies, _) in runs.items()}
    found.stack_bytes = max(chip.deepest_stack_bytes for _, chip in runs.values())
    found.most_edges_hz = most_edges_hz(row)
    return found


def _reference(name: str, mcu: str, sources: tuple[str, ...], **defines: str | int) -> list[Row]:
    """A program in two rows: with its events only, and with a line that is always full."""

    def building(symbols: Mapping[str, str | int]) -> Callable[[], Path]:
        return lambda: avr_program(sources, mcu, defines=symbols)

    short = mcu.removeprefix("atmega")
    return [
        Row(f"{short} {name}", mcu, building(defines)),
        Row(f"{short} {name}, full line", mcu, building({**defines, "SATURATED": 1})),
    ]


C_CODE = ("reference_isr.c",)
LEAN = ("lean_isr.S", "lean_main.c")
ROWS = [
    *_reference("C 32-bit", "atmega328p", C_CODE),
    *_reference("C 16-bit", "atmega328p", C_CODE, POSITION="int16_t"),
    *_reference("C 32-bit", "atmega2560", C_CODE),
    *_reference("C 16-bit", "atmega2560", C_CODE, POSITION="int16_t"),
    *_reference("C 32-bit two bodies", "atmega328p", C_CODE, TWO_BODIES=1),
    *_reference("lean assembly", "atmega328p", LEAN),
    *_reference("lean assembly", "atmega2560", LEAN),
]


def line(row: Row, found: Figures) -> str:
    worst = " ".join(f"{us:6.2f}" for us in found.worst_us.values())
    return (
        f"{row.name:36} {found.best_us:6.2f} {found.median_us:6.2f}   {worst} "
        f"{found.most_edges_hz:9,} {found.stack_bytes:6}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="only rows whose name holds one of these words")
    parser.add_argument("--edges", type=int, default=4_000, help="edges in each train")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    args = parser.parse_args()
    if not args.json:
        print(f"{'edge to pin, us':36}   best median   at 1k    5k    10k    20k   edges/s  stack")
    for row in ROWS:
        if args.name and not any(word in row.name for word in args.name):
            continue
        found = figures(row, args.edges)
        print(json.dumps({"row": row.name, **vars(found)}) if args.json else line(row, found), flush=True)


if __name__ == "__main__":
    main()
