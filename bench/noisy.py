"""What a serial link carries when five in ten thousand bits are turned, both ways, beside the same link undisturbed.

    python bench/noisy.py [--seconds 5]

A real pseudo-terminal; the board behind it samples its lever so fast that the link is full, and thins what it cannot
send, saying how many. Every event that comes must be the next one: none lost, none twice.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from ptyboard import PtyBoard

from rig import wire
from rig.board import Board
from rig.link import SerialLink

FLIP = 8 * 5e-4  # of the bytes: five in ten thousand bits
THINNED, LOST = wire.BY_NAME["thinned"].number, wire.BY_NAME["lost"].number
PERIOD_US, BATCH = 200, 20


def carried(flip: float, seconds: float) -> tuple[float, float, int, int]:
    """Samples and bytes of events a second, frames damaged, and events lost."""
    with PtyBoard(flip=flip) as pty:
        link = SerialLink(pty.port)
        board = Board(link)
        board.connect(60_000_000_000)
        for name, values in (
            ("set_safety", {"deadman_us": 5_000_000, "interlock": wire.NO_INPUT}),
            ("set_lever", {"source": 0, "period_us": PERIOD_US, "batch": BATCH}),
            ("lock", {}),
            ("arm", {}),
        ):
            board.send(name, values)
        events: list[bytes] = []
        begin_s = time.monotonic()
        while time.monotonic() - begin_s < seconds:
            events += board.poll(10_000_000)
            board.acknowledge()
        took_s = time.monotonic() - begin_s
        link.close()
    numbers = [wire.EVENT_HEADER.unpack_from(payload)[1] for payload in events]
    lost = sum(payload[0] == LOST for payload in events)
    assert lost or numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    samples = sum((len(payload) - 17) // 2 for payload in events if payload[0] == wire.BY_NAME["lever"].number)
    return samples / took_s, sum(map(len, events)) / took_s, board.damaged, lost


def main() -> None:
    """Print a row for each wire."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    args = parser.parse_args()
    clean = carried(0.0, args.seconds)
    noisy = carried(FLIP, args.seconds)
    for name, (samples, per_s, damaged, lost) in (("clean", clean), ("5 in 10,000 bits", noisy)):
        print(
            f"{name:17} {samples:7.0f} samples/s, {per_s / 1000:6.1f} kB of events/s, {damaged} frames damaged,"
            f" {lost} events lost; {per_s / clean[1]:.2f} x the clean link"
        )


if __name__ == "__main__":
    main()
