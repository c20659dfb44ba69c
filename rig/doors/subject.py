"""An animal's page: stage, days trained, plan, weight, water, last sessions; and its ledger.

What is said here goes into the animal's ledger with who, when and why, and counts from its next session on.

examples:
  rig subject                                    every animal, a line each
  rig subject M07
  rig subject M07 --baseline 25.1                weight before water restriction
  rig subject M07 --weight 23.4 --water 400      weighed; given 400 uL by hand
  rig subject M07 --stage press --why "new lever"
  rig subject M07 --set press=2.5mm --why "small mouse"      its own parameter, until --unset press
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from rig.config.file import beside, load_config
from rig.doors.page import Page, overview, show
from rig.doors.people import user
from rig.errors import ConfigError, did_you_mean
from rig.experiment.protocol import load_protocol
from rig.plan.file import read_plan
from rig.record.folder import checked_subject
from rig.session.intent import DEFAULT_PROTOCOL, PLANNED_PROTOCOL, training_of_rig
from rig.subject.history import history, subjects
from rig.subject.ledger import Deed, add_deed
from rig.subject.welfare import likely_weight
from rig.training import Training

DAY_S_END = time(23, 59, 59)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("subject", nargs="?", help="the animal (default: all of them, a line each)")
    add("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
    add("--weight", type=float, metavar="G", help="it weighs so many grams")
    add("--baseline", type=float, metavar="G", help="it weighed so many grams before water restriction")
    add("--water", type=float, metavar="UL", help="it was given so many microlitres by hand")
    add("--stage", help="its next session begins in this stage of training")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a protocol parameter of its own")
    add("--unset", action="append", default=[], metavar="NAME", help="it has this parameter of its own no longer")
    add("--who", default="", help="who says so (default: this computer's user)")
    add("--why", default="", help="the reason, for the record")
    add("--date", type=date.fromisoformat, metavar="2025-03-31", help="as of that day's end (default: now)")
    add("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """The command."""
    path = Path(args.config)
    config = load_config(path)
    data = beside(path, config.data)
    training = training_of_rig(config, path)
    plan = read_plan(beside(path, config.plan)) if config.plan else None
    on = args.date or date.today()
    deeds = list(_deeds(args, training))
    if args.subject is None:
        if deeds:
            raise ConfigError("whose? name the animal: rig subject M07 …")
        overview([Page(history(data, name), on, training, plan) for name in subjects(data)], args.json)
        return 0
    checked_subject(args.subject)
    if not deeds and args.subject not in subjects(data) and not (plan and args.subject in plan.animals):
        known = subjects(data)
        raise ConfigError(f"{args.subject}: nothing is known of it{did_you_mean(args.subject, known)}")
    for deed in deeds:
        add_deed(data, args.subject, deed)
    show(Page(history(data, args.subject), on, training, plan), args.json)
    return 0


# --- what people say --------------------------------------------------------------------------------------------------


def _deeds(args: argparse.Namespace, training: Training | None) -> Iterator[Deed]:
    now = datetime.combine(args.date, DAY_S_END).astimezone() if args.date else datetime.now(UTC)
    utc = now.astimezone(UTC).isoformat(timespec="seconds")
    who = args.who or user()

    def deed(what: str, value: Any = None, name: str = "") -> Deed:
        return Deed(what, args.date or date.today(), utc, value, name, who, args.why)

    for what in ("baseline", "weight"):
        if (weight_g := getattr(args, what)) is not None:
            if not likely_weight(weight_g):
                raise ConfigError(f"--{what} {weight_g:g}: no mouse weighs this many grams; weigh it again")
            yield deed(what, weight_g)
    if args.water is not None:
        if not 0 < args.water <= 5000:
            raise ConfigError(f"--water {args.water:g}: expected microlitres, above 0 and up to 5000")
        yield deed("water", args.water)
    if args.stage:
        if training is None:
            raise ConfigError("--stage: this rig has no training: name its file under `training` in config.yaml")
        yield deed("stage", training.stage(args.stage).name)
    for text in args.set:
        yield deed("set", *reversed(_own(text, training)))
    for name in args.unset:
        yield deed("unset", name=name)


def _own(text: str, training: Training | None) -> tuple[str, str]:
    """A parameter and its value, which must be one of a protocol that the animal may run."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: expected NAME=VALUE, such as press=2.5mm")
    protocols = {DEFAULT_PROTOCOL, PLANNED_PROTOCOL, *(one.protocol for one in (training.stages if training else ()))}
    params = [load_protocol(protocol).params for protocol in sorted(protocols)]
    known = [one for one in params if name in one]
    if not known:
        hint = did_you_mean(name, {key for one in params for key in one})
        raise ConfigError(f"--set {name}: no protocol that it may run has such a parameter{hint}")
    if any(one[name].given for one in known):
        raise ConfigError(f"--set {name}: the light plan gives it, trial by trial: write it there")
    known[0].values_with({name: value})
    return name, value
