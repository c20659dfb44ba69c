"""The light plan: which animal gets light on which day, through which window, on which trials.

Floor 0: plain data and what follows from it; no files, no clock (dates come in as arguments), no
threads. ``Plan.row`` says what one animal does on one day, ``light_trials`` says it trial by trial.
How a plan is drawn stands in ``plan_make``, what it may demand in ``plan_check``, its text in
``plan_read`` and ``plan_write``, and a session's use of it in ``plan_today``.

The controls are those of cortical inactivation studies with a window: trials without light between
those with it, days with the window clear and blocked in balanced order over animals, a group with a
control fluorophore, and masking light on every trial.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.errors import ConfigError, did_you_mean
from rig.plan.draw import derived_seed, light_blocks

WINDOWS = ("clear", "blocked")
NO_WINDOW = "light"  # what a light day's cell says in a plan that does not use windows
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_TRIALS = 10_000


@dataclass(frozen=True)
class Light:
    """How a light day is given; ``fraction`` counts after the first ``first_trials_without``."""

    window: str | None = None
    fraction: float = 0.25
    block_trials: int = 20
    first_trials_without: int = 10
    max_run: int | None = 3

    @property
    def lights_per_block(self) -> int:
        """Light trials in every ``block_trials``: whole, once ``check_light`` has passed."""
        return round(self.fraction * self.block_trials)


@dataclass(frozen=True)
class Animal:
    """A row of the plan: its group (a code in a blind plan) and its light days, by number."""

    group: str
    light: Mapping[int, Light] = field(default_factory=dict)
    offset_days: int = 0
    skip: tuple[date, ...] = ()


@dataclass(frozen=True)
class Calendar:
    """Day 1 of the study, and the weekdays and dates on which nobody works."""

    start: date
    skip_weekdays: tuple[str, ...] = ()
    skip_dates: tuple[date, ...] = ()


@dataclass(frozen=True)
class DayPlan:
    """What one animal does on one day: all that a session needs, and nothing of its group."""

    subject: str
    day: int
    days: int
    light: bool
    window: str | None
    fraction: float
    block_trials: int
    first_trials_without: int
    max_run: int | None
    masking_light: bool
    seed: int
    plan_digest: str

    def data(self) -> dict[str, Any]:
        """Plain data for a manifest or JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """A study of animals × days; ``rules`` holds for every light day that says nothing else."""

    study: str
    seed: int
    days: int
    groups: tuple[str, ...]
    animals: Mapping[str, Animal]
    rules: Light = field(default_factory=Light)
    windows: tuple[str, ...] = WINDOWS
    expert_from_day: int = 1
    masking_light: bool = True
    blind: bool = False
    calendar: Calendar | None = None

    def animal(self, subject: str) -> Animal:
        """The row of ``subject``. Raises ConfigError when the plan has none."""
        if subject not in self.animals:
            hint = did_you_mean(subject, self.animals) or ": add its row to animals"
            raise ConfigError(f"{subject} is not in the plan of {self.study}{hint}")
        return self.animals[subject]

    def dates(self, subject: str) -> tuple[date, ...]:
        """The dates of days 1 … ``days``. Raises ConfigError for a plan without a start date."""
        animal = self.animal(subject)
        if self.calendar is None:
            raise ConfigError(f"the plan of {self.study} has no calendar.start: give the day")
        today = self.calendar.start + timedelta(days=animal.offset_days)
        skipped = {*self.calendar.skip_dates, *animal.skip}
        found: list[date] = []
        while len(found) < self.days:
            weekday = WEEKDAYS[today.weekday()]
            if today not in skipped and weekday not in self.calendar.skip_weekdays:
                found.append(today)
            today += timedelta(days=1)
        return tuple(found)

    def day_of(self, subject: str, on: date) -> int | None:
        """The day (1 is the first) on a date; None before, after, and on skipped dates."""
        dates = self.dates(subject)
        return dates.index(on) + 1 if on in dates else None

    def row(self, subject: str, day: int | date) -> DayPlan:
        """What ``subject`` does on a day or date. Raises ConfigError outside of the plan."""
        animal = self.animal(subject)
        number = self._day_on(subject, day) if isinstance(day, date) else day
        if not 1 <= number <= self.days:
            raise ConfigError(f"{subject} day {number}: the plan has days 1 … {self.days}")
        light = animal.light.get(number) or replace(self.rules, fraction=0.0)
        return DayPlan(
            subject=subject,
            day=number,
            days=self.days,
            light=number in animal.light,
            masking_light=self.masking_light,
            seed=derived_seed(self.seed, "day", subject, number),
            plan_digest=self.digest,
            **vars(light),  # its fields are DayPlan's own
        )

    def _day_on(self, subject: str, on: date) -> int:
        number = self.day_of(subject, on)
        if number is not None:
            return number
        first, last = self.dates(subject)[0], self.dates(subject)[-1]
        why = "a skipped day"
        if not first <= on <= last:
            why = f"before day 1 ({first})" if on < first else f"after the last day ({last})"
        raise ConfigError(f"{subject}: {WEEKDAYS[on.weekday()]} {on} is {why}: check the date, or give the day")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the content: comments, order and layout of the file do not count."""
        text = json.dumps(canonical(plan_data(self)), sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as plain data of JSON's types, laid out as ``plan.yaml`` is."""
    data: dict[str, Any] = {
        "study": plan.study,
        "seed": plan.seed,
        "days": plan.days,
        "n_animals": len(plan.animals),
        "groups": list(plan.groups),
        "blind": plan.blind,
        "rules": {
            "expert_from_day": plan.expert_from_day,
            "windows": list(plan.windows),
            **light_data(plan.rules, None),
            "masking_light": plan.masking_light,
        },
    }
    if plan.calendar is not None:
        data["calendar"] = {
            "start": str(plan.calendar.start),
            "skip_weekdays": list(plan.calendar.skip_weekdays),
            "skip_dates": [str(day) for day in plan.calendar.skip_dates],
        }
    data["animals"] = {name: _row_data(row, plan.rules) for name, row in plan.animals.items()}
    return data


