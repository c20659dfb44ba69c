"""What stands in a record, and how it reads: the kinds of journal records, and events with names instead of numbers.

May not: open files (that is the journal) or know where bytes came from.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from rig import wire
from rig.clock import Unwrapper
from rig.errors import RecordError


class Kind(IntEnum):
    """Kinds of journal records."""

    MANIFEST = 1  # JSON: everything the session began with
    EVENT = 2  # an event's payload as the board sent it
    COMMAND = 3  # a command's payload as it was first sent
    NOTE = 4  # JSON with a "note" key: what only the host knows
    SUMMARY = 5  # JSON: how the session ended


class Event(NamedTuple):
    """One event with names. ``board_us`` never wraps; ``number`` is the board's."""

    number: int
    board_us: int
    host_ns: int
    name: str
    fields: dict[str, Any]


@dataclass
class TrialNames:
    """What the numbers of one trial's table mean (from its note)."""

    states: list[str]
    rules: list[str]
    generators: list[str]
    outcomes: list[str | None]
    info: dict[str, Any]


def note(name: str, **fields: Any) -> bytes:
    """The payload of a NOTE record."""
    return msgspec.json.encode({"note": name, **fields})


def read_json(payload: bytes) -> dict[str, Any]:
    """The payload of a MANIFEST, NOTE or SUMMARY record."""
    try:
        found = msgspec.json.decode(payload)
    except msgspec.DecodeError as error:
        raise RecordError(f"a record that should be JSON is not ({error}): run `rig verify`") from None
    if not isinstance(found, dict):
        raise RecordError("a record that should be a JSON object is not: run `rig verify`")
    return found


_ENUMS: dict[tuple[str, str], type[IntEnum]] = {
    ("rule", "decision"): wire.Decision,
    ("generator", "mark"): wire.GeneratorMark,
    ("trial_end", "reason"): wire.EndReason,
    ("fault", "fault"): wire.Fault,
    ("applied", "status"): wire.Status,
}


def _name_of(names: list[str], index: int) -> str:
    return names[index] if index < len(names) else str(index)


@functools.lru_cache(maxsize=1024)
def roles(mask: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the bits set in a mask of inputs or outputs."""
    return tuple(name for i, name in enumerate(names) if mask >> i & 1)


def cause_name(code: int, trial: TrialNames) -> str:
    """What moved a trial, in words."""
    if code < wire.ON_RULE:
        return wire.Cause(code).name.lower()
    if code < wire.ON_INPUT:
        rule, decision = divmod(code - wire.ON_RULE, 4)
        return f"{_name_of(trial.rules, rule)} {wire.Decision(decision).name.lower()}"
    if code < wire.ON_HOST:
        index, edge = divmod(code - wire.ON_INPUT, 4)
        return f"{wire.INPUTS[index]} {wire.InputEdge(edge).name.lower()}"
    if code < wire.ON_GENERATOR:
        return f"host event {code - wire.ON_HOST}"
    return f"{_name_of(trial.generators, code - wire.ON_GENERATOR)} ended"


_NOBODY = TrialNames([], [], [], [], {})


class EventReader:
    """Turns payloads into :class:`Event` rows. Feed it NOTE records too: they carry the names."""

    def __init__(self) -> None:
        self._unwrap = Unwrapper()
        self.trials: dict[int, TrialNames] = {}
        self.trial = 0
        self._names = _NOBODY
        self._timing: dict[str, Any] = {}  # what every event carries where this computer is the clock

    def copy(self) -> EventReader:
        """Another one that has read the same; both go on learning the same trials' names."""
        twin = copy.copy(self)
        twin._unwrap = copy.copy(self._unwrap)
        return twin

    def learn(self, found: dict[str, Any]) -> None:
        """Take a note: "trial" says what the numbers of a table mean, "timing" that the events are host-timed."""
        if found.get("note") == "trial":
            keys = ("states", "rules", "generators", "outcomes", "info")
            self.trials[found["trial"]] = TrialNames(*(found[key] for key in keys))
        elif found.get("note") == "timing":
            self._timing = {key: found[key] for key in ("clock", "uncertainty_us")}

    def unwrap_us(self, stamp_us: int) -> int:
        """The board's time of an event that is not read otherwise."""
        return self._unwrap.unwrap(stamp_us)

    def read(self, host_ns: int, payload: bytes) -> Event:
        """One event. Raises BoardError for a payload that is not on the list."""
        name, number, stamp_us, fields = wire.decode(payload)
        board_us = self._unwrap.unwrap(stamp_us)
        if name == "trial_begin":
            self.trial = int(fields["trial"])  # type: ignore[arg-type]
            self._names = self.trials.get(self.trial, _NOBODY)
        elif name == "lost":  # from here on states may be another trial's
            self._names = _NOBODY
        return Event(number, board_us, host_ns, name, {**self._named(name, dict(fields)), **self._timing})

    def _named(self, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        for key, value in fields.items():
            enum = _ENUMS.get((name, key))
            if enum is not None:
                fields[key] = enum(value).name.lower() if value in enum._value2member_map_ else value
        if name == "state":
            index = fields["state"]
            fields["outcome"] = self._names.outcomes[index] if index < len(self._names.outcomes) else None
            fields["state"] = _name_of(self._names.states, index)
            fields["cause"] = cause_name(fields["cause"], self._names)
        elif name == "rule":
            fields["rule"] = _name_of(self._names.rules, fields["rule"])
        elif name == "generator":
            fields["generator"] = _name_of(self._names.generators, fields["generator"])
        elif name == "output":
            fields["active"] = roles(fields["active"], wire.OUTPUTS)
        elif name == "input":
            fields["levels"] = roles(fields["levels"], wire.INPUTS)
            fields["changed"] = roles(fields["changed"], wire.INPUTS)
        elif name == "applied":
            known = wire.BY_NUMBER.get(fields["command"])
            fields["command"] = known.name if known else fields["command"]
        return fields


def read_events(records: Iterable[tuple[int, int, bytes]]) -> Iterator[Event]:
    """Events of ``(kind, host_ns, payload)`` records, with the names their notes give them."""
    reader = EventReader()
    for kind, host_ns, payload in records:
        if kind == Kind.EVENT:
            yield reader.read(host_ns, payload)
        elif kind == Kind.NOTE:
            reader.learn(read_json(payload))
