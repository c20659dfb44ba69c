"""Draws a light plan as a calendar: animals down, days across, today in brackets.

May use ``rich`` and nothing that reads or writes; the date is an argument. Letters carry all of the
meaning, so that it reads the same without colours, in a log and on an old terminal. The codes of a
blind plan are not drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rig.plan import NO_WINDOW, WEEKDAYS, Light, Plan, light_data
from rig.plan.make import balance
from rig.plan.today import how_words
from rig.plan.write import flow

LETTERS = {"clear": "C", "blocked": "B", NO_WINDOW: "L"}
STYLES = {"clear": "bold cyan", "blocked": "bold yellow", NO_WINDOW: "bold cyan"}
CELL = 3  # characters a day


def calendar(plan: Plan, today: date | None, width: int = 80, digest: str | None = None) -> RenderableType:
    """The whole plan, its days in as many tables as ``width`` characters ask for.

    ``digest`` is the file's, when it is not the plan's own because its groups were opened.
    """
    left = max(map(len, ["animal", *plan.animals])) + 1
    left += 0 if plan.blind else max(map(len, ["group", *plan.groups])) + 1
    left += 0 if same_dates(plan) else len("2025-03-31 ")
    n = max(1, (width - left) // CELL)
    starts = range(1, plan.days + 1, n)
    tables = [_table(plan, today, range(a, min(a + n, plan.days + 1))) for a in starts]
    return Group(
        Text(title(plan)),
        "",
        *tables,
        "",
        *map(Text, below(plan, today)),
        Text(f"digest {(digest or plan.digest)[:12]}"),
    )


def same_dates(plan: Plan) -> bool:
    """True when every animal has the same dates, or the plan has none."""
    rows = plan.animals.values()
    return plan.calendar is None or len({(row.offset_days, *sorted(row.skip)) for row in rows}) == 1


def title(plan: Plan) -> str:
    """The study in one line."""
    text = f"{plan.study}: {len(plan.animals)} animals, {plan.days} days"
    if plan.calendar is not None:
        dates = [day for name in plan.animals for day in plan.dates(name)]
        text += f", {min(dates)} to {max(dates)}"
    return f"{text}; groups hidden" if plan.blind else text


def below(plan: Plan, today: date | None) -> Iterator[str]:
    """What stands below the calendar: the letters, the rules, exceptions, and how even it is."""
    words = {word: f"light, {word} window" for word in plan.windows} or {NO_WINDOW: "light"}
    letters = [f"{LETTERS[word]} {text}" for word, text in words.items()]
    brackets = ["[ ] today"] if today and plan.calendar else []
    yield "   ".join([*letters, "· no light", *brackets])
    yield f"rules: {how_words(plan.rules)}; none before day {plan.expert_from_day}"
    yield f"masking light: {'on every trial of every day' if plan.masking_light else 'none'}"
    for subject, animal in plan.animals.items():
        for day, light in sorted(animal.light.items()):
            if exceptions := light_data(light, plan.rules):
                yield f"* {subject} day {day}: {flow(exceptions)}"
    yield from balance(plan)


def _table(plan: Plan, today: date | None, days: range) -> Table:
    table = Table(box=None, padding=0, show_edge=False, pad_edge=False, header_style="dim")
    table.add_column("\nanimal " if _dated(plan) else "animal ", no_wrap=True)
    if not plan.blind:
        table.add_column("\ngroup " if _dated(plan) else "group ", no_wrap=True)
    if not same_dates(plan):
        table.add_column("day 1", min_width=11, no_wrap=True)
    for head in _heads(plan, days):
        table.add_column(head, width=CELL, justify="center", no_wrap=True)
    for subject, animal in plan.animals.items():
        now = plan.day_of(subject, today) if today and plan.calendar else None
        left = [Text(subject)] if plan.blind else [Text(subject), Text(f"{animal.group} ")]
        if not same_dates(plan):
            left.append(Text(str(plan.dates(subject)[0])))
        cells = [_cell(plan, animal.light.get(day), day == now) for day in days]
        table.add_row(*left, *cells)
    return table


def _dated(plan: Plan) -> bool:
    return plan.calendar is not None and same_dates(plan)


def _heads(plan: Plan, days: range) -> list[str]:
    """Day numbers, with weekday and day of the month above where all animals share them."""
    if not _dated(plan):
        return [str(day) for day in days]
    dates = plan.dates(next(iter(plan.animals)))
    return [f"{WEEKDAYS[dates[d - 1].weekday()][:2]}\n{dates[d - 1]:%d}\n{d}" for d in days]


def _cell(plan: Plan, light: Light | None, now: bool) -> Text:
    word = (light.window or NO_WINDOW) if light else ""
    letter = LETTERS.get(word, "·")
    star = "*" if light and light_data(light, plan.rules) else " "
    text = f"[{letter}]" if now else f" {letter}{star}"
    return Text(text, style=f"{STYLES.get(word, 'dim')}{' reverse' if now else ''}")
