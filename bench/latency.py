"""From an encoder edge to the pin that it decides, on the emulated AVR: one row a program.

    python bench/latency.py [--edges 4000] [--json] [--keep] [NAME …]

Each row: best and median latency in us, the worst at 1, 5, 10 and 20 thousand edges/s with 20 % jitter, and the
most edges/s at which no count is lost (three trains of 10,000 edges). "full line" rows send bytes back to back at 1
Mbaud all the time, the others only what their events need. Virtual time: the figures are cycles of a 16 MHz chip and
the same on every machine; "product" rows are the shipped programs, with a whole host talking; the
input synchroniser (2 to 3 cycles on a real chip) is not in them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from avr.board import ChipRig
from avr.build import BOARDS, EmulatorError, avr_program, firmware_program
from avr.emulator import Emulator
from scenarios import generator, on_input, on_rule, rule, state

from rig.errors import RigError
from rig.wire import Decision, Generator, InputEdge, Rule

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


# --- the product ------------------------------------------------------------------------------------------------------

SCAN = 1 << 4
LOAD_HZ = {"atmega2560": 10_000, "atmega328p": 5_000}
EVERY_US = {"atmega2560": 4_000, "atmega328p": 20_000}  # a decision
TRAFFIC_US = 2000  # a command that matters to no state, so often; samples at 1 kHz go the other way


def _ready(
    mcu: str, states: list[dict[str, int]], rules: list[dict[str, int]], generators: Sequence[dict[str, int]] = ()
) -> ChipRig:
    rig = ChipRig(mcu)
    rig.setup(period_us=1000 if mcu == "atmega2560" else 5000)
    rig.table(states, rules, generators)
    rig.poll(5000)
    return rig


def _chatter(rig: ChipRig) -> None:
    rig.send("host_event", code=3)


def product(
    mcu: str, rate_hz: float, edges: int, decide_us: float = 4000, seed: int = 0
) -> tuple[npt.NDArray[np.float64], ChipRig]:
    """The shipped program: latencies in us from the edge that leaves a window to the pin of the state it leads to.

    The state lasts 0.3 ms and zeroes the lever; then the window is armed again, so there is a decision every
    ``decide_us`` or so.

    Raises:
        EmulatorError: it did not decide as often as it should have.
    """
    step = max(7, round(rate_hz * decide_us / 1e6))
    first = state([(on_rule(0, Decision.LEAVE), 1)], rules=1)
    second = state(flags=1, outputs=SCAN, after_us=300, after_to=0)
    rig = _ready(mcu, [first, second], [rule(Rule.WINDOW, -20_000, step)])
    cycles = edge_cycles(rate_hz, edges, seed, rig.chip.cycle + 2000)
    rig.turn(cycles)
    rig.run_with(int(cycles[-1]) + F_CPU_HZ // 1000, TRAFFIC_US, lambda: _chatter(rig))
    rig.settle()
    rig.poll(50_000)
    rises, due = rig.rises("scan_start"), cycles[step - 1 :: step]
    if len(rises) != len(due):
        raise EmulatorError(f"{mcu}: {len(rises)} decisions for {len(due)} thresholds at {rate_hz:.0f} edges/s")
    return (rises - due) * 1e6 / F_CPU_HZ, rig


def product_keeps_count(mcu: str, rate_hz: float, edges: int = 10_000) -> bool:
    """Whether every edge is counted, with a decision every 20 ms; a board that starts again has lost them."""
    try:
        _, rig = product(mcu, rate_hz, edges, decide_us=20_000)
    except RigError:
        return False
    zeroed = sum(int(str(e.fields["at_counts"])) for e in rig.told("zeroed"))
    last = rig.told("lever")[-1].fields
    return bool(zeroed + last["first_counts"] + last["offsets"][-1] == edges)  # type: ignore[index, operator]


def under_load(mcu: str, rate_hz: float, licks: int = 100) -> dict[str, npt.NDArray[np.float64]]:
    """Inputs lead to a state of 2 ms with a pulse of 3 ms, while the lever swings, a rule decides and the line is busy.

    In us, each. ``input``: from an input's edge to the pin of the state it leads to; ``timer``: that state's end
    against its time; ``pulse``: its width against what was asked for; ``stamp``: the time told against the true one.
    """
    push = rule(Rule.PRESS, 3, 500, hysteresis_counts=1, time_us=500_000)
    first = state([(on_input(0, InputEdge.RISE), 1)], rules=1)
    second = state(rules=1, outputs=SCAN, start=1, after_us=2000, after_to=0)
    rig = _ready(mcu, [first, second], [push], [generator(Generator.PULSE, output=3, width_us=3000)])
    n = int(rate_hz * (licks * 0.02 + 0.05))
    rig.turn(edge_cycles(rate_hz, n, 1, rig.chip.cycle + 4000), np.where(np.arange(n) // 100 % 2 == 0, 1, -1))
    when = (rig.chip.cycle + 40_000 + np.arange(licks) * 320_003).astype(np.int64)
    rig.chip.schedule_pins(*rig.pins["lick"], np.arange(2 * licks) % 2 == 0, np.sort([*when, *(when + 160_000)]))
    rig.run_with(int(when[-1]) + 80_000, TRAFFIC_US, lambda: _chatter(rig))
    rig.settle()
    since, us = int(when[0]), 1e6 / F_CPU_HZ
    stamps = np.array([e.board_us for e in rig.told("input") if int(str(e.fields["levels"])) & 1])
    true_us = (when - rig.zero_cycle) * us
    return {
        "input": (rig.rises("scan_start", since) - when) * us,
        "timer": (rig.falls("scan_start", since) - when) * us - 2000,
        "pulse": (rig.falls("sync", since) - rig.rises("sync", since)) * us - 3000,
        "stamp": stamps - true_us[: len(stamps)],
    }


def product_figures(mcu: str, edges: int = 4_000) -> dict[str, object]:
    """The shipped program's row: edge to pin, input to output, counts, stack and room."""
    runs = {rate: product(mcu, rate, edges, EVERY_US[mcu]) for rate in RATES_HZ}
    every = np.concatenate([latencies for latencies, _ in runs.values()])
    loaded = under_load(mcu, LOAD_HZ[mcu])
    elf = firmware_program(mcu)
    sizes = subprocess.run(["avr-size", str(elf)], capture_output=True, text=True, check=True).stdout.split()[6:9]
    rates = [rate for rate in (20_000, 40_000, 50_000, 60_000, 80_000) if product_keeps_count(mcu, rate)]
    return {
        "row": f"{BOARDS[mcu]} product",
        "best_us": float(every.min()),
        "median_us": float(np.median(every)),
        "worst_us": {rate: float(latencies.max()) for rate, (latencies, _) in runs.items()},
        "most_edges_hz": max(rates, default=0),
        "stack_bytes": max(rig.chip.deepest_stack_bytes for _, rig in runs.values()),
        "free_bytes": min(rig.chip.free_ram_bytes for _, rig in runs.values()),
        "load_hz": LOAD_HZ[mcu],
        "input_median_us": float(np.median(loaded["input"])),
        **{f"{name}_worst_us": float(np.abs(us).max()) for name, us in loaded.items()},
        "flash_bytes": int(sizes[0]) + int(sizes[1]),
        "ram_bytes": int(sizes[1]) + int(sizes[2]),
    }


