"""Plain data that is asked for by kind: a whole number, a date, a fraction, a list.

Floor 0: text and data come in as arguments. YAML is read by ``rig.config.text``, as every file of the
rig is; here stand the kinds of value that a plan has, each refused with its place and remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date
from fractions import Fraction
from typing import Any

from rig.config.text import Path, Text, read_yaml, shown
from rig.errors import did_you_mean


class Source(Text):
    """Plain data with the file's name and the line of each value; see ``rig.config.text.Text``."""

    def mapping(self, key: Path, value: object, known: Collection[str], needed: Collection[str] = ()) -> dict[str, Any]:
        """A mapping whose keys are all among ``known`` (none given: any), with all the needed."""
        if not isinstance(value, dict):
            self.fault(key, f"must hold keys and values, not {shown(value)}")
        for word in value:
            if not isinstance(word, str):
                self.fault(key, f"{shown(word)}: a key must be text")
            if known and word not in known:
                self.fault((*key, word), f"unknown key{did_you_mean(word, known)}")
        for word in needed:
            if word not in value:
                self.fault(key, f"{word} is missing: add it")
        return value

    def items(self, key: Path, value: object, item: Callable[[Path, object], Any]) -> tuple[Any, ...]:
        """A list, each entry read by ``item``."""
        if not isinstance(value, list):
            self.fault(key, f"must be a list such as [a, b], not {shown(value)}")
        return tuple(item((*key, place), entry) for place, entry in enumerate(value))

    def whole(self, key: Path, value: object) -> int:
        """A whole number."""
        if not isinstance(value, int) or isinstance(value, bool):
            self.fault(key, f"must be a whole number, not {shown(value)}")
        return value

    def flag(self, key: Path, value: object) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.fault(key, f"must be true or false, not {shown(value)}")
        return value

    def text(self, key: Path, value: object) -> str:
        """Words."""
        if not isinstance(value, str):
            self.fault(key, f"must be text, not {shown(value)}: put it in quotes")
        return value

    def day(self, key: Path, value: object) -> date:
        """A date without a time."""
        found = parse_date(value) if isinstance(value, str) else None
        if found is None:
            self.fault(key, f"must be a date such as 2025-03-31, not {shown(value)}")
        return found

    def share(self, key: Path, value: object) -> float:
        """A fraction: 0.25 or 1/4."""
        share = parse_share(str(value)) if not isinstance(value, bool) else None
        if share is None:
            self.fault(key, f"must be a fraction such as 0.25 or 1/3, not {shown(value)}")
        return share

    def run(self, key: Path, value: object) -> int | None:
        """A whole number, or none for no limit."""
        return None if value in (None, "none") else self.whole(key, value)


def load(text: str, name: str) -> Source:
    """The data of a YAML text with its lines. Raises ConfigError for what is not plain YAML."""
    read = read_yaml(text, name)
    return Source(read.name, read.data, read.lines)


def parse_share(text: str) -> float | None:
    """The value of ``0.25`` or ``1/3``; None for anything else."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,20})?|[0-9]{1,3}/[1-9][0-9]{0,2}", text):
        return None
    return float(Fraction(text))


def parse_date(text: str) -> date | None:
    """The date ``2025-03-31``; None for anything else."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None