def canonical(data: Any) -> Any:
    """The data with its lists sorted: all lists of a plan are sets, whatever order they have."""
    if isinstance(data, dict):
        return {key: canonical(value) for key, value in data.items()}
    return sorted(data) if isinstance(data, list) else data


def _row_data(animal: Animal, rules: Light) -> dict[str, Any]:
    row: dict[str, Any] = {"group": animal.group}
    if animal.offset_days:
        row["offset_days"] = animal.offset_days
    if animal.skip:
        row["skip"] = [str(day) for day in animal.skip]
    for day in sorted(animal.light):
        light = animal.light[day]
        exceptions = light_data(light, rules)
        window = light.window or NO_WINDOW
        row[str(day)] = {"window": window, **exceptions} if exceptions else window
    return row


def light_data(light: Light, rules: Light | None) -> dict[str, Any]:
    """The numbers of a light day that differ from the rules (all of them without rules)."""
    values = {key: value for key, value in vars(light).items() if key != "window"}
    return {key: value for key, value in values.items() if not rules or value != vars(rules)[key]}


def light_trials(row: DayPlan, n_trials: int) -> NDArray[np.bool_]:
    """Shape (n_trials,), True where a trial gets light; trial 0 is the first of the *day*.

    All False for the first ``first_trials_without`` trials; after them each ``block_trials`` hold
    exactly ``fraction`` of light trials, never more than ``max_run`` in a row. More trials never
    change the earlier ones. Raises ConfigError beyond 0 … MAX_TRIALS trials.
    """
    if not 0 <= n_trials <= MAX_TRIALS:
        raise ConfigError(f"n_trials: {n_trials} is not within 0 … {MAX_TRIALS}")
    flags = np.zeros(n_trials, dtype=np.bool_)
    n_after = n_trials - row.first_trials_without
    if row.light and n_after > 0:
        lights = round(row.fraction * row.block_trials)
        flags[-n_after:] = light_blocks(row.seed, n_after, lights, row.block_trials, row.max_run)
    return flags
