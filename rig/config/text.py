"""YAML as the rig reads it: plain data in which every value knows its line.

Floor 0: text comes in as an argument; opening the file is the caller's. YAML is composed, not loaded,
because loading forgets lines and lets the second of two equal keys win. Words are read by the rules of
YAML 1.2, which editors follow, and not by PyYAML's of 1.1, where 012 is ten, 10:30 is 630 and no is
false. Dates stay text here; whoever asks for a date reads it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from rig.errors import ConfigError

MAX_CHARS = 200_000
Path = tuple[str | int, ...]

_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,4})?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL", "none", "None", "NONE")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_RESOLVER = yaml.resolver.Resolver()
_STANDARD = "tag:yaml.org,2002:"


@dataclass
class Text:
    """Plain data (dict, list, str, int, float, bool, None), the file's name and the line of each value."""

    name: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)

    def fault(self, path: Path, message: str) -> NoReturn:
        """Raises ConfigError ``file:line: key: message``, on one line whatever is quoted in it."""
        known = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        place = self.name if known is None else f"{self.name}:{self.lines[known]}"
        key = f"{dotted(path)}: " if path else ""
        raise ConfigError(one_line(f"{place}: {key}{message}"))


def dotted(path: Path) -> str:
    """``valve.drops[2].ul``: a place as people write it."""
    words = (f"[{step}]" if isinstance(step, int) else f".{step[:60]}" for step in path)
    return "".join(words).removeprefix(".")


def one_line(text: str) -> str:
    """``text`` with everything that a terminal would not print replaced by a question mark."""
    return "".join(c if c.isprintable() else "?" for c in text)


def shown(value: object) -> str:
    """A value for a message: short, as it would stand in YAML."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) > 10**18:
        return "a number of more than 18 digits"
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def read_yaml(text: str, name: str) -> Text:
    """The data of a YAML text and its lines. Raises ConfigError for whatever is not plain YAML."""
    if len(text) > MAX_CHARS:
        raise ConfigError(f"{name}: {len(text)} characters, at most {MAX_CHARS}: is this the right file?")
    result = Text(name)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise ConfigError(f"{name}: empty; begin with the config.yaml of the repository")
        result.data = _plain(result, node, (), set())
    except yaml.YAMLError as error:
        raise ConfigError(one_line(_syntax(error, text, name))) from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deep; nothing here is deeper than four levels") from None
    except (ValueError, OverflowError):
        # PyYAML lets these escape for a character such as "\UFFFFFFFF" or a version of 5,000 digits.
        raise ConfigError(f"{name}: not YAML: an escape or a number that cannot be read") from None
    return result


def _syntax(error: yaml.YAMLError, text: str, name: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"{name}:{line}: a character that may not stand in a text file; delete it"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f"{name}:{mark.line + 1}" if mark else name
    if mark and mark.line < len(lines := text.splitlines()) and "\t" in lines[mark.line]:
        return f"{place}: a tab cannot be read here; indent with spaces"
    problem = getattr(error, "problem", None) or "unreadable"
    return f"{place}: not YAML: {problem}; look for a missing colon, quote or indent here and just above"


def _plain(text: Text, node: yaml.Node, path: Path, seen: set[int]) -> Any:
    text.lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in seen:
        text.fault(path, "an alias (*) stands for other lines; write them out")
    seen.add(id(node))
    if node.tag != _own_tag(node):
        text.fault(path, f"the tag {node.tag.replace(_STANDARD, '!!')} has no meaning here; delete it")
    if isinstance(node, yaml.MappingNode):
        return _mapping(text, node, path, seen)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(text, item, (*path, i), seen) for i, item in enumerate(node.value)]
    return node.value if _quoted(node) else plain_word(node.value)


def _quoted(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and bool(node.style)


def _own_tag(node: yaml.Node) -> Any:
    """The tag a node has where none is written."""
    return _RESOLVER.resolve(type(node), node.value, (not _quoted(node), True))  # type: ignore[no-untyped-call]


def _mapping(text: Text, node: yaml.MappingNode, path: Path, seen: set[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            text.fault(path, "a key must be a plain word, not a list or a mapping")
        here: Path = (*path, key.value)
        line = key.start_mark.line + 1
        if key.value in found:
            first, text.lines[here] = text.lines[here], line
            text.fault(here, f"stands twice, first in line {first}; delete one")
        text.lines[here] = line
        found[key.value] = _plain(text, value, here, seen)
    return found


def plain_word(word: str) -> str | int | float | bool | None:
    """An unquoted word as YAML 1.2 reads it; ``none`` is nothing. What is not finite stays text."""
    if word in _WORDS:
        return _WORDS[word]
    if _INT.fullmatch(word):
        return int(word)
    if _FLOAT.fullmatch(word) and math.isfinite(number := float(word)):
        return number
    return word
