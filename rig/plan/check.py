"""What a light plan may demand: ranges, counts, contradictions, each told with key and remedy.

Floor 0: looks at plain values and raises; no files, time or threads. Keys are written as they stand
in ``plan.yaml`` (``animals.M07.15``), so that whoever has read the file can add its line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from rig.errors import ConfigError, did_you_mean
from rig.plan import MAX_TRIALS, WEEKDAYS, WINDOWS, Animal, Calendar, Light, Plan
from rig.plan.draw import MAX_BLOCK_TRIALS

MAX_DAYS = 366
MAX_ANIMALS = 500
MAX_SEED = 2**53 - 1  # a double holds it exactly
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")  # an animal's name is also its folder's
STUDY = re.compile(r"\w[\w .,:()+/-]{0,79}")
CODE = re.compile(r"g[0-9a-f]{8}")


def check_light(light: Light, prefix: str = "") -> None:
    """Raises ConfigError when a light day's demands are out of range or contradict each other."""
    if not 0 < light.fraction <= 1:
        raise ConfigError(
            f"{prefix}fraction: {light.fraction:g} is not above 0 and at most 1:"
            " a day without light is one that the row does not name"
        )
    limit(f"{prefix}block_trials", light.block_trials, 1, MAX_BLOCK_TRIALS)
    limit(f"{prefix}first_trials_without", light.first_trials_without, 0, MAX_TRIALS)
    if light.max_run is not None:
        limit(f"{prefix}max_run", light.max_run, 1, MAX_TRIALS)
    _check_block(light, prefix)
    _check_run(light, prefix)


def _check_block(light: Light, prefix: str) -> None:
    whole = light.fraction * light.block_trials
    if abs(whole - round(whole)) < 1e-9 and round(whole) > 0:
        return
    part = Fraction(light.fraction).limit_denominator(MAX_BLOCK_TRIALS)
    if abs(float(part) - light.fraction) > 1e-9:
        remedy = f"write n/d with d up to {MAX_BLOCK_TRIALS}, such as 1/3"
    else:
        step = part.denominator
        near = max(step, light.block_trials // step * step)
        remedy = f"use block_trials: {near}, or another multiple of {step}"
    raise ConfigError(
        f"{prefix}fraction: {light.fraction:g} of block_trials {light.block_trials}"
        f" is {whole:g} trials, not a whole number: {remedy}"
    )


def _check_run(light: Light, prefix: str) -> None:
    lights, dark = light.lights_per_block, light.block_trials - light.lights_per_block
    if light.max_run is None or lights <= light.max_run * dark:
        return  # see plan_draw.light_blocks for why this is enough
    most = light.max_run / (light.max_run + 1)
    need = f"raise max_run to {-(-lights // dark)}" if dark else "say max_run: none"
    raise ConfigError(
        f"{prefix}fraction: {light.fraction:g} cannot be reached with max_run {light.max_run},"
        f" which allows {most:.3g} at most: {need}, or lower fraction"
    )


def check_plan(plan: Plan) -> None:
    """Raises ConfigError for a plan that breaks a rule, naming the key and the remedy."""
    _check_header(plan)
    check_light(plan.rules, "rules.")
    if plan.calendar is not None:
        _check_calendar(plan.calendar)
    limit("n_animals", len(plan.animals), 1, MAX_ANIMALS)
    folders: dict[str, str] = {}
    for subject, animal in plan.animals.items():
        check_name(f"animals.{subject}", subject)
        twin = folders.setdefault(subject.lower(), subject)
        if twin != subject:
            raise ConfigError(f"animals.{subject}: differs from {twin} by case alone: rename one")
        _check_animal(plan, f"animals.{subject}", animal)


def _check_header(plan: Plan) -> None:
    if not STUDY.fullmatch(plan.study):
        raise ConfigError("study: use up to 80 letters, digits, spaces and .,:()+/-")
    limit("seed", plan.seed, 0, MAX_SEED)
    limit("days", plan.days, 1, MAX_DAYS)
    limit("rules.expert_from_day", plan.expert_from_day, 1, plan.days)
    for group in plan.groups:
        check_name("groups", group)
    unique("groups", plan.groups)
    for window in plan.windows:
        one_of("rules.windows", window, WINDOWS)
    unique("rules.windows", plan.windows)
    if plan.blind and len(plan.groups) < 2:
        raise ConfigError("blind: one group leaves nothing to hide: name two, or say false")


def _check_calendar(calendar: Calendar) -> None:
    for day in calendar.skip_weekdays:
        one_of("calendar.skip_weekdays", day, WEEKDAYS)
    unique("calendar.skip_weekdays", calendar.skip_weekdays)
    if len(calendar.skip_weekdays) == len(WEEKDAYS):
        raise ConfigError("calendar.skip_weekdays: all seven are skipped: leave one to work on")
    _check_dates("calendar.start", [calendar.start])
    _check_dates("calendar.skip_dates", calendar.skip_dates)


def _check_animal(plan: Plan, key: str, animal: Animal) -> None:
    if plan.blind and not CODE.fullmatch(animal.group):
        raise ConfigError(f"{key}.group: a blind plan holds codes like g3fa09c1d: restore the code")
    if not plan.blind:
        one_of(f"{key}.group", animal.group, plan.groups)
    limit(f"{key}.offset_days", animal.offset_days, 0, MAX_DAYS)
    _check_dates(f"{key}.skip", animal.skip)
    for day, light in animal.light.items():
        _check_cell(plan, f"{key}.{day}", day, light)


def _check_cell(plan: Plan, key: str, day: int, light: Light) -> None:
    limit(key, day, 1, plan.days)
    if day < plan.expert_from_day:
        raise ConfigError(
            f"{key}: light before rules.expert_from_day {plan.expert_from_day}: move it, or lower expert_from_day"
        )
    if plan.windows and light.window not in plan.windows:
        word = light.window or "light without a window"
        raise ConfigError(f"{key}: {word}; rules.windows has {', '.join(plan.windows)}: name one")
    if light.window and not plan.windows:
        raise ConfigError(f"{key}: {light.window}; rules.windows is empty: say light, or fill it")
    check_light(light, f"{key}.")


def check_name(key: str, name: str) -> None:
    """Raises ConfigError for a name of an animal or group that a folder could not bear."""
    if not NAME.fullmatch(name):
        raise ConfigError(f'{key}: "{name}" is not a name of up to 32 letters, digits, - and _')


def limit(key: str, value: int, low: int, high: int) -> None:
    """Raises ConfigError for a value outside of ``low … high``."""
    if not low <= value <= high:
        raise ConfigError(f"{key}: {value} is not within {low} … {high}")


def one_of(key: str, word: str, known: Sequence[str]) -> None:
    """Raises ConfigError for a word that is none of ``known``."""
    if word not in known:
        hint = did_you_mean(word, known)
        raise ConfigError(f'{key}: "{word}" is none of {", ".join(known)}{hint}')


def unique(key: str, words: Sequence[object]) -> None:
    """Raises ConfigError when a word stands twice."""
    for word in words:
        if words.count(word) > 1:
            raise ConfigError(f"{key}: {word} stands twice: remove one")


def _check_dates(key: str, dates: Sequence[date]) -> None:
    unique(key, dates)
    limit(f"{key} (number of dates)", len(dates), 0, MAX_DAYS)
    for day in dates:
        if not 2000 <= day.year <= 2999:
            raise ConfigError(f"{key}: {day}: the year is not within 2000 … 2999")
