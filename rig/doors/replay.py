"""Feed a recorded encoder trace (t_us,count; gzip or plain) to a lever rule and print every decision.

The rule is the firmware's own. A lever is inside a window while strictly between its bounds: reaching a bound is LEAVE.

examples:
  rig replay wheel.encoder.csv.gz --window -46..46 --zero-at wheel.events.csv
  rig replay wheel.encoder.csv.gz --press 15..30 --within 200 --refractory 1000 --csv
"""

from __future__ import annotations

import argparse
import collections
import csv
import re
import sys
from pathlib import Path

from rig import wire
from rig.bodies.animals import read_trace
from rig.errors import ConfigError
from rig.record.replay import LeverRule, decisions, zero_marks


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("trace", type=Path, help="the trace")
    rule = parser.add_mutually_exclusive_group(required=True)
    rule.add_argument("--window", metavar="LO..HI", help="counts; inside is strictly between")
    rule.add_argument("--press", metavar="REST..PRESS", help="counts; from rest to press")
    add("--hold", type=float, default=0, metavar="MS", help="window: HELD after so long inside")
    add("--within", type=float, default=200, metavar="MS", help="press: no longer than this (default: 200)")
    add(
        "--refractory", type=float, default=1000, metavar="MS", help="press: none for so long after one (default: 1000)"
    )
    add("--hysteresis", type=int, default=0, metavar="COUNTS", help="how far beyond a bound before it counts as left")
    add("--zero-at", type=Path, metavar="EVENTS", help="events file with encoder_zeroed:at_count=N marks")
    add("--csv", action="store_true", help="print board_us,event,counts")


def rule_from(args: argparse.Namespace) -> LeverRule:
    """The lever rule that was asked for. Raises ConfigError for bounds that are none."""
    name, text = ("--window", args.window) if args.window else ("--press", args.press)
    found = re.fullmatch(r"\s*(-?\d+)\s*\.\.\s*(-?\d+)\s*", text)
    if not found:
        raise ConfigError(f"{name} {text}: expected counts such as -46..46")
    low, high = map(int, found.groups())
    if low == high or (args.window and low > high):
        raise ConfigError(f"{name} {text}: the first bound must lie below the second")
    if args.window:
        hold_us = round(1000 * args.hold)
        return LeverRule(wire.Rule.WINDOW, low, high, hold_us, hysteresis_counts=args.hysteresis)
    within_us, refractory_us = round(1000 * args.within), round(1000 * args.refractory)
    return LeverRule(wire.Rule.PRESS, low, high, within_us, refractory_us, args.hysteresis)


def attach_bounds(arguments_given: list[str]) -> list[str]:
    """``--window -46..46`` as one word: a value that begins with a minus would be taken for an option."""
    joined: list[str] = []
    for word in arguments_given:
        if joined and joined[-1] in ("--window", "--press"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def run(args: argparse.Namespace) -> int:
    """The command."""
    rule = rule_from(args)
    t_us, counts = read_trace(args.trace)
    zeros = zero_marks(args.zero_at) if args.zero_at else None
    made = decisions(t_us, counts, rule, zeros)
    if args.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(("board_us", "event", "counts"))
        writer.writerows(made)
        return 0
    tally: collections.Counter[str] = collections.Counter()
    for board_us, event, at in made:
        tally[event] += 1
        print(f"{board_us:>14} us  {event:<6} {at:+d}")
    print(", ".join(f"{n} {event}" for event, n in tally.items()) or "no decision", file=sys.stderr)
    return 0
