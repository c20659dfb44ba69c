"""What an experiment is written in: states and trials, and what came of those before.

Plain data, made of :mod:`rig.experiment.parts`. A protocol file has a docstring (its Methods paragraph), ``PARAMS`` and
one function ``trial(p, past, rng) -> Trial``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rig.experiment.parts import Deadline, Ends, Generator, Press, Rule, Signal, Window
from rig.units import Time

END = "END"


def _several(given: Any) -> tuple[Any, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


@dataclass(frozen=True, init=False)
class State:
    """One state of a trial.

    Args:
        name: unique within the trial.
        on: outputs held while in the state.
        start, stop: generators started or stopped on entry (they run beside the states).
        after: ``(time, target)``: where the state's timer leads.
        when: which signals lead where. Lever rules named here are armed.
        watch: lever rules armed for the record alone.
        zero_lever: where the lever is on entry becomes zero.
        outcome: what a trial that enters this state is called, e.g. ``"rewarded"``.
    """

    name: str
    on: tuple[str, ...]
    start: tuple[Generator, ...]
    stop: tuple[Generator, ...]
    after: tuple[Time, str] | None
    when: tuple[tuple[Signal, str], ...]
    watch: tuple[Rule, ...]
    zero_lever: bool
    outcome: str | None

    def __init__(
        self,
        name: str,
        *,
        on: str | Sequence[str] | None = None,
        start: Generator | Sequence[Generator] | None = None,
        stop: Generator | Sequence[Generator] | None = None,
        after: tuple[Time, str] | None = None,
        when: Mapping[Signal, str] | None = None,
        watch: Rule | Sequence[Rule] | None = None,
        zero_lever: bool = False,
        outcome: str | None = None,
    ) -> None:
        values = {
            **{"name": name, "on": _several(on), "start": _several(start), "stop": _several(stop)},
            **{"after": after, "when": tuple((when or {}).items()), "watch": _several(watch)},
            **{"zero_lever": zero_lever, "outcome": outcome},
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def targets(self) -> Iterator[tuple[str, str]]:
        """``(why, target)`` of every way out."""
        if self.after:
            yield f"after {self.after[0]}", self.after[1]
        for signal, target in self.when:
            yield str(signal), target


@dataclass(frozen=True, init=False)
class Trial:
    """States, the first of them first, and whatever should stand in the record about this trial (``light=True`` …)."""

    states: tuple[State, ...]
    info: dict[str, Any]

    def __init__(self, *states: State, **info: Any) -> None:
        object.__setattr__(self, "states", states)
        object.__setattr__(self, "info", info)


class Result(NamedTuple):
    """How an earlier trial went."""

    number: int
    outcome: str | None
    info: Mapping[str, Any]


@dataclass
class Past:
    """The trials before this one. The present trial stands in it as soon as its outcome is known."""

    results: list[Result] = field(default_factory=list)

    @property
    def n(self) -> int:
        """How many trials there were."""
        return len(self.results)

    def last(self, n: int) -> list[Result]:
        """The last ``n`` of them, or as many as there are."""
        return self.results[-n:] if n else []

    def count(self, outcome: str) -> int:
        """How many had this outcome."""
        return sum(result.outcome == outcome for result in self.results)


def rules_of(states: Iterable[State]) -> list[Rule]:
    """The lever rules a trial uses, each once, in order of appearance."""
    found: dict[Rule, None] = {}
    for state in states:
        for signal, _ in state.when:
            if isinstance(signal.source, (Window, Press)):
                found[signal.source] = None
        found.update(dict.fromkeys(state.watch))
    return list(found)


def generators_of(states: Iterable[State]) -> list[Generator]:
    """The generators a trial uses, each once: deadlines first, the others in order of appearance."""
    found: dict[Generator, None] = {}
    for state in states:
        found.update(dict.fromkeys((*state.start, *state.stop)))
        for signal, _ in state.when:
            if isinstance(signal.source, Ends):
                found[signal.source] = None  # type: ignore[index]
    return sorted(found, key=lambda generator: not isinstance(generator, Deadline))
