"""How a wrong value or key is told: what was expected, what stands there, what to write instead.

Floor 0: types and values in, one line out (raised as ConfigError). It decides nothing: ``shape`` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

import msgspec.inspect as mi

from rig.config.text import Path, Text, shown
from rig.errors import did_you_mean

NO_EXAMPLE = object()
MAX_CONVERTED = 10**12
# Unit to (dimension, size), so that a value in the wrong unit can be written in the right one.
UNITS = {
    **{unit: ("time", Decimal(size)) for unit, size in (("us", "1e-6"), ("ms", "1e-3"), ("s", "1"), ("min", "60"))},
    **{unit: ("frequency", Decimal(size)) for unit, size in (("hz", "1"), ("khz", "1e3"))},
    **{unit: ("length", Decimal(size)) for unit, size in (("um", "1e-3"), ("mm", "1"), ("cm", "10"))},
    **{unit: ("volume", Decimal(size)) for unit, size in (("nl", "1e-3"), ("ul", "1"), ("ml", "1e3"))},
    **{unit: ("power", Decimal(size)) for unit, size in (("uw", "1e-3"), ("mw", "1"), ("w", "1e3"))},
    **{unit: ("days", Decimal(size)) for unit, size in (("days", "1"), ("weeks", "7"))},
}


class Kind(NamedTuple):
    """A type without its wrapping, an example of it (or NO_EXAMPLE), and words for it where its own would not do."""

    type: mi.Type
    example: Any = NO_EXAMPLE
    words: str = ""


def is_number(value: Any) -> bool:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# --- values -----------------------------------------------------------------------------------------------------------


def refuse(text: Text, path: Path, value: Any, kinds: Sequence[Kind]) -> NoReturn:
    """Raises ConfigError: ``value`` is of none of ``kinds``."""
    expected = " or ".join(kind.words or _words(kind.type, value) for kind in kinds)
    text.fault(path, f"expected {expected}, got {shown(value)}{_hint(value, kinds)}")


def _words(kind: mi.Type, value: Any) -> str:
    if isinstance(kind, (mi.IntType, mi.FloatType)):
        return _number_words(kind, value)
    if isinstance(kind, mi.LiteralType):
        return f"{'one of ' if len(kind.values) > 1 else ''}{', '.join(map(str, kind.values))}"
    if isinstance(kind, mi.TupleType):
        return f"a list of {len(kind.item_types)}"
    if isinstance(kind, mi.VarTupleType):
        return f"a list of {kind.min_length} to {kind.max_length}"
    names = {mi.StructType: "keys and values", mi.DictType: "keys and values", mi.NoneType: "none"}
    names |= {mi.BoolType: "true or false", mi.DateType: "a date", mi.StrType: "text"}
    return names[type(kind)]


def _number_words(kind: mi.IntType | mi.FloatType, value: Any) -> str:
    """The range is told to whoever wrote a number; whoever did not has another trouble."""
    noun = "whole number" if isinstance(kind, mi.IntType) else "number"
    if kind.gt == 0:
        return f"a positive {noun} up to {kind.le:.7g}" if is_number(value) and value > 0 else f"a positive {noun}"
    return f"a {noun} from {kind.ge:.16g} to {kind.le:.16g}" if is_number(value) else f"a {noun}"


def _hint(value: Any, kinds: Sequence[Kind]) -> str:
    if any(isinstance(kind.type, (mi.StructType, mi.DictType)) for kind in kinds):
        return "; write its keys below it, indented"
    names = [str(name) for kind in kinds if isinstance(kind.type, mi.LiteralType) for name in kind.type.values]
    if isinstance(value, str) and (near := did_you_mean(value, names)):
        return near
    if is_number(value) and any(isinstance(kind.type, mi.StrType) and not kind.words for kind in kinds):
        return f'; put it in quotes: "{value}"'
    examples = [kind.example for kind in kinds if isinstance(kind.example, (str, int, float, list, tuple))]
    return f"; write e.g. {_flow(examples[0])}" if examples and not isinstance(examples[0], bool) else ""


def _flow(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example)


# --- keys -------------------------------------------------------------------------------------------------------------


def refuse_missing(text: Text, path: Path, kind: Kind) -> NoReturn:
    """Raises ConfigError: the key that ``path`` ends with must be there."""
    example = "(keys and values)" if kind.example is NO_EXAMPLE else _flow(kind.example)
    text.fault(path, f"missing; write {path[-1]}: {example}")


def refuse_name(text: Text, path: Path, known: Iterable[str]) -> NoReturn:
    """Raises ConfigError: the last of ``path`` is none of the ``known`` names."""
    names = list(known)
    hint = did_you_mean(str(path[-1])[:100], names) or f"; known here: {', '.join(names)}"
    text.fault(path, f"unknown key{hint}")


def refuse_key(text: Text, path: Path, value: Any, known: Mapping[str, mi.Field]) -> NoReturn:
    """Raises ConfigError: as ``refuse_name``, but a key that is right except for its unit is converted."""
    if found := _other_unit(str(path[-1]), value, known):
        text.fault(path, f"unknown key; in the right unit: {found}")
    refuse_name(text, path, known)


def _other_unit(key: str, value: Any, known: Iterable[str]) -> str:
    """``deadman_ms: 500`` for ``deadman_s: 0.5``; empty where no known key is the same but for its unit."""
    stem, _, unit = key.rpartition("_")
    for name in known:
        known_stem, _, known_unit = name.rpartition("_")
        if stem != known_stem or known_unit not in UNITS or unit not in UNITS:
            continue
        if UNITS[unit][0] == UNITS[known_unit][0]:
            return f"{name}{_converted(value, UNITS[unit][1] / UNITS[known_unit][1])}"
    return ""


def _converted(value: Any, factor: Decimal) -> str:
    if not is_number(value) or not -MAX_CONVERTED < value < MAX_CONVERTED:
        return ""
    return f": {(Decimal(repr(value)) * factor).normalize():f}"
