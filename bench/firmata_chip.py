"""StandardFirmata's real sketch on an emulated 328p: the closed loop in its parts, and a whole session with a mouse.

Pin to decision to pin, in virtual time, change by change: the sketch's own delay before its report, the report on the
wire, this computer, the command on the wire, the sketch's own delay until the pin. In virtual time this computer takes
none but the emulator's step; what it really takes is bench/firmata.py's. A session then goes from trial to trial with
the mouse on the analogue pin.

The sketch is not part of this repository: build it for an Uno (docs/timing.md says how) and name its ELF. Without one
there is nothing to measure.

    python bench/firmata_chip.py standard.elf [--trials 5]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from avr.emulator import Emulator  # noqa: E402
from chip_rig import ChipInRig  # noqa: E402
from firmata_rig import BYTE_US, REST_COUNTS, Surroundings, VirtualLink, firmata_config, mouse  # noqa: E402

from rig import wire  # noqa: E402
from rig.board import Board  # noqa: E402
from rig.bodies.animals import Animal, Nobody  # noqa: E402
from rig.firmata.wiring import wiring_of  # noqa: E402
from rig.link import Link  # noqa: E402
from rig.record.folder import read_entries  # noqa: E402
from rig.record.verify import verify  # noqa: E402
from rig.session import launch  # noqa: E402
from rig.session.setup import board_setup  # noqa: E402
from rig.session.summary import Rules  # noqa: E402

CYCLES_A_US = 16
BAUD = 57_600
TRIES = 256
SYNC = 1 << wire.OUTPUTS.index("sync")
PINS = {"valve": ("B", 0), "sync": ("B", 1), "tone": ("B", 2), "lick": ("D", 2), "frame": ("D", 4)}
QUICK = {"iti_min": "0.5 s", "iti_max": "0.6 s", "reward_time": "100 ms"}


# --- the closed loop --------------------------------------------------------------------------------------------------


def load(board: Board, enter: int, leave: int) -> None:
    """Two states: the sync output follows a cause."""
    state = dict.fromkeys((name for name, _ in wire.STATE_FIELDS), 0) | {"rules": 1}
    rule = {"kind": 1, "gate": 255, "lo_counts": 100, "hi_counts": 500, "hysteresis_counts": 5}
    board.send("table_begin", {"trial": 1, "states": 2, "rules": 1, "generators": 0})
    board.send("table_state", {"index": 0, **state, "on0": enter, "to0": 1})
    board.send("table_state", {"index": 1, **state, "outputs": SYNC, "on0": leave, "to0": 0})
    board.send("table_rule", {"index": 0, **rule, "time_us": 0, "refractory_us": 0})
    board.send("table_commit")


def parts_us(chip: ChipInRig, at_us: float, level: int, *, digital: bool) -> list[float]:
    """One change: sketch until its report leaves, wire, computer, wire, sketch until the pin; and all of it."""
    pin_us = next(t_us for t_us, role, now in chip.driven if t_us > at_us and role == "sync" and now == level)
    begin_us, end_us = [told for told in chip.told if told[1] < pin_us][-1]
    first = 0x90 if digital else 0xE0
    reports = [i for i, (t_us, value) in enumerate(chip.sent) if value == first and at_us < t_us < begin_us]
    ends_us = [chip.sent[i + 2][0] for i in reports if i + 2 < len(chip.sent)]
    reported_us = [t_us for t_us in ends_us if t_us <= begin_us][-1]
    wire_us = end_us - begin_us
    return [reported_us - wire_us - at_us, wire_us, begin_us - reported_us, wire_us, pin_us - end_us, pin_us - at_us]


def changes_us(chip: ChipInRig, wait: Callable[[int], None], *, digital: bool) -> np.ndarray:
    """``(changes, 6)``: the parts of each change."""
    rng, found = np.random.default_rng(1), []
    for i in range(TRIES):
        level = (i + 1) % 2
        for log in (chip.sent, chip.told, chip.driven):
            log.clear()
        at = chip.chip.cycle + 1000 * CYCLES_A_US + int(rng.integers(0, 1000 * CYCLES_A_US))
        if digital:
            chip.chip.schedule_pin(*PINS["lick"], level, at)
        else:
            chip.chip.schedule_adc(0, 700 if level else REST_COUNTS, at)
        wait(at // CYCLES_A_US + 8000)
        found.append(parts_us(chip, at / CYCLES_A_US, level, digital=digital))
    return np.array(found)


def closed_loop(link: Link, chip: ChipInRig, what: str) -> None:
    """Measure and print both kinds of change."""

    def wait(until_us: int) -> None:
        while chip.now_us < until_us:
            board.poll(3_000_000)
            board.acknowledge()

    board = Board(link)
    board.begin_anew()
    for name, values in board_setup(firmata_config()):
        board.send(name, values)
    print(f"{what} ({TRIES} changes each), us:")
    print("  medians:       sketch    wire  computer  wire  sketch | all, median / p99 / worst | all / (sketch + wire)")
    for kind, cause in (("digital", wire.ON_INPUT), ("analogue", wire.ON_RULE)):
        load(board, cause, cause + 1)
        wait(chip.now_us + 100_000)
        parts = changes_us(chip, wait, digital=kind == "digital")
        middle, whole = np.median(parts, axis=0), parts[:, 5]
        p50, p99 = np.percentile(whole, (50, 99))
        board_us = whole - parts[:, 2]
        ratio = np.median(whole) / np.median(board_us), p99 / np.percentile(board_us, 99)
        row = "  ".join(f"{us:6.0f}" for us in middle[:5])
        said = f"{p50:.0f} / {p99:.0f} / {whole.max():.0f} | {ratio[0]:.2f} (p99 {ratio[1]:.2f})"
        print(f"  {kind:12} {row} | {said}", flush=True)
        board.send("stop", {"at_end": 0})
        wait(chip.now_us + 50_000)
        board.send("arm")
        wait(chip.now_us + 50_000)


def standard(elf: str, animal: Animal, step_us: int) -> ChipInRig:
    """The sketch, wired as tests/firmata_rig.py says."""
    chip = Emulator(elf, "atmega328p", baud=BAUD, allow_hazards=True)
    chip.schedule_adc(0, REST_COUNTS, 100)
    for role in ("lick", "frame"):
        chip.schedule_pin(*PINS[role], 0, 0)
    return ChipInRig(
        chip,
        Surroundings(animal, PINS, frame_hz=None if isinstance(animal, Nobody) else 30.0),
        PINS,
        step_us=step_us,
        byte_us=BYTE_US,
    )


# --- a session --------------------------------------------------------------------------------------------------------


def session(elf: str, trials: int) -> None:
    """Whole trials with the mouse on the analogue pin; the record is verified."""
    chip = standard(elf, mouse(), 200)
    link = VirtualLink(chip, wiring_of(firmata_config()))
    setattr(launch, "open_link", lambda config, **_: link)  # noqa: B010
    with tempfile.TemporaryDirectory() as folder:
        order = launch.Order(
            firmata_config(data=folder), Path(folder) / "config.yaml", changes=QUICK, rules=Rules(trials=trials), seed=1
        )
        summary = launch.launch(order)
        report = verify(read_entries(Path(summary.session))[0])
    valve = chip.around.valve_us
    widths_ms = [(b[0] - a[0]) / 1000 for a, b in zip(valve[::2], valve[1::2], strict=True)]
    print(
        f"a session on the sketch: {summary.trials} trials, {summary.outcomes}, {summary.events} events,"
        f" {summary.lost_events} lost, {summary.damaged_frames} damaged, {report.faults or 'no'} faults found;"
        f" valve pulses at the pin {min(widths_ms):.2f} to {max(widths_ms):.2f} ms, 42.5 asked for"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("elf", nargs="?")
    parser.add_argument("--trials", type=int, default=5)
    args = parser.parse_args()
    if not args.elf:
        print("no ELF of StandardFirmata named: nothing measured")
        return
    chip = standard(args.elf, Nobody(), 10)
    link = VirtualLink(chip, wiring_of(firmata_config()))
    print(f"ready after {chip.now_us / 1e6:.2f} s; a sample each {link.engine.sample_period_us:.0f} us")
    closed_loop(link, chip, "virtual time, a computer that takes none")
    session(args.elf, args.trials)


if __name__ == "__main__":
    main()
