"""What an experiment is written in: states, trials, lever rules, generators and parameters.

Everything here is plain data; nothing is checked against a board (that is :mod:`rig.experiment.table`), nothing runs.
A protocol file has a docstring (its Methods paragraph), ``PARAMS`` and one function ``trial(p, past, rng) -> Trial``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from rig import wire
from rig.errors import ProtocolError, did_you_mean
from rig.units import Frequency, Length, Level, Power, Quantity, Time, Volume, db, khz, mm, ms, mw, parse, ul

END = "END"


class Signal(NamedTuple):
    """Something that can move a trial: of a lever rule, a generator, an input, or the host."""

    source: Any
    what: str

    def __str__(self) -> str:
        return f"{self.source} {self.what}"


_EXAMPLES: dict[str, Quantity] = {
    type(example).__name__: example for example in (300 * ms, 3 * mm, 8 * ul, 6 * khz, 10 * mw, 70 * db)
}


class _Checked:
    """A dataclass whose amounts must have the dimension they are declared with."""

    def __post_init__(self) -> None:
        for declared in fields(self):  # type: ignore[arg-type]
            example = _EXAMPLES.get(str(declared.type).removesuffix(" | None"))
            value = getattr(self, declared.name)
            if example is not None and value is not None and type(value) is not type(example):
                name = f"{type(self).__name__}({declared.name}={value})"
                raise ProtocolError(f"{name}: expected a {example.dimension} such as {example}")


# --- lever rules ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window(_Checked):
    """Inside means strictly between ``low`` and ``high``. ``hold``: how long inside until HELD."""

    low: Length
    high: Length
    hold: Time = Time(0)
    hysteresis: Length = Length(0)

    @property
    def entered(self) -> Signal:
        """The lever is inside (also when it already is as the state begins)."""
        return Signal(self, "entered")

    @property
    def left(self) -> Signal:
        """The lever is outside (also when it already is as the state begins)."""
        return Signal(self, "left")

    @property
    def held(self) -> Signal:
        """The lever stayed inside for ``hold``."""
        return Signal(self, "held")

    def __str__(self) -> str:
        return f"window {self.low}..{self.high}"


@dataclass(frozen=True)
class Press(_Checked):
    """From the rest threshold to the press threshold within a time ([AP]: 200 ms, 1 s refractory)."""

    rest: Length
    press: Length
    within: Time = 200 * ms
    refractory: Time = 1000 * ms
    hysteresis: Length = Length(0)
    while_high: Input | None = None

    @property
    def pressed(self) -> Signal:
        """The press threshold was reached in time."""
        return Signal(self, "pressed")

    def __str__(self) -> str:
        return f"press {self.rest}→{self.press}"


# --- generators -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Generator(_Checked):
    @property
    def ended(self) -> Signal:
        """It came to its end by itself."""
        return Signal(self, "ended")


@dataclass(frozen=True)
class Pulse(_Generator):
    """One output, on for a time. ``power`` for light; ``ramp`` lets it fall slowly at its end."""

    output: str
    width: Time
    delay: Time = Time(0)
    power: Power | None = None
    ramp: Time = Time(0)

    def __str__(self) -> str:
        return f"{self.output} {self.width}"


@dataclass(frozen=True)
class Train(_Generator):
    """``count`` pulses of ``width`` every ``period`` (0: until stopped), then an optional ramp-down."""

    output: str
    width: Time
    period: Time
    count: int = 0
    delay: Time = Time(0)
    power: Power | None = None
    ramp: Time = Time(0)

    def __str__(self) -> str:
        return f"{self.output} {self.count or '∞'} × {self.width}/{self.period}"


@dataclass(frozen=True)
class Drop(_Generator):
    """Water: a valve pulse as long as the valve's calibration says for this volume."""

    volume: Volume
    delay: Time = Time(0)

    def __str__(self) -> str:
        return f"water {self.volume}"


@dataclass(frozen=True)
class Tone(_Generator):
    """A tone through the sound card, or on the board's tone pin where there is none."""

    frequency: Frequency
    duration: Time
    level: Level = 70 * db
    delay: Time = Time(0)

    def __str__(self) -> str:
        return f"tone {self.frequency}"


@dataclass(frozen=True)
class Noise(_Generator):
    """White noise through the sound card."""

    duration: Time
    level: Level = 70 * db
    delay: Time = Time(0)

    def __str__(self) -> str:
        return "noise"


@dataclass(frozen=True)
class Click(_Generator):
    """One rectangular pulse through the sound card; its level is that of a sine with the same peak."""

    width: Time
    level: Level = 70 * db
    delay: Time = Time(0)

    @property
    def duration(self) -> Time:
        """How long it lasts."""
        return self.width

    def __str__(self) -> str:
        return f"click {self.width}"


@dataclass(frozen=True)
class Recording(_Generator):
    """The beginning of a WAV file, ``duration`` of it, through the sound card. The file lies beside ``config.yaml``."""

    file: str
    duration: Time
    level: Level = 70 * db
    delay: Time = Time(0)

    def __str__(self) -> str:
        return f"recording {self.file}"


@dataclass(frozen=True)
class Code(_Generator):
    """A number on an output: a sync pulse, then gap and bit for each bit, most significant first (TASK.md 1 [AP])."""

    output: str
    value: int
    bits: int = 12
    bit: Time = 5 * ms

    def __str__(self) -> str:
        return f"{self.bits}-bit code"


@dataclass(frozen=True)
class Deadline(_Generator):
    """A time that runs on across states; ``ended`` is its end. It drives nothing.

    On the board it is a silent tone: it comes before all other generators, so what a state starts with it is heard, but
    a tone that sounded on the tone pin already falls silent.
    """

    duration: Time

    def __str__(self) -> str:
        return f"deadline {self.duration}"


Audible = Tone | Noise | Click | Recording
Generator = Pulse | Train | Drop | Audible | Code | Deadline
Rule = Window | Press


# --- inputs and outputs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Input:
    """A digital input, by role."""

    name: str

    @property
    def rises(self) -> Signal:
        """A rising edge while in the state."""
        return Signal(self, "rises")

    @property
    def falls(self) -> Signal:
        """A falling edge while in the state."""
        return Signal(self, "falls")

    @property
    def high(self) -> Signal:
        """It is high, or becomes so."""
        return Signal(self, "high")

    @property
    def low(self) -> Signal:
        """It is low, or becomes so."""
        return Signal(self, "low")

    def __str__(self) -> str:
        return self.name


VALVE, LASER, MASK, SYNC, SCAN_START, SCAN_STOP, NEXT_FILE, SPARE = wire.OUTPUTS
LICK, FRAME, SOUND_SYNC, LASER_BACK, INTERLOCK, TOUCH, SPARE1, SPARE2 = map(Input, wire.INPUTS)


@dataclass(frozen=True)
class HostEvent:
    """Something only the host knows, sent to the board as a number 0..15."""

    code: int

    @property
    def sent(self) -> Signal:
        """The host sent it."""
        return Signal(self, "sent")

    def __str__(self) -> str:
        return f"host event {self.code}"


# --- states and trials ------------------------------------------------------------------------------------------------


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


# --- parameters -------------------------------------------------------------------------------------------------------

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
            if isinstance(signal.source, _Generator):
                found[signal.source] = None  # type: ignore[index]
    return sorted(found, key=lambda generator: not isinstance(generator, Deadline))
