"""The closed loop through the real StandardFirmata on an emulated 328p, in virtual time: pin to decision to pin.

The computer takes no time here, so this is the board's share and the wire's. The sketch is not part of this repository:
build it for an Uno (docs/timing.md says how) and name its ELF. Without one there is nothing to measure.

    python bench/firmata_chip.py standard.elf
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from avr.emulator import Emulator  # noqa: E402
from avr.link import EmulatedLink  # noqa: E402
from firmata_rig import VirtualLink, firmata_config  # noqa: E402

from rig import wire  # noqa: E402
from rig.board import Board  # noqa: E402
from rig.firmata.wiring import wiring_of  # noqa: E402
from rig.setup import board_setup  # noqa: E402

CYCLES_A_US = 16
TRIES = 256
SYNC = 1 << wire.OUTPUTS.index("sync")


class ChipEnd:
    """The sketch on the chip, as :class:`firmata_rig.VirtualLink` takes a board."""

    def __init__(self, elf: str, step_us: int = 10) -> None:
        self.chip = Emulator(elf, "atmega328p", baud=57_600, allow_hazards=True)
        self._link = EmulatedLink(self.chip, step_us)
        self.chip.schedule_adc(0, 512, 100)
        self.now_us = 0

    def write(self, data: bytes) -> None:
        """Bytes for the board."""
        self._link.write(data)

    def read_until(self, t_us: int) -> bytes:
        """Time passes until bytes have come, at most until then."""
        data: bytes = self._link.read(max(0, t_us - self.now_us) * 1000)
        self.now_us = self.chip.cycle // CYCLES_A_US
        return data


def load(board: Board, enter: int, leave: int) -> None:
    """Two states: the sync output follows a cause."""
    state = dict.fromkeys((name for name, _ in wire.STATE_FIELDS), 0) | {"rules": 1}
    rule = {"kind": 1, "gate": 255, "lo_counts": 100, "hi_counts": 500, "hysteresis_counts": 5}
    board.send("table_begin", {"trial": 1, "states": 2, "rules": 1, "generators": 0})
    board.send("table_state", {"index": 0, **state, "on0": enter, "to0": 1})
    board.send("table_state", {"index": 1, **state, "outputs": SYNC, "on0": leave, "to0": 0})
    board.send("table_rule", {"index": 0, **rule, "time_us": 0, "refractory_us": 0})
    board.send("table_commit")


def times_us(board: Board, end: ChipEnd, *, digital: bool) -> list[float]:
    """From a change at the chip's pin to the change of its output."""
    chip, rng, found = end.chip, np.random.default_rng(1), []
    for i in range(TRIES):
        level = (i + 1) % 2
        at = chip.cycle + 200 * CYCLES_A_US + int(rng.integers(0, 1000 * CYCLES_A_US))
        if digital:
            chip.schedule_pin("D", 2, level, at)
        else:
            chip.schedule_adc(0, 700 if level else 512, at)
        stop_us = end.now_us + 6000
        while end.now_us < stop_us:
            board.poll(3_000_000)
        cycles, levels = chip.edges("B", 1)
        after = [int(cycle) for cycle, now in zip(cycles, levels, strict=True) if cycle > at and now == level]
        found.append((after[0] - at) / CYCLES_A_US)
    return found


def main() -> None:
    """Measure and print."""
    if len(sys.argv) < 2:
        print("no ELF of StandardFirmata named: nothing measured")
        return
    end, config = ChipEnd(sys.argv[1]), firmata_config()
    link = VirtualLink(end, wiring_of(config))
    print(f"ready after {end.now_us / 1e6:.2f} s; a sample each {link.engine.sample_period_us:.0f} us")
    board = Board(link)
    board.begin_anew()
    for name, values in board_setup(config):
        board.send(name, values)
    causes = {"digital": (wire.ON_INPUT, wire.ON_INPUT + 1), "analogue": (wire.ON_RULE, wire.ON_RULE + 1)}
    for what, cause in causes.items():
        load(board, *cause)
        board.poll(50_000_000)
        us = times_us(board, end, digital=what == "digital")
        p50, p99 = np.percentile(us, (50, 99))
        print(f"{what:9} median {p50:.0f} us, p99 {p99:.0f} us, worst {max(us):.0f} us ({len(us)} changes)")
        board.send("stop", {"at_end": 0})
        board.poll(100_000_000)
        board.send("arm")
        board.poll(50_000_000)


if __name__ == "__main__":
    main()
