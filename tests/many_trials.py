"""Random trials on core and reference for as long as one likes: what tests/test_core.py asserts, on seeds of its own.

    python tests/many_trials.py [--seconds 240] [--first SEED] [NAME …]

``prompt``: the core steps when it should; ``late``: its step comes late and interrupts decide ahead of it; ``…_long``:
whole sessions instead of a few pushes. A difference is printed with the seed that shows it again (``--seconds 0``).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable

from scenarios import Maker
from test_core import GRIDS_US, both, check_late

SHORT = {"pushes": 3, "changes": 4, "talk": 2}
CHECKS: dict[str, Callable[[random.Random, Maker], object]] = {
    "prompt": lambda _, make: both(make.scenario(**SHORT)),
    "prompt_long": lambda _, make: both(make.scenario()),
    "late": lambda rng, make: check_late(rng, make.scenario(**SHORT)),
    "late_long": lambda rng, make: check_late(rng, make.scenario()),
}


def run(name: str, first: int, seconds: float) -> int:
    """One property on seed after seed, at least one. Returns how many differed."""
    until_s, seed, differed = time.monotonic() + seconds, first, 0
    while seed == first or time.monotonic() < until_s:
        rng = random.Random(seed)
        try:
            CHECKS[name](rng, Maker(rng, rng.choice(GRIDS_US)))
        except AssertionError as error:
            differed += 1
            print(f"{name}, seed {seed}: {error}", flush=True)
        seed += 1
    print(f"{name}: {seed - first} trials from seed {first} on, {differed} differ", flush=True)
    return differed


def main() -> int:
    """Everything asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {' '.join(CHECKS)}")
    parser.add_argument("--seconds", type=float, default=240, help="of each")
    parser.add_argument("--first", type=int, default=random.SystemRandom().randrange(1 << 40), metavar="SEED")
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in CHECKS]:
        parser.error(f"{', '.join(unknown)}: expected {', '.join(CHECKS)}")
    return sum([run(name, args.first, args.seconds) for name in args.names or CHECKS]) > 0


if __name__ == "__main__":
    sys.exit(main())
