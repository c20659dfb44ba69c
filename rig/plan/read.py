"""Reads a light plan from the text of ``plan.yaml``, or from plain data: strictly, line by line.

Floor 0: text and data come in as arguments. People edit this file by hand and a laser obeys it, so
nothing is guessed: an unknown or repeated key, a wrong type, a missing row or a day beyond the plan
is a ConfigError that names file, line, key and remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from rig.config.text import Path, shown
from rig.errors import ConfigError, did_you_mean
from rig.plan import NO_WINDOW, WINDOWS, Animal, Calendar, Light, Plan
from rig.plan.check import check_plan
from rig.plan.make import PlanKey
from rig.plan.source import Source, load

HEAD = ("study", "seed", "days", "n_animals", "groups", "blind", "rules", "animals", "calendar")
LIGHT = tuple(f.name for f in fields(Light) if f.name != "window")
RULES = ("expert_from_day", "windows", *LIGHT, "masking_light")
NO_LIGHT = "dark"  # a cell that says so in words; leaving the day out says the same


def parse_plan(text: str, name: str = "plan.yaml") -> Plan:
    """The plan written in ``text``. Raises ConfigError ``name:line: key: fault and remedy``."""
    return _read(load(text, name))


def plan_from_data(data: object, name: str = "plan") -> Plan:
    """The plan in plain data, as ``plan_data`` gives or JSON holds. Raises ConfigError."""
    return _read(Source(name, data))


def parse_key(text: str, name: str = "plan.key.yaml") -> PlanKey:
    """The key written in ``text``. Raises ConfigError."""
    source = load(text, name)
    head = source.mapping((), source.data, PlanKey.__match_args__, PlanKey.__match_args__)
    groups = source.mapping(("groups",), head["groups"], ())
    return PlanKey(
        source.text(("study",), head["study"]),
        source.whole(("seed",), head["seed"]),
        {subject: source.text(("groups", subject), group) for subject, group in groups.items()},
    )


def _read(source: Source) -> Plan:
    needed = [key for key in HEAD if key not in ("blind", "calendar")]
    head = source.mapping((), source.data, HEAD, needed)
    rules = source.mapping(("rules",), head["rules"], RULES, RULES)
    light = _light(source, ("rules",), rules, Light())
    rows = source.mapping(("animals",), head["animals"], ())
    n_animals = source.whole(("n_animals",), head["n_animals"])
    if len(rows) != n_animals:
        source.fault(("animals",), f"{len(rows)} rows but n_animals says {n_animals}: is a row missing?")
    plan = Plan(
        study=source.text(("study",), head["study"]),
        seed=source.whole(("seed",), head["seed"]),
        days=source.whole(("days",), head["days"]),
        groups=source.items(("groups",), head["groups"], source.text),
        animals={name: _animal(source, ("animals", name), rows[name], light) for name in rows},
        rules=light,
        windows=source.items(("rules", "windows"), rules["windows"], source.text),
        expert_from_day=source.whole(("rules", "expert_from_day"), rules["expert_from_day"]),
        masking_light=source.flag(("rules", "masking_light"), rules["masking_light"]),
        blind=source.flag(("blind",), head.get("blind", False)),
        calendar=_calendar(source, head["calendar"]) if "calendar" in head else None,
    )
    try:
        check_plan(plan)
    except ConfigError as error:
        key, _, message = str(error).partition(": ")
        source.fault(tuple(key.split(".")), message)
    return plan


def _light(source: Source, key: Path, values: dict[str, Any], rules: Light) -> Light:
    """The rules of light with those of ``values`` in their place."""
    readers: dict[str, Callable[[Path, object], Any]] = {
        "fraction": source.share,
        "block_trials": source.whole,
        "first_trials_without": source.whole,
        "max_run": source.run,
    }
    new = {word: readers[word]((*key, word), values[word]) for word in LIGHT if word in values}
    return replace(rules, **new)


def _calendar(source: Source, value: object) -> Calendar:
    key = ("calendar",)
    known = ("start", "skip_weekdays", "skip_dates")
    values = source.mapping(key, value, known, ("start",))
    return Calendar(
        source.day((*key, "start"), values["start"]),
        source.items((*key, "skip_weekdays"), values.get("skip_weekdays", []), source.text),
        source.items((*key, "skip_dates"), values.get("skip_dates", []), source.day),
    )


def _animal(source: Source, key: Path, value: object, rules: Light) -> Animal:
    named = ("group", "offset_days", "skip")
    row = source.mapping(key, value, (), ("group",))
    light: dict[int, Light] = {}
    for word, cell in row.items():
        if word in named:
            continue
        if not re.fullmatch(r"[1-9][0-9]{0,3}", word):
            source.fault((*key, word), f"neither a day nor a known key{did_you_mean(word, named)}")
        if cell != NO_LIGHT:
            light[int(word)] = _cell(source, (*key, word), cell, rules)
    return Animal(
        group=source.text((*key, "group"), row["group"]),
        light=light,
        offset_days=source.whole((*key, "offset_days"), row.get("offset_days", 0)),
        skip=source.items((*key, "skip"), row.get("skip", []), source.day),
    )


def _cell(source: Source, key: Path, cell: object, rules: Light) -> Light:
    """What a day's cell says: a window's name, ``light``, or these with exceptions to the rules."""
    values: dict[str, Any] = {"window": cell}
    if isinstance(cell, dict):
        values = source.mapping(key, cell, ("window", *LIGHT), ("window",))
    word = values["window"]
    if not isinstance(word, str) or word not in (*WINDOWS, NO_WINDOW):
        hint = did_you_mean(word, (*WINDOWS, NO_WINDOW, NO_LIGHT)) if isinstance(word, str) else ""
        source.fault(key, f"{shown(word)} is not clear, blocked, light or dark{hint}")
    window = None if word == NO_WINDOW else word
    return replace(_light(source, key, values, rules), window=window)
