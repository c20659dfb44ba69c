"""Plans for tests: the study of 16 mice, and hypothesis strategies for plans of every shape."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from rig.plan import WEEKDAYS, Animal, Calendar, Light, Plan
from rig.plan.make import PlanSpec, make_plan

MICE = tuple(f"M{n:02}" for n in range(1, 17))
MONDAY = date(2025, 3, 3)
WORKDAYS = Calendar(MONDAY, ("sat", "sun"))
STUDY = PlanSpec(MICE, {"opsin": 8, "control": 8}, study="thalamus", calendar=WORKDAYS)
PLAN = make_plan(STUDY, 7)

# No test here may fail because the computer was busy with something else.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(calm, max_examples=40)  # for whole plans, which take longer to draw

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,6}", fullmatch=True)
dates = st.dates(date(2000, 1, 1), date(2999, 12, 31))


@st.composite
def lights(draw: st.DrawFn, window: str | None = None) -> Light:
    """Any demands that can be met."""
    block = draw(st.integers(1, 30))
    n_light = draw(st.integers(1, block))
    least = -(-n_light // (block - n_light)) if n_light < block else None
    runs = st.none() if least is None else st.one_of(st.none(), st.integers(least, least + 5))
    return Light(window, n_light / block, block, draw(st.integers(0, 15)), draw(runs))


@st.composite
def specs(draw: st.DrawFn, blind: bool = False) -> PlanSpec:
    """Any study that can be planned: odd groups, many light days, one window or none."""
    mice = draw(st.lists(names, min_size=1, max_size=12, unique_by=str.lower))
    words = draw(st.lists(names, min_size=2 if blind else 1, max_size=3, unique=True))
    cuts = sorted(draw(st.integers(0, len(mice))) for _ in words[1:])
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, len(mice)], strict=True)]
    days = draw(st.integers(1, 30))
    windows = st.sampled_from([(), ("clear",), ("blocked",), ("clear", "blocked")])
    return PlanSpec(
        subjects=tuple(mice),
        groups=dict(zip(words, sizes, strict=True)),
        days=days,
        light_days=tuple(draw(st.sets(st.integers(1, days), max_size=6))),
        windows=draw(windows),
        rules=draw(lights()),
        masking_light=draw(st.booleans()),
        blind=blind,
        calendar=draw(st.none() | calendars()),
        offset_days={name: draw(st.integers(0, 20)) for name in mice[::3]},
    )


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Any calendar with a weekday to work on."""
    free = draw(st.sets(st.sampled_from(WEEKDAYS), max_size=6))
    start = draw(dates)
    skipped = draw(st.sets(st.integers(0, 40), max_size=5))
    dates_off = tuple(sorted(min(start + timedelta(n), date(2999, 12, 31)) for n in skipped))
    return Calendar(start, tuple(free), tuple(sorted(set(dates_off))))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A drawn plan that a person has then edited: exceptions, days taken out, dates skipped."""
    plan = make_plan(draw(specs(blind=draw(st.booleans()))), draw(st.integers(0, 2**53 - 1)))
    animals = dict(plan.animals)
    for name, animal in plan.animals.items():
        if draw(st.booleans()):
            animals[name] = draw(edited(animal))
    return replace(plan, animals=animals)


@st.composite
def edited(draw: st.DrawFn, animal: Animal) -> Animal:
    """The animal with other light on some of its days, and dates without sessions."""
    light = dict(animal.light)
    for day, was in animal.light.items():
        choice = draw(st.sampled_from(["keep", "drop", "other"]))
        if choice == "drop":
            del light[day]
        elif choice == "other":
            light[day] = draw(lights(was.window))
    skip = tuple(sorted(draw(st.sets(dates, max_size=2))))
    return replace(animal, light=light, skip=skip)


def longest_run(flags: list[bool]) -> int:
    """The most light trials in a row."""
    longest = now = 0
    for light in flags:
        now = now + 1 if light else 0
        longest = max(longest, now)
    return longest
