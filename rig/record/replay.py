"""Feed a recorded encoder trace to a lever rule, and print every decision with its microsecond.

The rule is the firmware's own, on the trial machine compiled for this computer.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rig import wire
from rig.bodies.machine import Machine
from rig.errors import ConfigError

SHOWN = {
    wire.Decision.ENTER: "ENTER",
    wire.Decision.LEAVE: "LEAVE",
    wire.Decision.HELD: "HELD",
    wire.Decision.PRESS: "PRESS",
}


@dataclass(frozen=True)
class LeverRule:
    """A lever rule in counts (see docs/trial-machine.md)."""

    kind: wire.Rule
    lo_counts: int
    hi_counts: int
    time_us: int = 0
    refractory_us: int = 0
    hysteresis_counts: int = 0

    def row(self) -> dict[str, int]:
        """The wire's fields."""
        return {
            **{"kind": int(self.kind), "gate": wire.NO_INPUT, "time_us": self.time_us},
            **{"lo_counts": self.lo_counts, "hi_counts": self.hi_counts, "refractory_us": self.refractory_us},
            "hysteresis_counts": self.hysteresis_counts,
        }


class Made(NamedTuple):
    """One decision: when, what, and where the lever was (counts since the last zero)."""

    board_us: int
    event: str
    counts: int


def zero_marks(path: Path) -> list[tuple[int, int]]:
    """``(t_us, count)`` of the ``encoder_zeroed:at_count=N`` rows of an events file. Raises ConfigError."""
    marks = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if not {"t_us", "event"} <= set(reader.fieldnames or ()):
                raise ConfigError(f"{path}: expected a header t_us,event")
            for row in reader:
                word, _, count = (row["event"] or "").partition(":at_count=")
                if word == "encoder_zeroed" and count:
                    marks.append((int(row["t_us"]), int(count)))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    except (ValueError, TypeError):
        raise ConfigError(f"{path}:{reader.line_num}: expected t_us and encoder_zeroed:at_count=N as numbers") from None
    return marks


def _place(t_us: NDArray[np.int64], counts: NDArray[np.int64], mark: tuple[int, int]) -> int:
    """After which row the encoder was zeroed: the last one at that time or before it that stood at the mark's count."""
    at_us, count = mark
    row = int(np.searchsorted(t_us, at_us, "right")) - 1
    back = row
    while back >= 0 and counts[back] != count and t_us[back] == at_us:
        back -= 1
    return back if back >= 0 and counts[back] == count else row


def decisions(
    t_us: NDArray[np.int64], counts: NDArray[np.int64], rule: LeverRule, zeros: list[tuple[int, int]] | None = None
) -> Iterator[Made]:
    """Every decision of one lever rule over a trace.

    Args:
        t_us, counts: the trace, in order of time; a jump of several counts is one movement.
        zeros: ``(t_us, count)``: from then on, counts are relative to that one.
    """
    if not len(t_us):
        return
    machine = Machine(int(t_us[0]) - 1000)
    machine.lever_to(int(counts[0]))
    _begin(machine, rule)
    steps = np.diff(counts, prepend=counts[:1])
    first, near_us = 0, int(t_us[0])
    for row, at_us, count in _placed(t_us, counts, zeros or []):
        _play(machine, t_us[first : row + 1], steps[first : row + 1])
        yield from _run_to(machine, max(at_us, machine.t_us), near_us)
        machine.lever_to(machine.lever + count - int(counts[row]))
        machine.command("zero_lever")
        machine.lever_to(int(counts[row]) - count)
        first, near_us = row + 1, machine.t_us
    _play(machine, t_us[first:], steps[first:])
    yield from _run_to(machine, max(int(t_us[-1]), machine.t_us) + rule.time_us + 1, near_us)


def _placed(
    t_us: NDArray[np.int64], counts: NDArray[np.int64], zeros: list[tuple[int, int]]
) -> Iterator[tuple[int, int, int]]:
    """``(row, t_us, count)`` of each mark, in order; marks before the trace begins say nothing about it."""
    rows = [(_place(t_us, counts, mark), *mark) for mark in zeros]
    yield from sorted(row for row in rows if row[0] >= 0)


def _play(machine: Machine, t_us: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
    """Hand over a stretch of the trace; a jump too large for one edge becomes several at the same time."""
    parts = np.abs(steps) // 128 + (steps != 0)
    which = np.repeat(np.arange(len(steps)), parts)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(parts) - parts, parts)
    size = parts[which]
    part = steps[which] * (nth + 1) // size - steps[which] * nth // size
    machine.plan_lever(np.maximum(t_us[which], machine.t_us), part)


def _begin(machine: Machine, rule: LeverRule) -> None:
    rows = dict.fromkeys((name for name, _ in wire.STATE_FIELDS), 0) | {"rules": 1, "after_to": wire.END}
    machine.command("set_safety", {"deadman_us": 5_000_000, "interlock": wire.NO_INPUT})
    machine.command("lock")
    machine.command("arm")
    machine.command("table_begin", {"trial": 1, "states": 1, "rules": 1, "generators": 0})
    machine.command("table_state", {"index": 0, **rows})
    machine.command("table_rule", {"index": 0, **rule.row()})
    status = machine.command("table_commit")
    if status != wire.Status.OK:
        raise ConfigError(f"the lever rule is refused: {rule.lo_counts}..{rule.hi_counts} counts, {rule.time_us} us")


def _run_to(machine: Machine, until_us: int, near_us: int) -> Iterator[Made]:
    yield from _made(machine.take(), near_us)
    while machine.t_us < until_us:
        machine.keep_alive()
        yield from _made(machine.run(min(until_us, machine.t_us + 4_000_000)), machine.t_us)


def _made(payloads: list[bytes], near_us: int) -> Iterator[Made]:
    for payload in payloads:
        found = wire.decode(payload)
        if found.name != "rule":
            continue
        word = SHOWN.get(wire.Decision(int(found.fields["decision"])))  # type: ignore[arg-type]
        if word:
            ahead = (found.board_us - near_us + (1 << 31)) % (1 << 32) - (1 << 31)
            yield Made(near_us + ahead, word, int(found.fields["counts"]))  # type: ignore[arg-type]
