"""How long a StandardFirmata board's valve stays open after whatever held it open is gone.

A model of the board behind a pseudo-terminal, its line at 57600 baud, and the two processes of a session, loop and
guard. With the valve open for 1.8 s the loop is killed (SIGKILL), the loop hangs (SIGSTOP: silent, but there), or the
session's own process is killed while loop and guard live. From the signal to the valve's pin, by the board's clock;
about 0.4 ms of each is the wire.

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
from functools import partial
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from firmata_rig import LONG_VALVE, PtyBoard, arm, firmata_config, pulse  # noqa: E402

from rig.board import Board  # noqa: E402
from rig.errors import BoardError  # noqa: E402
from rig.firmata import FirmataLink  # noqa: E402

SPAWN = mp.get_context("spawn")
VALVE_PIN = 8
OPEN_US = 1_800_000
PATIENCE_S = 60


def opened(port: str) -> tuple[FirmataLink, Board]:
    """A machine that has been told to open the valve."""
    config = firmata_config(port, more=LONG_VALVE)
    link = FirmataLink.of(config, port)
    talk = arm(link, config)
    pulse(talk, "valve", width_us=OPEN_US)
    return link, talk


def hold_open(port: str) -> None:
    """A session's process that opens the valve and goes on talking."""
    _, talk = opened(port)
    while True:
        talk.poll(5_000_000)


def wait_for(board: PtyBoard, level: int, talk: Board | None = None) -> None:
    """Until the valve is so; the session goes on meanwhile, where it is this process."""
    until_s = time.monotonic() + PATIENCE_S
    while board.rig.board.high[VALVE_PIN] != level:
        assert time.monotonic() < until_s, f"the valve never came to {level}"
        if talk:
            talk.poll(1_000_000)
        else:
            time.sleep(0.001)


def loop_ms(number: int) -> float:
    """From a signal that stops the loop to the closed valve."""
    board = PtyBoard()
    link, talk = opened(board.port)
    wait_for(board, 1, talk)
    at_us = board.us_of(time.monotonic_ns())
    os.kill(link._loop.pid, number)
    wait_for(board, 0)
    os.kill(link._loop.pid, signal.SIGKILL)  # one that only hung
    with contextlib.suppress(BoardError):
        link.close()
    return closed_ms(board, at_us)


def session_ms() -> float:
    """From the end of the session's process to the closed valve."""
    board = PtyBoard()
    process = SPAWN.Process(target=hold_open, args=(board.port,))
    process.start()
    wait_for(board, 1)
    at_us = board.us_of(time.monotonic_ns())
    process.kill()
    process.join()
    wait_for(board, 0)
    return closed_ms(board, at_us)


def closed_ms(board: PtyBoard, at_us: int) -> float:
    """How long it was, once the board is done with. AssertionError where the valve closed by itself."""
    board.close()
    (opened_us, _), (closed_us, level) = board.rig.around.valve_us[-2:]
    assert level == 0
    assert closed_us - opened_us < OPEN_US, "its time was over before anybody acted"
    return (closed_us - at_us) / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    args = parser.parse_args()
    cases: dict[str, Callable[[], float]] = {
        "loop killed": partial(loop_ms, signal.SIGKILL),
        "loop silent": partial(loop_ms, signal.SIGSTOP),
        "session killed": session_ms,
    }
    for name, once in cases.items():
        ms = [once() for _ in range(args.times)]
        print(f"{name:15} valve closed after {np.median(ms):6.1f} ms (median), {max(ms):6.1f} ms (worst of {len(ms)})")


if __name__ == "__main__":
    main()
