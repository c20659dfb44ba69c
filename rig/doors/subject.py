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
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rig.configfile import beside, load_config
from rig.doors.people import user
from rig.errors import ConfigError, did_you_mean
from rig.intent import DEFAULT_PROTOCOL, PLANNED_PROTOCOL, training_of_rig
from rig.ledger import Deed, add_deed
from rig.plan import Plan
from rig.plan.make import runs
from rig.plan.today import pick_up
from rig.planfile import read_plan
from rig.protocol import load_protocol
from rig.record import checked_subject
from rig.subject import History, history, subjects
from rig.training import Training
from rig.welfare import likely_weight, top_up_ul, weight_share, weight_warning

LAST = 10  # sessions on the page
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


@dataclass(frozen=True)
class Page:
    """What is known of an animal on a day."""

    past: History
    on: date
    training: Training | None
    plan: Plan | None

    def lines(self) -> Iterator[str]:
        """The page, but for its table of sessions."""
        yield from self._training()
        days = sorted({one.on for one in self.past.briefs})
        yield f"days trained: {len(days)}" + (f", {days[0]} to {days[-1]}" if days else "")
        yield from self._plan()
        yield from self._weight()
        yield self.water()
        for site, energy_mj in self.past.energy_mj().items():
            known = "of unknown energy" if math.isnan(energy_mj) else f"{energy_mj:.1f} mJ"
            yield f"light so far: {known}" + (f" at {site}" if site else "")
        for name, value in self.past.own().items():
            deed = [one for one in self.past.deeds if one.what == "set" and one.name == name][-1]
            yield f"its own: {name} {value} ({deed.who or 'unknown'}, {deed.on}: {deed.why or 'no reason given'})"

    def stage(self) -> str:
        """The stage its next session begins in, or why that cannot be told."""
        try:
            return self.past.stage(self.training)[0] if self.training else ""
        except ConfigError as error:
            return str(error)

    def _training(self) -> Iterator[str]:
        if self.training is None:
            yield "stage: this rig has no training (training in config.yaml)"
            return
        stage, names = self.stage(), [one.name for one in self.training.stages]
        yield f"stage: {stage}" + (f" ({names.index(stage) + 1} of {len(names)})" if stage in names else "")
        for one in self.past.briefs:
            yield from (f"  {one.session} {move}" for move in one.moves)
        move = self.past.stage(self.training)[1] if stage in names else None
        if move:
            yield f"  next session {move.say()}"

    def _plan(self) -> Iterator[str]:
        if self.plan is None or self.past.subject not in self.plan.animals:
            yield "light plan: none" if self.plan is None else f"light plan: not in the plan of {self.plan.study}"
            return
        days = sorted(self.plan.animals[self.past.subject].light)
        yield f"light plan of {self.plan.study}: light on day {runs(days)}" if days else "light plan: no light"
        try:
            told = pick_up(self.plan, self.past.subject, self.on, done=self.past.done()).say()
        except ConfigError as error:
            told = (str(error),)
        yield from (f"  {self.on}: {line}" for line in told)

    def _weight(self) -> Iterator[str]:
        past = self.past
        if past.weight_g is None:
            yield "weight: never taken"
            return
        on, weight_g = past.weights()[-1]
        share = weight_share(weight_g, past.baseline_g)
        of = f", {100 * share:.0f} % of its {past.baseline_g:g} g" if share and past.baseline_g else ""
        yield f"weight: {weight_g:g} g on {on}{of}"
        if warning := weight_warning(past.subject, weight_g, past.baseline_g):
            yield f"WARNING: {warning}"

    def water(self) -> str:
        """The day's water and what is due."""
        drunk_ul, by_hand_ul = self.past.water_ul(self.on)
        return (
            f"water on {self.on}: {drunk_ul / 1000:.2f} mL in sessions, {by_hand_ul / 1000:.2f} by hand;"
            f" top-up due: {self.due_ul() / 1000:.2f} mL"
        )

    def due_ul(self) -> float:
        """What is still due on this day."""
        return top_up_ul(self.past.weight_g, sum(self.past.water_ul(self.on)))


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
        _overview([Page(history(data, name), on, training, plan) for name in subjects(data)], args.json)
        return 0
    checked_subject(args.subject)
    if not deeds and args.subject not in subjects(data) and not (plan and args.subject in plan.animals):
        known = subjects(data)
        raise ConfigError(f"{args.subject}: nothing is known of it{did_you_mean(args.subject, known)}")
    for deed in deeds:
        add_deed(data, args.subject, deed)
    _show(Page(history(data, args.subject), on, training, plan), args.json)
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


# --- what is shown ----------------------------------------------------------------------------------------------------


def _show(page: Page, as_json: bool) -> None:
    past = page.past
    if as_json:
        sessions = [{**asdict(one), "on": str(one.on)} for one in past.briefs]
        for one in sessions:
            one.pop("plan")
        drunk_ul, by_hand_ul = past.water_ul(page.on)
        found = {
            "subject": past.subject,
            "on": str(page.on),
            "stage": page.stage(),
            "weight_g": past.weight_g,
            "baseline_g": past.baseline_g,
            "water_ul": {"sessions": drunk_ul, "by_hand": by_hand_ul, "due": page.due_ul()},
            "own": past.own(),
            "sessions": sessions,
            "lines": list(page.lines()),
        }
        print(json.dumps(found))
        return
    print(past.subject)
    for line in page.lines():
        print(line)
    if past.briefs:
        _sessions(past)


def _sessions(past: History) -> None:
    table = Table(
        "session", "protocol", "stage", "trials", "success", "water, uL", "weight, g", "light", "ended", box=None
    )
    for one in past.briefs[-LAST:]:
        light = (
            f"{one.light['proven_trials']} of {one.light['trials']} proven" if one.light and one.light["trials"] else ""
        )
        rate = "" if one.success is None else f"{100 * one.success:.0f} %"
        weight = f"{one.weight_g:g}" if one.weight_g else ""
        words = (one.session, one.protocol, one.stage, str(one.trials), rate, f"{one.water_ul:.0f}", weight, light)
        table.add_row(*words, one.ended or "killed")
    _wide().print(table)


def _wide() -> Console:
    """Wide enough for a whole line of a session, also into a file."""
    return Console(highlight=False, width=max(110, Console().width))


def _overview(pages: list[Page], as_json: bool) -> None:
    rows = [
        {
            "subject": page.past.subject,
            "stage": page.stage(),
            "days": len({one.on for one in page.past.briefs}),
            "last": page.past.briefs[-1].session if page.past.briefs else "",
            "weight_g": page.past.weight_g,
            "due_ul": round(page.due_ul(), 1),
        }
        for page in pages
    ]
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("animal", "stage", "days", "last", "weight, g", "top-up due, uL", box=None)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    _wide().print(table)
