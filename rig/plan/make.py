"""Draws a light plan from a seed: who is in which group, and who starts with which window.

Floor 0: the same ``PlanSpec`` and seed give the same plan on every computer; no files, time or
threads. A blind plan comes in two parts: the plan, with codes for groups, and the key to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from rig.errors import ConfigError
from rig.plan import WINDOWS, Animal, Calendar, Light, Plan
from rig.plan.check import check_name, check_plan, limit, unique
from rig.plan.draw import derived_seed, draw, shuffled

Windows = tuple[str | None, ...]  # of one animal, one a light day


@dataclass(frozen=True)
class PlanSpec:
    """What a plan is made from. ``groups``: sizes, to be drawn by chance, or lists of animals."""

    subjects: tuple[str, ...]
    groups: Mapping[str, int | tuple[str, ...]]
    study: str = "study"
    days: int = 16
    light_days: tuple[int, ...] = (15, 16)
    windows: tuple[str, ...] = WINDOWS
    rules: Light = field(default_factory=Light)
    masking_light: bool = True
    expert_from_day: int | None = None  # None: the first light day
    blind: bool = False
    calendar: Calendar | None = None
    offset_days: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanKey:
    """Opens a blind plan: its groups, and the seed that the whole of it can be made from again."""

    study: str
    seed: int
    groups: Mapping[str, str]


def make_plan(spec: PlanSpec, seed: int) -> Plan:
    """The plan of ``spec`` drawn from ``seed``. Raises ConfigError naming key and remedy.

    Windows are counterbalanced within each group: half of it starts with the clear window and half
    with the blocked one, and each animal goes on as ABBA, so that a drift over days weighs on both
    alike. An odd group's extra animal goes to the one window, that of the next odd group to the
    other. The seed inside a blind plan replays its trials but not its groups: see ``plan_key``.
    """
    _check_spec(spec, seed)
    groups = allot(spec, seed)
    orders = _orders(spec, groups, seed)
    light_days = sorted(spec.light_days)
    animals = {
        subject: Animal(
            group=_code(seed, subject, group) if spec.blind else group,
            light={
                day: replace(spec.rules, window=window) for day, window in zip(light_days, orders[subject], strict=True)
            },
            offset_days=spec.offset_days.get(subject, 0),
        )
        for subject, group in groups.items()
    }
    plan = Plan(
        study=spec.study,
        seed=derived_seed(seed, "trials") if spec.blind else seed,
        days=spec.days,
        groups=tuple(sorted(spec.groups)),
        animals=animals,
        rules=spec.rules,
        windows=spec.windows,
        expert_from_day=spec.expert_from_day or min(light_days, default=1),
        masking_light=spec.masking_light,
        blind=spec.blind,
        calendar=spec.calendar,
    )
    check_plan(plan)
    return plan


def _check_spec(spec: PlanSpec, seed: int) -> None:
    limit("seed", seed, 0, 2**53 - 1)
    unique("light_days", spec.light_days)
    for day in spec.light_days:
        limit("light_days", day, 1, spec.days)
    unique("animals", spec.subjects)
    for subject in spec.subjects:
        check_name("animals", subject)
    for subject in spec.offset_days:
        if subject not in spec.subjects:
            raise ConfigError(f"offset_days: {subject} is none of the animals")


def plan_key(spec: PlanSpec, seed: int) -> PlanKey:
    """The key of the blind plan that ``make_plan`` draws from the same ``spec`` and ``seed``."""
    return PlanKey(spec.study, seed, allot(spec, seed))


def allot(spec: PlanSpec, seed: int) -> dict[str, str]:
    """The group of each animal: as listed, or drawn by chance when ``groups`` gives sizes.

    In the order of names, so that the rows of a blind plan do not stand by group.
    """
    sizes = {group: size for group, size in spec.groups.items() if isinstance(size, int)}
    if len(sizes) < len(spec.groups):
        found = _listed(spec)
    else:
        places = [group for group in sorted(sizes) for _ in range(sizes[group])]
        if len(places) != len(spec.subjects):
            raise ConfigError(f"groups: {len(places)} places for {len(spec.subjects)} animals: make them equal")
        found = dict(zip(shuffled(spec.subjects, seed, "groups"), places, strict=True))
    return {subject: found[subject] for subject in sorted(found, key=natural)}


def _listed(spec: PlanSpec) -> dict[str, str]:
    found: dict[str, str] = {}
    for group, members in spec.groups.items():
        if isinstance(members, int):
            raise ConfigError(f"groups.{group}: give sizes for all groups, or animals for all")
        for subject in members:
            if subject in found:
                raise ConfigError(f"groups.{group}: {subject} is in {found[subject]} too: keep one")
            found[subject] = group
    if odd := sorted({*spec.subjects} ^ {*found}):
        raise ConfigError(f"groups: {odd[0]} must be one of the animals, and in one group")
    return found


def natural(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts M2 before M10."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _orders(spec: PlanSpec, groups: Mapping[str, str], seed: int) -> dict[str, Windows]:
    """Each animal's windows on the light days; None throughout when windows are not used."""
    n = len(spec.light_days)
    if len(spec.windows) < 2:
        return dict.fromkeys(groups, (spec.windows[0] if spec.windows else None,) * n)
    extra = draw(seed, "extra") % 2  # the window that gets the first odd group's extra animal
    orders: dict[str, Windows] = {}
    for group in sorted(spec.groups):
        members = shuffled((s for s in groups if groups[s] == group), seed, "windows", group)
        n_first = (len(members) + extra) // 2
        extra ^= len(members) % 2
        for place, subject in enumerate(members):
            other = int(place >= n_first)
            orders[subject] = tuple(spec.windows[other ^ (k % 4 in (1, 2))] for k in range(n))
    return orders


