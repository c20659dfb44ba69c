"""The training curriculum: stages in order, and when an animal moves up or falls back. Never silently.

Floor 0: outcomes come in as arguments, moves with their reasons go out. A stage names its protocol and the parameters
that differ from the protocol's defaults; a rule asks for a share of rewarded trials over the last trials of a session,
or over each of the last sessions. What a file says is read in ``rig.training.read``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rig.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Rule:
    """``success`` (rewarded / all trials) over the last ``trials``, or in each of the last ``sessions``.

    Without ``success``, so many sessions are enough.
    """

    success: float | None = None
    trials: int | None = None
    sessions: int | None = None


@dataclass(frozen=True)
class Stage:
    """One stage: a protocol, its parameters, and the rules out of it."""

    name: str
    protocol: str
    params: Mapping[str, str] = field(default_factory=dict)
    advance: Rule | None = None
    fall_back: Rule | None = None


@dataclass(frozen=True)
class Move:
    """From one stage to another, and why."""

    before: str
    after: str
    reason: str

    def say(self) -> str:
        """One line."""
        return f"stage {self.before} → {self.after}: {self.reason}"


@dataclass(frozen=True)
class Attended:
    """What an earlier session says about the stage it ended in."""

    stage: str
    trials: int  # in that stage
    rewarded: int


@dataclass(frozen=True)
class Training:
    """The stages, first to last, and what single animals have of their own."""

    stages: tuple[Stage, ...]
    subjects: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        """A stage by name. Raises ConfigError with the nearest name."""
        return self.stages[self.index(name)]

    def index(self, name: str) -> int:
        """Its place. Raises ConfigError with the nearest name."""
        names = [stage.name for stage in self.stages]
        if name not in names:
            hint = did_you_mean(name, names) or f"; there are: {', '.join(names)}"
            raise ConfigError(f'there is no stage "{name}"{hint}')
        return names.index(name)

    def plain(self) -> dict[str, Any]:
        """Plain data, for a record; ``training_of`` reads it back."""
        return asdict(self)

    # --- moves -------------------------------------------------------------------------------------------------------

    def after_trials(self, name: str, rewarded: Sequence[bool]) -> Move | None:
        """The move that the trials of this session in this stage ask for, oldest trial first."""
        stage = self.stage(name)
        if (up := _over_trials(stage.advance, rewarded, rising=True)) and self._next(name, 1):
            return Move(name, self._next(name, 1), up)
        if (down := _over_trials(stage.fall_back, rewarded, rising=False)) and self._next(name, -1):
            return Move(name, self._next(name, -1), down)
        return None

    def after_sessions(self, name: str, attended: Sequence[Attended]) -> Move | None:
        """The move that earlier sessions ask for, oldest first; only the last ones, those of this stage, count."""
        stage = self.stage(name)
        here: list[Attended] = []
        for session in reversed(attended):
            if session.stage != name:
                break
            if session.trials:
                here.append(session)
        if (up := _over_sessions(stage.advance, here, rising=True)) and self._next(name, 1):
            return Move(name, self._next(name, 1), up)
        if (down := _over_sessions(stage.fall_back, here, rising=False)) and self._next(name, -1):
            return Move(name, self._next(name, -1), down)
        return None

    def _next(self, name: str, step: int) -> str:
        place = self.index(name) + step
        return self.stages[place].name if 0 <= place < len(self.stages) else ""


def training_of(data: Mapping[str, Any]) -> Training:
    """The training in plain data, as ``Training.plain`` gave it."""
    return Training(tuple(_stage_of(stage) for stage in data["stages"]), data["subjects"])


def _stage_of(data: Mapping[str, Any]) -> Stage:
    rules = {key: Rule(**data[key]) if data[key] else None for key in ("advance", "fall_back")}
    return Stage(**{**data, **rules})


def _over_trials(rule: Rule | None, rewarded: Sequence[bool], *, rising: bool) -> str:
    """Why the rule holds, or an empty string."""
    if rule is None or rule.trials is None or rule.success is None or len(rewarded) < rule.trials:
        return ""
    share = sum(rewarded[-rule.trials :]) / rule.trials
    return _words(rule, share, f"over the last {rule.trials} trials", rising) if _holds(rule, share, rising) else ""


def _over_sessions(rule: Rule | None, newest_first: Sequence[Attended], *, rising: bool) -> str:
    if rule is None or rule.sessions is None or len(newest_first) < rule.sessions:
        return ""
    if rule.success is None:
        return f"{rule.sessions} session{'s' * (rule.sessions > 1)} done"
    shares = [session.rewarded / session.trials for session in newest_first[: rule.sessions]]
    if not all(_holds(rule, share, rising) for share in shares):
        return ""
    nearest = min(shares) if rising else max(shares)
    return _words(rule, nearest, f"or {'more' if rising else 'less'} in the last {rule.sessions} sessions", rising)


def _holds(rule: Rule, share: float, rising: bool) -> bool:
    assert rule.success is not None
    return share >= rule.success if rising else share < rule.success


def _words(rule: Rule, share: float, over: str, rising: bool) -> str:
    asked = f"{rule.success:g} asked for" if rising else f"below {rule.success:g}"
    return f"success {share:.2f} {over}, {asked}"
