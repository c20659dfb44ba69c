"""What a session does with the light plan: finds its row, says it, records where it leaves it.

Floor 0: the date and the sessions on record come in as arguments, words and records go out. Light
is never given on the calendar's word alone: a date that runs back, jumps over training days or
falls outside of the plan is refused, until a person names the day, and that is on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.errors import ConfigError
from rig.plan import DayPlan, Light, Plan, canonical, light_trials, plan_data
from rig.plan.write import flow, share


@dataclass(frozen=True)
class Done:
    """An earlier session of the same animal: its date, its day in the plan, its trials."""

    on: date
    day: int
    trials: int


@dataclass(frozen=True)
class Deviation:
    """Where a session left the plan: what was planned, what was done, by whom and why."""

    subject: str
    day: int
    planned: str
    done: str
    who: str
    why: str

    def say(self) -> str:
        """One line."""
        reason = self.why or "no reason given"
        return (
            f"{self.subject} day {self.day} leaves the plan: planned {self.planned};"
            f" done {self.done} ({self.who or 'unknown'}: {reason})"
        )


@dataclass(frozen=True)
class Today:
    """What this session is to do. Its trial 0 is trial ``first_trial`` of the day's sequence."""

    row: DayPlan
    first_trial: int = 0
    notes: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()  # what differs from the plan of the study's first session
    deviations: tuple[Deviation, ...] = ()

    def light_trials(self, n_trials: int) -> NDArray[np.bool_]:
        """Shape (n_trials,), True where a trial of *this session* gets light; see ``plan``."""
        return light_trials(self.row, self.first_trial + n_trials)[self.first_trial :]

    def say(self) -> tuple[str, ...]:
        """What the person at the rig is told, line by line; nothing of a blind plan's groups."""
        changed = [f"the plan was changed after its first session: {c}" for c in self.changed]
        return (describe(self.row), *self.notes, *changed, *(d.say() for d in self.deviations))

    def data(self) -> dict[str, Any]:
        """Plain data for the session's manifest."""
        data = asdict(self)
        return {**data, "plan_changed": bool(self.changed)}


def pick_up(
    plan: Plan,
    subject: str,
    on: date,
    *,
    done: Sequence[Done] = (),
    first: Plan | None = None,
    day: int | None = None,
    who: str = "",
    why: str = "",
) -> Today:
    """Today's row of ``subject``, given its sessions ``done`` and the study's ``first`` plan.

    Two sessions in a day share its row, and the second goes on with the trials where the first
    stopped. Raises ConfigError, naming the remedy, when the date and the record do not agree;
    ``day`` overrules both, as a deviation by ``who`` and ``why``.
    """
    plan.animal(subject)
    expected: int | None = None
    try:
        expected, notes = _expected(plan, subject, on, done)
        planned = f"day {expected}"
    except ConfigError as error:
        if day is None:
            raise
        notes, planned = (), f"no session: {error}"
    number = expected if day is None else day
    assert number is not None  # an unknown day without one by hand has been raised above
    row = plan.row(subject, number)
    earlier = sum(session.trials for session in done if session.day == number)
    if earlier:
        notes = (*notes, f"day {number} has begun already: trials go on from {earlier + 1}")
    deviations: tuple[Deviation, ...] = ()
    if number != expected:
        deviations = (Deviation(subject, number, planned, f"day {number} by hand", who, why),)
    return Today(row, earlier, notes, changes(first, plan) if first else (), deviations)


def _expected(plan: Plan, subject: str, on: date, done: Sequence[Done]) -> tuple[int, tuple[str, ...]]:
    """The day that the date and the record agree on, and what is to be said about it."""
    last = max(done, key=lambda session: (session.on, session.day), default=None)
    reached = max((session.day for session in done), default=0)
    if last is not None and on < last.on:
        raise ConfigError(
            f"{subject}: the date is {on} but the last session was on {last.on}: set the computer's date, or give --day"
        )
    if last is not None and on == last.on:
        return last.day, ()
    if plan.calendar is None:
        return plan.row(subject, reached + 1).day, ()
    row = plan.row(subject, on)
    if row.day <= reached:
        raise ConfigError(
            f"{subject}: {on} is day {row.day} but day {reached} is on record: was the calendar"
            " edited? set it right, or give --day"
        )
    return row.day, _missed(row, reached)


