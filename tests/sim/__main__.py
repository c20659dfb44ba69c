"""Plays seeds and judges them; see the package."""

from __future__ import annotations

import argparse
import gc
import math
import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import FrameType

from sim.draw import draw
from sim.judge import judge
from sim.play import play, scratch

HANG_S = 900
PROCESSES = 2


@dataclass
class Outcome:
    """What came of one seed."""

    seed: int
    hours: float = 0.0
    cpu_s: float = 0.0
    sessions: int = 0
    sittings: int = 0
    events: int = 0
    lost: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    about: str = ""


class Hang(BaseException):
    """Nothing more happens."""


def _hang(_number: int, _frame: FrameType | None) -> None:
    raise Hang


def one(job: tuple[int, bool]) -> Outcome:
    """Play and judge one seed.

    Nothing is collected in between: a day's records are many objects in no cycles, looked through again and again.
    """
    gc.disable()
    try:
        return _one(job)
    finally:
        gc.enable()
        gc.collect()


def _one(job: tuple[int, bool]) -> Outcome:
    """In a folder of its own that is gone afterwards."""
    seed, long = job
    case, outcome = draw(seed, long=long), Outcome(seed)
    folder = Path(tempfile.mkdtemp(dir=scratch()))
    began_s = time.process_time()
    signal.signal(signal.SIGALRM, _hang)
    signal.alarm(HANG_S)
    try:
        played = play(case, folder)
        outcome.hours, outcome.sessions, outcome.sittings = played.hours, len(played.folders), len(played.ends)
        outcome.events = sum(len(life.events) for life in played.truth.lives)
        outcome.lost = sum(len(life.dropped) for life in played.truth.lives)
        outcome.faults = Counter(text.split()[2] for text in played.happened)
        outcome.found = judge(played)
    except Hang:
        outcome.found = [f"hang: nothing more happened within {HANG_S} s"]
    except Exception as error:  # a crash is a finding like any other
        outcome.found = [f"crash: {type(error).__name__}: {error}"]
    finally:
        signal.alarm(0)
        shutil.rmtree(folder, ignore_errors=True)
    outcome.cpu_s = time.process_time() - began_s
    outcome.about = case.describe()
    return outcome


def jobs(args: argparse.Namespace, until_s: float) -> Iterator[tuple[int, bool]]:
    """The seeds to be played."""
    if args.seed is not None:
        yield args.seed, args.long
        return
    first = random.SystemRandom().randrange(1_000_000_000) if args.first is None else args.first
    for n in count():
        if n >= args.seeds if args.seeds else time.monotonic() >= until_s:
            return
        yield first + n, args.long


def say(outcome: Outcome, *, long: bool) -> None:
    """What a seed has found, and how to see it again."""
    for text in outcome.found:
        print(f"seed {outcome.seed}: {text}")
    if outcome.found:
        print(f"  {outcome.about.replace(chr(10), chr(10) + '  ')}")
        print(f"  again: make sim SEED={outcome.seed}{' LONG=1' if long else ''}", flush=True)


def main() -> int:
    """Exit code 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--seeds", type=int, default=0, help="so many")
    parser.add_argument("--first", type=int, help="from this one on (default: at random)")
    parser.add_argument("--seconds", type=float, default=60.0, help="or for so long")
    parser.add_argument("--hours", type=float, default=0.0, help="or until so many were played and judged")
    parser.add_argument("--long", action="store_true", help="sessions of 45 to 90 minutes")
    args = parser.parse_args()
    began_s = time.monotonic()
    done: list[Outcome] = []
    with multiprocessing.get_context("fork").Pool(1 if args.seed is not None else PROCESSES) as pool:
        waiting = []
        for job in jobs(args, began_s + args.seconds if not args.hours else math.inf):
            if args.hours and sum(one.hours for one in done) >= args.hours:
                break
            waiting.append(pool.apply_async(one, (job,)))
            while len(waiting) > 2 * PROCESSES:
                done.append(waiting.pop(0).get())
                say(done[-1], long=args.long)
        for result in waiting:
            done.append(result.get())
            say(done[-1], long=args.long)
    hours, sessions = sum(one.hours for one in done), sum(one.sessions for one in done)
    faults: Counter[str] = sum((one.faults for one in done), Counter())
    bad = sum(bool(one.found) for one in done)
    print(
        f"{len(done)} seeds, {sessions} sessions in {sum(one.sittings for one in done)} sittings, {hours:.1f} hours"
        f" ({60 * hours / max(1, len(done)):.0f} min a seed), {sum(one.events for one in done)} events,"
        f" {sum(one.lost for one in done)} without room and so stated as lost"
    )
    print("on purpose: " + (", ".join(f"{kind} {n}" for kind, n in sorted(faults.items())) or "noise alone"))
    took_s, cpu_s = time.monotonic() - began_s, sum(one.cpu_s for one in done)
    print(
        f"{took_s:.0f} s, {cpu_s:.0f} s of processor time: {3600 * hours / max(1, cpu_s):.0f} x real time each core;"
        f" {bad} seeds with findings"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
