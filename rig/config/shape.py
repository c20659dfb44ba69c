"""Does plain data have the shape of a struct? Where not, one line says where, what was expected and what to write.

Floor 0: walks data and types side by side. It knows no key of config.yaml: names, ranges and examples are the
struct's. msgspec would check as much, but it knows no lines, no remedies and no near misses.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec.inspect as mi
from msgspec import NODEFAULT

from rig.config.text import Path, Text, shown
from rig.config.words import NO_EXAMPLE, Kind, is_number, refuse, refuse_key, refuse_missing, refuse_name


def check(text: Text, struct: type) -> None:
    """Raises ConfigError for the first value of ``text`` that ``struct`` could not hold."""
    _check(text, (), text.data, Kind(_type_info(struct)))


_type_info = functools.cache(mi.type_info)  # taking a struct apart costs more than walking the data


def _check(text: Text, path: Path, value: Any, kind: Kind) -> None:
    kinds = _alternatives(kind)
    fitting = next((one for one in kinds if _same_kind(value, one.type)), None)
    if fitting is None:
        refuse(text, path, value, kinds)
    elif isinstance(fitting.type, mi.StructType):
        _check_struct(text, path, value, fitting.type)
    elif isinstance(fitting.type, mi.DictType):
        _check_dict(text, path, value, fitting.type)
    elif isinstance(fitting.type, (mi.VarTupleType, mi.TupleType)):
        _check_list(text, path, value, fitting)
    elif not _in_range(value, fitting.type):
        refuse(text, path, value, kinds)


def _bare(kind: Kind) -> Kind:
    """A type without its wrapping; the example and the words of an inner wrapping stand before an outer one's."""
    while isinstance(wrapped := kind.type, mi.Metadata):
        schema, extra = wrapped.extra_json_schema or {}, wrapped.extra or {}
        example = schema.get("examples", [kind.example])[0]
        inner = mi.LiteralType(tuple(schema["enum"])) if "enum" in schema else wrapped.type
        kind = Kind(inner, example, extra.get("words", kind.words))
    return kind


def _alternatives(kind: Kind) -> list[Kind]:
    kind = _bare(kind)
    return (
        [_bare(kind._replace(type=one)) for one in kind.type.types] if isinstance(kind.type, mi.UnionType) else [kind]
    )


# --- containers -------------------------------------------------------------------------------------------------------


def _check_struct(text: Text, path: Path, value: dict[Any, Any], struct: mi.StructType) -> None:
    known = {field.name: field for field in struct.fields}
    for key, inner in value.items():
        if key not in known:
            refuse_key(text, (*path, _step(key)), inner, known)
        default = known[key].default
        _check(text, (*path, key), inner, Kind(known[key].type, NO_EXAMPLE if default is NODEFAULT else default))
    for field in struct.fields:
        if field.required and field.name not in value:
            refuse_missing(text, (*path, field.name), _bare(Kind(field.type)))


def _check_dict(text: Text, path: Path, value: dict[Any, Any], kind: mi.DictType) -> None:
    names = _bare(Kind(kind.key_type))
    for key, inner in value.items():
        here: Path = (*path, _step(key))
        if isinstance(names.type, mi.LiteralType) and key not in names.type.values:
            refuse_name(text, here, map(str, names.type.values))
        if not _same_kind(key, names.type) or not _in_range(key, names.type):
            text.fault(here, f"expected {names.words} for a key")
        _check(text, here, inner, Kind(kind.value_type))


def _check_list(text: Text, path: Path, value: Any, kind: Kind) -> None:
    if isinstance(kind.type, mi.TupleType):
        items, fits = kind.type.item_types, len(value) == len(kind.type.item_types)
    else:
        assert isinstance(kind.type, mi.VarTupleType)
        items = (kind.type.item_type,) * len(value)
        fits = (kind.type.min_length or 0) <= len(value) <= (kind.type.max_length or math.inf)
    if not fits:
        refuse(text, path, value, [kind])
    for i, (inner, item) in enumerate(zip(value, items, strict=True)):
        _check(text, (*path, i), inner, Kind(item))


def _step(key: Any) -> str:
    return key if isinstance(key, str) else shown(key)


# --- single values ----------------------------------------------------------------------------------------------------


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


_KINDS: dict[type[mi.Type], Callable[[Any], bool]] = {
    mi.StructType: lambda value: isinstance(value, dict),
    mi.DictType: lambda value: isinstance(value, dict),
    mi.VarTupleType: lambda value: isinstance(value, (list, tuple)),
    mi.TupleType: lambda value: isinstance(value, (list, tuple)),
    mi.NoneType: lambda value: value is None,
    mi.BoolType: lambda value: isinstance(value, bool),
    mi.IntType: lambda value: isinstance(value, int) and not isinstance(value, bool),
    mi.FloatType: is_number,
    mi.StrType: lambda value: isinstance(value, str),
    mi.LiteralType: lambda value: isinstance(value, str),
    mi.DateType: _is_date,
}


def _same_kind(value: Any, kind: mi.Type) -> bool:
    return _KINDS[type(kind)](value)


def _in_range(value: Any, kind: mi.Type) -> bool:
    if isinstance(kind, (mi.IntType, mi.FloatType)):
        low_open, low = (kind.gt is not None, kind.gt if kind.gt is not None else kind.ge)
        above = low is None or (value > low if low_open else value >= low)
        return above and (kind.le is None or value <= kind.le)
    if isinstance(kind, mi.LiteralType):
        return value in kind.values
    if isinstance(kind, mi.StrType):
        fits = kind.pattern is None or re.search(kind.pattern, value) is not None
        long = (kind.min_length or 0) <= len(value) <= (kind.max_length or math.inf)
        return fits and long and value.isprintable()
    return True
