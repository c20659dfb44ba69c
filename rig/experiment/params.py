"""The parameters of an experiment: their defaults, bounds and units, and how values are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rig.errors import ProtocolError, did_you_mean
from rig.units import Quantity, parse

Value = Quantity | float | int | bool | str


@dataclass(frozen=True)
class Param:
    """A parameter: its default, its bounds, what it is for.

    ``recalled``: the value is from memory, not verified. ``given``: nobody sets it; the light plan says it anew for
    each trial (``light=Param(False, "…", given=True)``).
    """

    default: Any
    doc: str = ""
    low: Any = None
    high: Any = None
    recalled: bool = False
    choices: tuple[str, ...] = ()
    given: bool = False


class Values(dict[str, Any]):
    """Parameter values, readable as attributes: ``p.response_window``."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise ProtocolError(f'there is no parameter "{name}"{did_you_mean(name, self)}') from None


class Params(dict[str, Param]):
    """The parameters of a protocol, by name."""

    def __init__(self, **params: Param) -> None:
        super().__init__(params)

    def values_with(self, changes: Mapping[str, Value] | None = None) -> Values:
        """Defaults with changes applied. Raises ProtocolError naming the parameter, its bounds or its unit."""
        changed = {name: self._checked(name, value) for name, value in (changes or {}).items()}
        return Values({name: changed.get(name, param.default) for name, param in self.items()})

    def _checked(self, name: str, value: Any) -> Any:
        if name not in self:
            raise ProtocolError(f'there is no parameter "{name}"{did_you_mean(name, self)}')
        param = self[name]
        value = _as_kind(name, value, param.default)
        if param.choices and value not in param.choices:
            raise ProtocolError(
                f"{name} = {value} is not one of {', '.join(param.choices)}{did_you_mean(value, param.choices)}"
            )
        if (param.low is not None and value < param.low) or (param.high is not None and value > param.high):
            raise ProtocolError(f"{name} = {value} is outside {param.low} .. {param.high}")
        return value


def _as_kind(name: str, value: Any, default: Any) -> Any:
    """``value`` as the kind that ``default`` is; text is read (``"3 mm"``, ``"0.25"``, ``"yes"``)."""
    if isinstance(default, Quantity):
        if isinstance(value, str):
            value = parse(value)
        if type(value) is not type(default):
            raise ProtocolError(f"{name} = {value}: expected a {default.dimension} such as {default}")
        return value
    if isinstance(default, bool):
        words = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
        found = words.get(str(value).lower())
        if found is None:
            raise ProtocolError(f"{name} = {value}: expected yes or no")
        return found
    if isinstance(default, str):
        return str(value)
    try:
        return type(default)(value)
    except (TypeError, ValueError):
        raise ProtocolError(f"{name} = {value}: expected a number such as {default}") from None
