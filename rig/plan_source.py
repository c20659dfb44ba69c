"""Plain data that knows its lines: reads YAML strictly, and places every fault in it.

Floor 0: text and data come in as arguments; opening the file is the caller's. YAML is composed, not
loaded, so that repeated keys are seen, keys stay the text they are (YAML makes 007 a 7), and every
key has its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date, datetime
from fractions import Fraction
from typing import Any, NoReturn

import yaml

from rig.errors import ConfigError, did_you_mean

MAX_CHARS = 1_000_000
Key = tuple[str, ...]


class Source:
    """Plain data with the file's name and the line of each key, so that a fault can be placed."""

    def __init__(self, name: str, data: object, lines: dict[Key, int] | None = None) -> None:
        self.name, self.data, self.lines = name, data, lines or {}

    def fault(self, key: Key, message: str) -> NoReturn:
        """Raises ConfigError ``file:line: key: message``."""
        known = next((key[:n] for n in range(len(key), 0, -1) if key[:n] in self.lines), None)
        place = f"{self.name}:{self.lines[known]}" if known else self.name
        text = f"{place}: {'.'.join(key)}: {message}" if key else f"{place}: {message}"
        raise ConfigError("".join(c if c.isprintable() else "?" for c in text))  # one line

    def mapping(
        self, key: Key, value: object, known: Collection[str], needed: Collection[str] = ()
    ) -> dict[str, Any]:
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

    def items(self, key: Key, value: object, item: Callable[[Key, object], Any]) -> tuple[Any, ...]:
        """A list, each entry read by ``item``."""
        if not isinstance(value, list):
            self.fault(key, f"must be a list such as [a, b], not {shown(value)}")
        return tuple(item(key, entry) for entry in value)

    def whole(self, key: Key, value: object) -> int:
        """A whole number."""
        if not isinstance(value, int) or isinstance(value, bool):
            self.fault(key, f"must be a whole number, not {shown(value)}")
        return value

    def flag(self, key: Key, value: object) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.fault(key, f"must be true or false, not {shown(value)}")
        return value

    def text(self, key: Key, value: object) -> str:
        """Words."""
        if not isinstance(value, str):
            self.fault(key, f"must be text, not {shown(value)}: put it in quotes")
        return value

    def day(self, key: Key, value: object) -> date:
        """A date without a time."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            if isinstance(value, str):
                return date.fromisoformat(value)
        except ValueError:
            pass
        self.fault(key, f"must be a date such as 2025-03-31, not {shown(value)}")

    def share(self, key: Key, value: object) -> float:
        """A fraction: 0.25 or 1/4."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        share = parse_share(value) if isinstance(value, str) else None
        if share is None:
            self.fault(key, f"must be a fraction such as 0.25 or 1/3, not {shown(value)}")
        return share

    def run(self, key: Key, value: object) -> int | None:
        """A whole number, or none for no limit."""
        return None if value in (None, "none") else self.whole(key, value)


def parse_share(text: str) -> float | None:
    """The value of ``0.25`` or ``1/3``; None for anything else."""
    if not re.fullmatch(r"\d{1,3}(\.\d{1,17})?|\d{1,3}/[1-9]\d{0,2}", text):
        return None
    return float(Fraction(text))


def shown(value: object) -> str:
    """A value for a message: short, on one line."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def load_yaml(text: str, name: str) -> Source:
    """The plain data of a YAML text, with its lines. Raises ConfigError ``name:line: fault``."""
    if len(text) > MAX_CHARS:
        raise ConfigError(f"{name}: {len(text)} characters; a plan has {MAX_CHARS} at most")
    source = Source(name, None)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        source.data = None if node is None else _plain(source, node, (), set())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or getattr(error, "reason", "unreadable")
        raise ConfigError(f"{place}: not YAML: {problem}") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deep for a plan") from None
    return source


def _plain(source: Source, node: yaml.Node, key: Key, seen: set[int]) -> object:
    source.lines.setdefault(key, node.start_mark.line + 1)
    if id(node) in seen:
        source.fault(key, "an alias (*) stands for other lines: write them out")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return _plain_mapping(source, node, key, seen)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(source, item, key, seen) for item in node.value]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (ArithmeticError, AttributeError, LookupError, ValueError, yaml.YAMLError):
        # What PyYAML raises for 2025-13-45, a number of 5,000 digits, or a tag that does not fit.
        source.fault(key, f"{shown(node.value)} is not a value")


def _plain_mapping(source: Source, node: yaml.MappingNode, key: Key, seen: set[int]) -> object:
    found: dict[str, object] = {}
    for word, value in node.value:
        if not isinstance(word, yaml.ScalarNode):
            source.lines[(*key, "?")] = word.start_mark.line + 1
            source.fault((*key, "?"), "a key must be a plain word")
        place = (*key, word.value)
        if word.value in found:
            line = source.lines[place]
            source.lines[place] = word.start_mark.line + 1
            source.fault(place, f"stands twice, first in line {line}: remove one")
        source.lines[place] = word.start_mark.line + 1
        found[word.value] = _plain(source, value, place, seen)
    return found
