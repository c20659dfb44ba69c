"""Chance for the light plan: every draw is a SHA-256, so a seed means the same on every computer.

Floor 0: no files, time or threads. ``random.Random`` promises its sequence for ``random()`` alone,
not for ``shuffle`` or ``randrange``, and numpy's generators may change between versions; so neither
is used. A draw is the SHA-256 of its words joined by ``|``, read as one big-endian integer. It is
stateless, which is why a longer session keeps the trials of a shorter one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from math import comb

DERIVATION = "rig plan 1"  # changed only together with the way seeds become plans
SEED_BITS = 48  # an integer that a double, and so MATLAB or JavaScript, holds exactly
MAX_BLOCK_TRIALS = 100  # under 2^100 arrangements: 256 bits pick one with a bias below 2^-156


def draw(*words: object) -> int:
    """An integer, even over 0 … 2^256 − 1, that depends on the words alone."""
    text = "|".join([DERIVATION, *map(str, words)])
    return int.from_bytes(sha256(text.encode()).digest(), "big")


def derived_seed(*words: object) -> int:
    """A seed below 2^48 from the words."""
    return draw(*words) >> (256 - SEED_BITS)


def shuffled(names: Iterable[str], *words: object) -> list[str]:
    """The names in an order drawn from the words: each name is sorted by its own draw."""
    return sorted(names, key=lambda name: draw(*words, name))


@lru_cache(maxsize=65536)
def arrangements(dark: int, lights: int, room: int, max_run: int) -> int:
    """In how many orders ``dark`` and ``lights`` trials can follow each other.

    No more than ``max_run`` light trials stand in a row, and no more than ``room`` before the first
    dark one. The dark trials leave ``dark + 1`` gaps for the light ones: counted by inclusion and
    exclusion over the gaps that are too full.
    """
    total = 0
    for full in range(min(dark, lights // (max_run + 1)) + 1):
        left = lights - full * (max_run + 1)
        ways = comb(left + dark, dark)
        if left > room:
            ways -= comb(left - room - 1 + dark, dark)
        total += (-1) ** full * comb(dark, full) * ways
    return total


def arrange(rank: int, dark: int, lights: int, room: int, max_run: int) -> list[bool]:
    """The ``rank``-th of all ``arrangements``, dark before light; True is a light trial."""
    flags = []
    while dark or lights:
        dark_first = arrangements(dark - 1, lights, max_run, max_run) if dark else 0
        light = rank >= dark_first
        if light:
            rank, lights, room = rank - dark_first, lights - 1, room - 1
        else:
            dark, room = dark - 1, max_run
        flags.append(light)
    return flags


def light_blocks(seed: int, n_trials: int, lights: int, block_trials: int, max_run: int | None) -> list[bool]:
    """``n_trials`` flags (True: light), ``lights`` of them light in every ``block_trials``.

    Within a block every order that obeys ``max_run``, also across the border to the block before,
    is equally likely. There is one as long as ``lights <= max_run * (block_trials - lights)``: even
    after a block that ended on ``max_run`` light trials, each dark trial of the next can be
    followed by ``max_run`` light ones.
    """
    dark = block_trials - lights
    longest = lights if max_run is None else max_run
    flags: list[bool] = []
    for block in range(-(-n_trials // block_trials)):
        room = longest if max_run is None else longest - run_at_end(flags)
        rank = draw(seed, "block", block) % arrangements(dark, lights, room, longest)
        flags += arrange(rank, dark, lights, room, longest)
    return flags[:n_trials]


def run_at_end(flags: Sequence[bool]) -> int:
    """How many light trials in a row stand at the end of ``flags``."""
    return next((n for n, light in enumerate(reversed(flags)) if not light), len(flags))
