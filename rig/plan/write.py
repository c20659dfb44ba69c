"""Writes a light plan as ``plan.yaml``: short, aligned, a line an animal, so that diffs read well.

Floor 0: returns text; writing the file is the caller's. ``plan_read`` gives back the same plan.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import yaml

from rig.config.text import plain_word
from rig.plan import Plan, plan_data
from rig.plan.draw import MAX_BLOCK_TRIALS
from rig.plan.make import PlanKey

TOP = """\
# Light plan: who gets light when. `rig plan show` draws it, `rig run` obeys it.
# Days count from 1 for each animal; a day that a row does not name has no light.
# A change is noticed: the records of every later session say that the plan was changed.
"""
KEY_TOP = """\
# Opens the groups of a blind plan: keep it away from whoever runs the animals, out of git too.
"""
DATES = ("start", "skip", "skip_dates")  # text here, but a date to YAML, and meant as one
WHY = {
    "seed": "replays every draw",
    "n_animals": "rows under animals",
    "expert_from_day": "no light before",
    "windows": "counterbalanced within each group",
    "fraction": "of trials, exact in every block",
    "first_trials_without": "at the start of the day",
    "max_run": "light trials in a row",
    "masking_light": "on every trial of every day",
}


def plan_text(plan: Plan) -> str:
    """The text of ``plan.yaml``."""
    data = plan_data(plan)
    head = [_line(key, data[key]) for key in ("study", "seed", "days", "n_animals", "groups")]
    if plan.blind:
        head[1] = _line("seed", plan.seed, "replays the trials; the key has the plan's own")
        head.append(_line("blind", True, "groups below are codes; the key opens them"))
    rules = [_line(key, value, indent=2) for key, value in data["rules"].items()]
    blocks = [head, ["rules:", *rules]]
    if "calendar" in data:
        blocks.append(["calendar:", *(_line(key, value, indent=2) for key, value in data["calendar"].items())])
    blocks.append(["animals:", *_rows(data["animals"])])
    return TOP + "\n\n".join("\n".join(block) for block in blocks) + "\n"


def key_text(key: PlanKey) -> str:
    """The text of ``plan.key.yaml``."""
    head = [_line("study", key.study), _line("seed", key.seed, "makes the whole plan again")]
    rows = [f"  {word(name)}: {word(group)}" for name, group in key.groups.items()]
    return KEY_TOP + "\n".join([*head, "groups:", *rows]) + "\n"


def _line(key: str, value: object, why: str | None = None, indent: int = 0) -> str:
    """``key: value``, with what it means behind it where the name alone does not say."""
    text = f"{' ' * indent}{key}: {flow(value, key)}"
    why = WHY.get(key, "") if why is None else why
    return f"{text:<30}  # {why}" if why else text


def flow(value: object, key: str = "") -> str:
    """The value of a key in YAML's one-line form."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(flow(item, key) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {flow(item, name)}' for name, item in value.items())}}}"
    if key == "fraction":
        return share(value)
    return word(value) if isinstance(value, str) and key not in DATES else str(value)


def word(text: str) -> str:
    """A word as it is, in quotes where this reader or another would take it for something else.

    Such are ``none`` and 007 to ``rig.config.text``, ``on`` and 12:30 to the readers of YAML 1.1.
    """
    try:
        plain = plain_word(text) == text and yaml.safe_load(f"[{text}]") == [text]
    except (ValueError, yaml.YAMLError):
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)


def share(value: Any) -> str:
    """A fraction as people write it: 0.25, 1/3."""
    part = Fraction(value).limit_denominator(MAX_BLOCK_TRIALS)
    text = repr(float(value))
    return text if len(text) <= 6 or float(part) != value else str(part)


def _rows(animals: dict[str, dict[str, Any]]) -> list[str]:
    """One line an animal; the same day stands below the same day."""
    rows = animals.values()
    days = sorted({int(key) for row in rows for key in row if key.isdigit()})
    named = [key for key in ("group", "offset_days", "skip") if any(key in r for r in rows)]
    columns = [*named, *map(str, days)]
    wide = {key: max(map(len, _cells(key, rows)), default=0) for key in columns}
    names = max(len(word(name)) + 1 for name in animals)
    lines = []
    for name, row in animals.items():
        last = [key for key in columns if key in row][-1]
        cells = "".join(f"{_cell(key, row, key == last):<{wide[key] + 1}}" for key in columns)
        lines.append(f"  {f'{word(name)}:':<{names}} {{{cells.rstrip()}}}")
    return lines


def _cell(key: str, row: dict[str, Any], last: bool) -> str:
    return f"{key}: {flow(row[key], key)}{'' if last else ','}" if key in row else ""


def _cells(key: str, rows: Iterable[dict[str, Any]]) -> list[str]:
    """The cells that set a column's width: a day with exceptions of its own may stick out."""
    return [_cell(key, row, False) for row in rows if not isinstance(row.get(key), dict)]
