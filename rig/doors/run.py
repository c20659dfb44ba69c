"""Run a session: launch, watch, and find its record in the data folder.

examples:
  rig run --subject M07                          today's session on this rig
  rig run --trials 20 --fast                     rehearse on the simulated rig, as fast as it goes
  rig run --animal trace:wheel.csv.gz --minutes 5 --fast --json
  rig run --protocol cued_lever --set drop=6ul --set press=2.5mm
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from rig.config import Config, from_plain
from rig.configfile import load_config
from rig.doors.live import Live
from rig.errors import ConfigError
from rig.launch import Order, intend, launched
from rig.session import Rules, Session, Summary
from rig.stream import Publisher


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("--subject", default="test", help="the animal; names its folder (default: test)")
    add("--protocol", default="cued_lever", help="name or file of a protocol (default: cued_lever)")
    add("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
    add("--body", choices=("simulator", "serial", "firmata"), help="instead of the one in config.yaml")
    add("--animal", help="simulator only: mouse, none, trace:FILE or pushes:FILE")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a protocol parameter, e.g. drop=6ul")
    add("--trials", type=_count, help="stop after so many trials")
    add("--minutes", type=_positive, help="stop after so many minutes (default: 60 if nothing else is said)")
    add("--water", type=_positive, metavar="UL", help="stop after so many microlitres")
    add("--seed", type=int, help="of all chance: the same seed, the same session")
    add("--fast", action="store_true", help="simulator only: as fast as it goes, not in real time")
    add("--pace", type=_positive, help="simulator only: so many times real time (default: 1)")
    add("--json", action="store_true", help="print one JSON object at the end, and nothing else")


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("expected a number above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected a whole number above 0")
    return value


def run(args: argparse.Namespace) -> int:
    """The command."""
    order = _order(args)
    with launched(intend(order)) as session:
        live = Live(args, session.rules, Path(session.summary.session)) if not args.json else None
        session.look = live.look if live else None
        for caution in getattr(session.board.link, "cautions", ()):
            print(f"note: {caution}", file=sys.stderr)
        with _Interrupt(session), live or nullcontext():
            summary = session.run()
    if args.json:
        print(json.dumps(summary.plain()))
    else:
        _say(summary)
        if isinstance(session.publisher, Publisher) and (told := session.publisher.words()):
            print(told)
    return 0 if summary.ended in ("trials", "minutes", "water", "Ctrl-C") else 1


def _order(args: argparse.Namespace) -> Order:
    config = load_config(args.config)
    if args.body:
        config = _with_body(config, args.body)
    if config.body != "simulator" and (args.animal or args.fast or args.pace):
        raise ConfigError("--animal, --fast and --pace are for the simulated rig (body: simulator)")
    return Order(
        config,
        Path(args.config),
        subject=args.subject,
        protocol=args.protocol,
        changes=_changes(args.set),
        rules=Rules(args.trials, args.minutes, args.water),
        seed=args.seed,
        animal=args.animal,
        pace=None if args.fast else args.pace or 1.0,
    )


def _with_body(config: Config, body: str) -> Config:
    return from_plain({**config.plain(), "body": body})


def _changes(said: list[str]) -> dict[str, str]:
    changes = {}
    for text in said:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: expected NAME=VALUE, such as drop=6ul")
        changes[name.strip()] = value.strip()
    return changes


class _Interrupt:
    """Ctrl-C ends the session cleanly; a second one ends the program at once, and the dead-man the outputs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._first)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _first(self, _number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("\nfinishing (Ctrl-C again: at once)", file=sys.stderr)
        self._session.interrupt("Ctrl-C")


def _say(summary: Summary) -> None:
    rate = "–" if summary.success_rate is None else f"{100 * summary.success_rate:.0f} %"
    print(
        f"{summary.trials} trials, {summary.rewarded} rewarded ({rate}), {summary.water_ul:.1f} µL water,"
        f" {summary.minutes:.1f} min; ended by {summary.ended}"
    )
    print(
        f"{summary.events} events, {summary.lost_events} lost; longest gap between trials {summary.gap_us_max} us;"
        f" clock error below {summary.clock_error_us:.0f} us"
    )
    print(f"record: {summary.session}")
