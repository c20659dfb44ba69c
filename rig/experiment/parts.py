"""What states are made of: lever rules, generators, inputs and outputs, and the signals that come of them.

Plain data: nothing is checked against a board (that is :mod:`rig.experiment.table`), nothing runs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from rig import wire
from rig.errors import ProtocolError
from rig.units import Frequency, Length, Level, Power, Quantity, Time, Volume, db, khz, mm, ms, mw, ul


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
class Ends(_Checked):
    """Runs beside the states, and ends."""

    @property
    def ended(self) -> Signal:
        """It came to its end by itself."""
        return Signal(self, "ended")


@dataclass(frozen=True)
class Pulse(Ends):
    """One output, on for a time. ``power`` for light; ``ramp`` lets it fall slowly at its end."""

    output: str
    width: Time
    delay: Time = Time(0)
    power: Power | None = None
    ramp: Time = Time(0)

    def __str__(self) -> str:
        return f"{self.output} {self.width}"


@dataclass(frozen=True)
class Train(Ends):
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
class Drop(Ends):
    """Water: a valve pulse as long as the valve's calibration says for this volume."""

    volume: Volume
    delay: Time = Time(0)

    def __str__(self) -> str:
        return f"water {self.volume}"


@dataclass(frozen=True)
class Tone(Ends):
    """A tone through the sound card, or on the board's tone pin where there is none."""

    frequency: Frequency
    duration: Time
    level: Level = 70 * db
    delay: Time = Time(0)

    def __str__(self) -> str:
        return f"tone {self.frequency}"


@dataclass(frozen=True)
class Noise(Ends):
    """White noise through the sound card."""

    duration: Time
    level: Level = 70 * db
    delay: Time = Time(0)

    def __str__(self) -> str:
        return "noise"


@dataclass(frozen=True)
class Click(Ends):
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
class Recording(Ends):
    """The beginning of a WAV file, ``duration`` of it, through the sound card. The file lies beside ``config.yaml``."""

    file: str
    duration: Time
    level: Level = 70 * db
    delay: Time = Time(0)

    def __str__(self) -> str:
        return f"recording {self.file}"


@dataclass(frozen=True)
class Code(Ends):
    """A number on an output: a sync pulse, then gap and bit for each bit, most significant first (TASK.md 1 [AP])."""

    output: str
    value: int
    bits: int = 12
    bit: Time = 5 * ms

    def __str__(self) -> str:
        return f"{self.bits}-bit code"


@dataclass(frozen=True)
class Deadline(Ends):
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