def _missed(row: DayPlan, reached: int) -> tuple[str, ...]:
    """A note on days without a session; before a light day that is a refusal."""
    if row.day == reached + 1:
        return ()
    n = row.day - reached - 1
    days = f"day {row.day - 1}" if n == 1 else f"days {reached + 1} … {row.day - 1}"
    if row.light:
        raise ConfigError(
            f"{row.subject}: day {row.day} has light but {days} had no session: check the date,"
            f" add the missed dates to its skip, or give --day {row.day}"
        )
    return (f"{days} had no session",)


def override(plan: Plan, today: Today, light: bool, who: str = "", why: str = "") -> Today:
    """Today with light (``--opto``) or without (``--no-opto``); a deviation unless so planned."""
    row = today.row
    if light == row.light:
        return today
    fraction = plan.rules.fraction if light else 0.0
    new = replace(row, light=light, fraction=fraction, window=None)
    deviation = Deviation(row.subject, row.day, light_words(row), light_words(new), who, why)
    return replace(today, row=new, deviations=(*today.deviations, deviation))


def describe(row: DayPlan) -> str:
    """What is to happen, in one line: M07, day 15 of 16: light on 25 % of trials, …"""
    mask = "; masking light on every trial" if row.masking_light else ""
    return f"{row.subject}, day {row.day} of {row.days}: {light_words(row)}{mask}"


def light_words(row: DayPlan) -> str:
    """The light of a day in words."""
    return how_words(row) if row.light else "no light"


def how_words(how: Light | DayPlan) -> str:
    """How light is given on a day that has it, in words."""
    lights = round(how.fraction * how.block_trials)
    words = [f"light on {lights} of every {how.block_trials} trials ({how.fraction:.4g})"]
    if how.window:
        words.append(f"{how.window} window")
    if how.first_trials_without:
        words.append(f"first {how.first_trials_without} without")
    if how.max_run is not None:
        words.append(f"at most {how.max_run} in a row")
    return ", ".join(words)


def changes(old: Plan, new: Plan) -> tuple[str, ...]:
    """In words, what differs from ``old`` to ``new``; empty exactly when the digests are equal.

    Where either plan is blind, a change of group is told without the groups.
    """
    before, after = (canonical(plan_data(plan)) for plan in (old, new))
    lines = []
    for part in ("", "rules", "calendar"):
        a, b = (_part(data, part) for data in (before, after))
        lines += [f"{key} {was} is now {now}" for key, was, now in _differences(a, b)]
    rows, new_rows = before["animals"], after["animals"]
    for subject in sorted({*rows, *new_rows}):
        if subject not in new_rows or subject not in rows:
            lines.append(f"{subject} is {'no longer' if subject in rows else 'now'} in the plan")
            continue
        for key, was, now in _differences(rows[subject], new_rows[subject]):
            if key == "group" and (old.blind or new.blind):
                lines.append(f"{subject}: its group's entry is another")
            else:
                label = f" day {key}:" if key.isdigit() else f": {key}"
                lines.append(f"{subject}{label} {was} is now {now}")
    return tuple(lines)


def _part(data: dict[str, Any], part: str) -> dict[str, Any]:
    """A section of a plan's data, or its single values; the count of rows shows in the rows."""
    if part:
        return dict(data.get(part, {}))
    return {k: v for k, v in data.items() if not isinstance(v, dict) and k != "n_animals"}


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Each key that differs, with what it was and is, days in order after the words."""
    keys = sorted({*old, *new}, key=lambda key: (key.isdigit(), len(key) * key.isdigit(), key))
    return [(key, _words(old, key), _words(new, key)) for key in keys if old.get(key) != new.get(key)]


def _words(data: dict[str, Any], key: str) -> str:
    """A value in words; a day that a row does not name is a day without light."""
    if key not in data:
        return "no light" if key.isdigit() else "absent"
    return share(data[key]) if key == "fraction" else flow(data[key], key)
