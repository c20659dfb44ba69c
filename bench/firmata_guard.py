"""The guard of a StandardFirmata body: how long a valve stays open after whatever held it is gone.

A model of the board behind a pseudo-terminal, its line at 57600 baud; the valve is opened, then the loop is killed
(SIGKILL), the loop hangs (SIGSTOP), or the session's own process is killed while loop and guard live on. Measured by
the board: from the signal to the valve's pin.

    python bench/firmata_guard.py [--times 20]
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing as mp
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from firmata_rig import PtyBoard, arm, firmata_config, pulse  # noqa: E402

from rig.board import Board  # noqa: E402
from rig.errors import BoardError  # noqa: E402
from rig.firmata import FirmataLink  # noqa: E402

SPAWN = mp.get_context("spawn")
VALVE_PIN = 8


def opened(port: str) -> tuple[FirmataLink, Board]:
    """A machine that has been told to open the valve for half a second."""
    config = firmata_config(port)
    link = FirmataLink.of(config, port)
    board = arm(link, config)
    pulse(board, "valve", width_us=490_000)
    return link, board


def hold_open(port: str) -> None:
    """A session's process that opens the valve and goes on talking."""
    _, talk = opened(port)
    while True:
        talk.poll(5_000_000)


def loop_gone(number: int) -> Callable[[PtyBoard], tuple[int, FirmataLink | None]]:
    """A strike at the loop. Returns when it was, by the board, and the link to close."""

    def strike(board: PtyBoard) -> tuple[int, FirmataLink | None]:
        link, talk = opened(board.port)
        wait_open(board, talk)
        at_us = board.us_of(time.monotonic_ns())
        os.kill(link._loop.pid, number)
        return at_us, link

    return strike


def session_gone(board: PtyBoard) -> tuple[int, None]:
    """The session's process is killed."""
    process = SPAWN.Process(target=hold_open, args=(board.port,))
    process.start()
    wait_open(board)
    at_us = board.us_of(time.monotonic_ns())
    process.kill()
    process.join()
    return at_us, None


def wait_open(board: PtyBoard, talk: Board | None = None) -> None:
    """Until the valve is open; the session goes on meanwhile, where it is this process."""
    until_s = time.monotonic() + 60
    while not board.rig.board.high[VALVE_PIN]:
        assert time.monotonic() < until_s, "the valve never opened"
        if talk:
            talk.poll(1_000_000)
        else:
            time.sleep(0.001)


def closed_ms(strike: Callable[[PtyBoard], tuple[int, FirmataLink | None]]) -> float:
    """One time: from the strike to the pin."""
    board = PtyBoard()
    try:
        at_us, link = strike(board)
        until_s = time.monotonic() + 10
        while board.rig.board.high[VALVE_PIN] and time.monotonic() < until_s:
            time.sleep(0.002)
        changed_us, level = board.rig.around.valve_us[-1]
        assert level == 0, "the valve stayed open"
        if link:
            with contextlib.suppress(ProcessLookupError, BoardError):
                os.kill(link._loop.pid, signal.SIGKILL)
            link.close()
        return (changed_us - at_us) / 1000
    finally:
        board.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    args = parser.parse_args()
    for name, strike in (
        ("loop killed", loop_gone(signal.SIGKILL)),
        ("loop hung", loop_gone(signal.SIGSTOP)),
        ("session's process killed", session_gone),
    ):
        ms = [closed_ms(strike) for _ in range(args.times)]
        print(f"{name:26} valve closed after {np.median(ms):6.1f} ms (median), {max(ms):6.1f} ms (worst of {len(ms)})")


if __name__ == "__main__":
    main()