def balance(plan: Plan) -> tuple[str, ...]:
    """How even the plan is: a line for all light days with the same counts, one for an odd group.

    Groups are counted apart only when the plan is open: a blind plan is counted as a whole.
    """
    open_groups = plan.groups if len(plan.groups) > 1 and not plan.blind else ()
    counts: dict[str, list[int]] = {}
    for day in sorted({day for animal in plan.animals.values() for day in animal.light}):
        parts = [f"{group} {_count(plan, day, group)}" for group in open_groups]
        counts.setdefault("; ".join([_count(plan, day, None), *parts]), []).append(day)
    lines = [f"light on day {runs(days)}: {text}" for text, days in counts.items()]
    for group in open_groups if len(plan.windows) > 1 else ():
        n = sum(animal.group == group for animal in plan.animals.values())
        if n % 2:
            lines.append(f"{group}: {n} animals, an odd number: a day's windows differ by one")
    return tuple(lines)


def runs(days: Sequence[int]) -> str:
    """Days in order, runs of three or more short: 15, 16 and 20–24."""
    breaks = [i for i in range(1, len(days)) if days[i] != days[i - 1] + 1]
    parts = [days[a:b] for a, b in pairwise([0, *breaks, len(days)])]
    words = [f"{p[0]}–{p[-1]}" if len(p) > 2 else ", ".join(map(str, p)) for p in parts]
    return ", ".join(words)


def _count(plan: Plan, day: int, group: str | None) -> str:
    rows = [a for a in plan.animals.values() if group in (None, a.group)]
    words = plan.windows or (None,)
    windows = [row.light[day].window for row in rows if day in row.light]
    counts = [f"{word or 'light'} {windows.count(word)}" for word in words]
    dark = len(rows) - len(windows)
    return ", ".join([*counts, *([f"no light {dark}"] if dark else [])])


def _code(seed: int, subject: str, group: str) -> str:
    """An opaque code of an animal's group: silent without the seed, and binding with it.

    It starts with a letter, because YAML would read 12e45678 as a number.
    """
    return f"g{draw(seed, 'code', subject, group):064x}"[:9]


def unblind(plan: Plan, key: PlanKey) -> Plan:
    """The plan with its groups opened. Raises ConfigError when ``key`` is not this plan's."""
    animals = {}
    for subject, animal in plan.animals.items():
        group = key.groups.get(subject, "")
        if group not in plan.groups or _code(key.seed, subject, group) != animal.group:
            raise ConfigError(f"the key does not fit the plan of {plan.study} at {subject}")
        animals[subject] = replace(animal, group=group)
    return replace(plan, blind=False, animals=animals)
