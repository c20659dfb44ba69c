"""What is known of an animal, as people look at it: stage, days, plan, weight, water, last sessions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date

from rich.console import Console
from rich.table import Table

from rig.errors import ConfigError
from rig.plan import Plan
from rig.plan.make import runs
from rig.plan.today import pick_up
from rig.subject.history import History
from rig.subject.welfare import top_up_ul, weight_share, weight_warning
from rig.training import Training

LAST = 10  # sessions on the page


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


def show(page: Page, as_json: bool) -> None:
    """One animal's page."""
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


def overview(pages: list[Page], as_json: bool) -> None:
    """Every animal, a line each."""
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
