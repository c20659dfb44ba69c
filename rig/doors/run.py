"""Run a session: launch, watch, and find its record in the data folder.

examples:
  rig run --subject M07 --weight 23.4            today's session on this rig: plan and stage say what it is
  rig run --subject M07 --no-opto --why "window fogged"     leave the light plan; the record says so
  rig run --trials 20 --fast                     rehearse on the simulated rig, as fast as it goes
  rig run --animal trace:wheel.csv.gz --minutes 5 --fast --json
  rig run --protocol cued_lever --set drop=6ul --set press=2.5mm
  rig run --subject M07 --resume                 go on with today's session after a crash, a pulled plug, a full disk
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from contextlib import nullcontext
from datetime import date, datetime, time
from pathlib import Path
from types import FrameType
from typing import Any

from rig.archive.fill import archive_session
from rig.config import Config, from_plain
from rig.config.file import load_config
from rig.doors.live import Live
from rig.doors.people import user
from rig.doors.show import summary_lines
from rig.errors import ConfigError
from rig.plan.today import light_words
from rig.session.intent import TEST, Intent, Order, intend
from rig.session.launch import launched
from rig.session.loop import Session
from rig.session.summary import Rules, Summary
from rig.stream import Publisher
from rig.subject.welfare import top_up_ul

NOON = time(12)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("--subject", default="test", help="the animal; names its folder (default: test)")
    add("--protocol", help="name or file of a protocol (default: of the animal's stage; else cued_lever)")
    add("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
    add(
        "--body",
        choices=("simulator", "pty", "emulator", "serial", "firmata"),
        help="instead of the one in config.yaml",
    )
    _plan_arguments(parser)
    weight = parser.add_mutually_exclusive_group()
    weight.add_argument("--weight", type=_positive, metavar="G", help="of the animal today, in grams")
    weight.add_argument("--no-weight", action="store_true", help="it was not weighed today")
    add("--animal", help="simulator only: mouse, none, trace:FILE or pushes:FILE")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a protocol parameter, e.g. drop=6ul")
    add("--trials", type=_count, help="stop after so many trials")
    add("--minutes", type=_positive, help="stop after so many minutes (default: 60 if nothing else is said)")
    add("--water", type=_positive, metavar="UL", help="stop after so many microlitres")
    add("--seed", type=int, help="of all chance: the same seed, the same session")
    add("--fast", action="store_true", help="simulator only: as fast as it goes, not in real time")
    add("--pace", type=_positive, help="simulator only: so many times real time (default: 1)")
    add("--resume", action="store_true", help="go on with this animal's session of today that was cut short")
    add("--json", action="store_true", help="print one JSON object at the end, and nothing else")


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--opto", action=argparse.BooleanOptionalAction, help="light or none, whatever the plan says; recorded")
    add("--day", type=_count, help="day of the light plan, whatever the date says; recorded")
    add("--why", default="", help="the reason for leaving the plan, for the record")
    add("--who", default="", help="who says so (default: this computer's user)")
    add("--no-plan", action="store_true", help="a session outside of the light plan, such as a mapping")
    add("--date", type=date.fromisoformat, metavar="2025-03-31", help="simulator only: as if it were that day")
    add(
        "--fault",
        default="",
        help="simulator only: laser_dead, laser_stuck, read_back_unplugged, sync_unplugged; @SECONDS",
    )


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
    intent = intend(_order(args))
    if not args.json:
        for line in intent.lines:
            print(line)
    with launched(intent) as session:
        args.protocol = session.trials.experiment.name
        live = Live(args, session.rules, Path(session.summary.session)) if not args.json else None
        session.look = live.look if live else None
        for caution in getattr(session.board.link, "cautions", ()):
            print(f"note: {caution}", file=sys.stderr)
        for warning in session.warnings:
            print(f"note: {warning}", file=sys.stderr)
        with _Interrupt(session), live or nullcontext():
            summary = session.run()
    note = archive_session(intent.order.config, intent.order.config_path, Path(summary.session))
    if note:
        print(f"note: {note}", file=sys.stderr)
    if args.json:
        print(json.dumps(summary.plain()))
    else:
        for line in summary_lines(summary.plain()):
            print(line)
        _say_no_light(intent, summary)
        _say_water(intent, summary)
        print(f"record: {summary.session}")
        if isinstance(session.publisher, Publisher) and (told := session.publisher.words()):
            print(told)
    return 0 if summary.ended in ("trials", "minutes", "water", "Ctrl-C") and not _unproven(summary) else 1


def _unproven(summary: Summary) -> bool:
    return bool(summary.light and summary.light["mismatches"])


def _order(args: argparse.Namespace) -> Order:
    config = load_config(args.config)
    if args.body:
        config = _with_body(config, args.body)
    if config.body not in ("simulator", "pty", "emulator") and (
        args.animal or args.fast or args.pace or args.date or args.fault
    ):
        raise ConfigError("--animal, --fast, --pace, --date and --fault are for the simulated rig (body: simulator)")
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
        began=datetime.combine(args.date, NOON).astimezone() if args.date else None,
        fault=args.fault,
        day=args.day,
        opto=args.opto,
        who=args.who or user(),
        why=args.why,
        no_plan=args.no_plan,
        weight_g=args.weight or asked_weight(args, config),
        no_weight=args.no_weight,
        resume=args.resume,
    )


def asked_weight(args: argparse.Namespace, config: Config) -> float | None:
    """Asked once, of a person at a real rig; an empty answer refuses."""
    if not config.real or args.no_weight or args.resume or args.json or args.subject == TEST or not sys.stdin.isatty():
        return None
    try:
        answer = input(f"weight of {args.subject} today, g (empty: not weighed): ").strip()
        args.no_weight = not answer
        return float(answer.removesuffix("g")) if answer else None
    except (ValueError, EOFError):
        raise ConfigError("the weight must be a number of grams: give --weight 23.4, or --no-weight") from None


def _with_body(config: Config, body: str) -> Config:
    board = "mega2560" if body == "emulator" and config.board == "simulator" else config.board
    return from_plain({**config.plain(), "body": body, "board": board})


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


def _say_no_light(intent: Intent, summary: Summary) -> None:
    """A day of light whose session came to none: never silently."""
    today = intent.course.today
    if today and today.row.light and not (summary.light and summary.light["planned_trials"]):
        print(f"NO LIGHT: none was due in these {summary.trials} trials ({light_words(today.row)})")


def _say_water(intent: Intent, summary: Summary) -> None:
    """What the animal is still owed today."""
    if intent.order.subject == TEST:
        return
    on, weight_g = intent.began.astimezone().date(), intent.order.weight_g or intent.past.weight_g
    given_ul = sum(intent.past.water_ul(on)) + summary.water_ul
    due_ul = top_up_ul(weight_g, given_ul)
    print(f"{intent.order.subject} had {given_ul / 1000:.2f} mL today; top-up due: {due_ul / 1000:.2f} mL")