def product_line(found: dict[str, object]) -> str:
    worst = " ".join(f"{us:6.2f}" for us in found["worst_us"].values())  # type: ignore[attr-defined]
    return (
        f"{found['row']:36} {found['best_us']:6.2f} {found['median_us']:6.2f}   {worst} "
        f"{found['most_edges_hz']:9,} {found['stack_bytes']:6}\n"
        f"{'':36} at {found['load_hz']:,} edges/s, worst: input to output {found['input_worst_us']:.1f} us (median "
        f"{found['input_median_us']:.1f}), timer {found['timer_worst_us']:.1f}, pulse {found['pulse_worst_us']:.1f}, "
        f"stamp {found['stamp_worst_us']:.1f}\n"
        f"{'':36} flash {found['flash_bytes']:,}, RAM {found['ram_bytes']:,}, {found['free_bytes']} never touched"
    )


def line(row: Row, found: Figures) -> str:
    worst = " ".join(f"{us:6.2f}" for us in found.worst_us.values())
    return (
        f"{row.name:36} {found.best_us:6.2f} {found.median_us:6.2f}   {worst} "
        f"{found.most_edges_hz:9,} {found.stack_bytes:6}"
    )


def commit() -> str:
    """The commit that was measured."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="only rows whose name holds one of these words")
    parser.add_argument("--edges", type=int, default=4_000, help="edges in each train")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--keep", action="store_true", help="add the figures as one line to bench/history.ndjson")
    args = parser.parse_args()
    kept: dict[str, object] = {}
    if not args.json:
        print(f"{'edge to pin, us':36}   best median   at 1k    5k    10k    20k   edges/s  stack")
    for row in ROWS:
        if args.name and not any(word in row.name for word in args.name):
            continue
        found = figures(row, args.edges)
        kept[row.name] = vars(found)
        print(json.dumps({"row": row.name, **vars(found)}) if args.json else line(row, found), flush=True)
    for mcu in BOARDS:
        if args.name and not any(word in f"{BOARDS[mcu]} product" for word in args.name):
            continue
        made = product_figures(mcu, args.edges)
        kept[str(made.pop("row"))] = made
        print(
            json.dumps({"row": f"{BOARDS[mcu]} product", **made})
            if args.json
            else product_line({"row": f"{BOARDS[mcu]} product", **made}),
            flush=True,
        )
    if args.keep:
        with (Path(__file__).parent / "history.ndjson").open("a", encoding="utf-8") as file:
            file.write(
                json.dumps(
                    {
                        "bench": "latency",
                        "utc": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}",
                        "commit": commit(),
                        **kept,
                    }
                )
                + "\n"
            )


if __name__ == "__main__":
    main()
