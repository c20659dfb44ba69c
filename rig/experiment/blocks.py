"""Parts that several protocols are built from, so that each file says only what is its own.

Floor 0: parameters go in, states and generators come out. May not: know any one experiment.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from rig.experiment.parts import NEXT_FILE, SCAN_START, SYNC, Code, Generator, Pulse, Rule, Train, Window
from rig.experiment.task import END, Past, State
from rig.imaging import trialcode
from rig.units import Frequency, Power, Time, ms

CODE_VALUES = 4096  # of the 12 bits of a trial's code: trial 4096 is 0 again
MARKS = ("code", "exact", "pulse")
SCANS = ("none", "session", "trials")
SCAN_PULSE = 10 * ms
SHORTEST = 100 * ms  # an interval's first part, however long its still part is


def between(low: Time, high: Time, rng: random.Random) -> Time:
    """A time drawn evenly from ``low`` to ``high``; ``low`` where they stand the wrong way round."""
    return low + (max(high, low) - low) * rng.random()


def trial_mark(kind: str, past: Past) -> Generator:
    """What tells other computers of a trial, on the sync line: its number as a bit code, or a single pulse of 5 ms.

    ``code`` is the lab's, of 12 bits in 125 ms; ``exact`` has 16 and a checksum, in 98 ms (`imaging/trialcode.py`).
    """
    number = past.n + 1
    if kind == "exact":
        return Code(SYNC, trialcode.exact(number), trialcode.EXACT_BITS, Time(trialcode.EXACT_BIT_US))
    return Code(SYNC, number % CODE_VALUES) if kind == "code" else Pulse(SYNC, 5 * ms)


def scan_trigger(kind: str, past: Past) -> tuple[Pulse, ...]:
    """What trials tell the microscope: nothing; to begin its scan, with the first one; and a file for each later one.

    A microscope that scans already takes no notice of a start (TASK.md 5).
    """
    if kind == "none" or (past.n and kind == "session"):
        return ()
    return (Pulse(NEXT_FILE if past.n else SCAN_START, SCAN_PULSE),)


def interval(
    length: Time,
    still: Time,
    quiet: Window,
    *,
    watch: Rule | Sequence[Rule] = (),
    stop: Generator | Sequence[Generator] = (),
) -> tuple[State, ...]:
    """The states that end a trial, from one called "iti" on.

    ``still``: in so long a last part of it the lever must stay within ``quiet``; each time that it leaves, this part
    begins again once it is back. ``stop``: what is stopped as the interval begins.
    """
    after = (max(length - still, SHORTEST), "still" if still else END)
    states = (
        State("iti", stop=stop, after=after, watch=watch),
        State("still", after=(still, END), when={quiet.left: "iti_again"}, watch=watch),
        State("iti_again", when={quiet.entered: "still"}, watch=watch),
    )
    return states if still else states[:1]


def light_for(
    output: str,
    length: Time,
    delay: Time,
    *,
    rate: Frequency,
    width: Time,
    power: Power | None = None,
    ramp: Time = 0 * ms,
) -> Pulse | Train:
    """Light for a time: steady, or, where ``rate`` is not 0, as many pulses of ``width`` as fit into it."""
    if not rate:
        return Pulse(output, length, delay, power=power, ramp=ramp)
    count = max(1, length.us // rate.period.us)
    return Train(output, width, rate.period, count, delay, power=power, ramp=ramp)
