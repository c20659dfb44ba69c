"""Golden vectors: what happens to a board, byte by byte and edge by edge, and the events it must tell.

A vector is a text file, ``tests/golden/<name>.trial``; a ``#`` begins a comment. Times are microseconds since the
board's start, so a vector holds wherever a clock begins. First what happens, in order of time, then the events::

    start_us 4294957296       where the board's clock begins, for the bodies that can choose
    commands loose            the decisions hold also where each frame takes effect a little later, or: exact
    at 0 input 09             raw input pins, hexadecimal
    at 20 rx 01 11 ... 00     bytes from the host, the last of which arrives then
    at 5000 edge -1           the lever moves by so many counts
    end 90000
    expect 8 applied 0 17 0 0 an event: its time, its name, its fields in the order of docs/wire.md

``since_us`` and ``due_us`` are times too. Events are numbered from 0 in the order they stand. May not: run anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reference import Event

from rig import wire

GOLDEN = Path(__file__).parent / "golden"
U32 = 0xFFFFFFFF
TIMES = ("since_us", "due_us")


@dataclass
class Vector:
    """One of them. ``happenings`` are ``(t_us, kind, value)``: rx bytes, an edge's delta or input levels."""

    name: str
    about: str
    start_us: int
    loose: bool
    end_us: int
    happenings: list[tuple[int, str, bytes | int]] = field(default_factory=list)
    expected: list[Event] = field(default_factory=list)


def since(told: Event, start_us: int) -> Event:
    """An event with its times counted from the board's start."""
    fields = {key: value - start_us & U32 if key in TIMES and isinstance(value, int) else value
              for key, value in told.fields.items()}  # fmt: skip
    return Event(told.name, told.board_us - start_us & U32, fields)


def _line(told: Event) -> str:
    words: list[object] = []
    for value in told.fields.values():
        words += value if isinstance(value, tuple) else [value]
    return " ".join(map(str, ["expect", told.board_us, told.name, *words]))


def _happening(t_us: int, kind: str, value: bytes | int) -> str:
    text = value.hex(" ") if isinstance(value, bytes) else f"{value:02x}" if kind == "input" else str(value)
    return f"at {t_us} {kind} {text}"


def text(vector: Vector) -> str:
    """The file's text."""
    lines = [f"# {line}" for line in vector.about.splitlines()]
    lines += [f"start_us {vector.start_us}", f"commands {'loose' if vector.loose else 'exact'}"]
    lines += [_happening(*happening) for happening in vector.happenings]
    lines += [f"end {vector.end_us}", *map(_line, vector.expected)]
    return "\n".join(lines) + "\n"


def parse(name: str, text: str) -> Vector:
    """The vector that a file's text says."""
    vector = Vector(name, "", 0, False, 0)
    for line in text.splitlines():
        if line.startswith("#"):
            vector.about += line[2:] + "\n"
            continue
        word, *rest = line.split()
        if word == "start_us":
            vector.start_us = int(rest[0])
        elif word == "commands":
            vector.loose = rest[0] == "loose"
        elif word == "end":
            vector.end_us = int(rest[0])
        elif word == "at":
            vector.happenings.append((int(rest[0]), rest[1], _value(rest[1], rest[2:])))
        elif word == "expect":
            vector.expected.append(_event(int(rest[0]), rest[1], rest[2:]))
        else:
            raise ValueError(f"{name}: {line!r} is no line of a vector")
    vector.about = vector.about.rstrip("\n")
    return vector


def _value(kind: str, words: list[str]) -> bytes | int:
    if kind == "rx":
        return bytes.fromhex("".join(words))
    return int(words[0], 16 if kind == "input" else 10)


def _event(t_us: int, name: str, words: list[str]) -> Event:
    message = wire.BY_NAME[name]
    values = [int(word) for word in words]
    fields: dict[str, int | tuple[int, ...]] = dict(zip(message.names, values, strict=False))
    if message.tail:
        fields[message.tail[0]] = tuple(values[len(message.fields) :])
    return Event(name, t_us, fields)


def load() -> Iterator[Vector]:
    """Every golden vector, by name."""
    for path in sorted(GOLDEN.glob("*.trial")):
        yield parse(path.stem, path.read_text(encoding="utf-8"))


def payloads(vector: Vector) -> Iterable[tuple[int, bytes]]:
    """What the host's frames say and when, in order."""
    splitter = wire.FrameSplitter()
    for t_us, kind, value in vector.happenings:
        if kind == "rx" and isinstance(value, bytes):
            for payload in splitter.feed(value):
                yield t_us, payload
