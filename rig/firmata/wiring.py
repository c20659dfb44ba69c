"""Which role sits on which pin of a StandardFirmata board, and whether that board's pins can do it.

Pure: a configuration and the board's own replies in, a checked wiring or one line of complaint out. Firmata's modes are
those of its protocol 2.5 (github firmata/protocol).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from rig.config import Config
from rig.errors import BoardError, ConfigError
from rig.wire import INPUTS, OUTPUTS

INPUT, OUTPUT, ANALOGUE, PWM, PULLUP = 0, 1, 2, 3, 11
WORDS = {INPUT: "an input", OUTPUT: "an output", ANALOGUE: "an analogue input", PWM: "PWM", PULLUP: "a pull-up input"}
TONE = "tone"  # high while a tone sounds: StandardFirmata itself cannot make one
LIGHT_LEVEL = "laser_level"  # PWM for the light's command; without it the gate alone, at full command
LAST_PWM_PIN = 15  # a plain analogue message has four bits for the pin
NO_CHANNEL = 0x7F

Pins = Mapping[int, Mapping[int, int]]  # of a board's capability reply: pin to mode to resolution, in bits


@dataclass(frozen=True)
class Wiring:
    """Roles on pins as config.yaml names them: a number, or ``"A0"`` for an analogue channel."""

    lever: str | int
    outputs: dict[str, int]
    inputs: dict[str, str | int]
    pullups: tuple[str, ...] = ()
    light_level: str | int | None = None
    mm_per_count: float = 1.0
    max_rest_sd_mm: float = 0.05

    def plain(self) -> dict[str, Any]:
        """As JSON holds it; ``Wiring(**plain)`` reads it back."""
        return asdict(self)

    @property
    def analogue(self) -> bool:
        """Is the lever read by the converter? Else it is a switch, one count high."""
        return isinstance(self.lever, str)


def wiring_of(config: Config) -> Wiring:
    """The wiring of a rig whose body is firmata. Raises ConfigError naming the key and the remedy."""
    if config.lever.source != "analogue":
        _refuse("lever.source", "StandardFirmata reads no encoder: write analogue, and pins: {lever: A0}")
    pins = dict(config.pins)
    lever = pins.pop("lever", None)
    if lever is None:
        _refuse("pins.lever", "is missing: write e.g. pins: {lever: A0}, or a digital pin for a switch")
    light_level = pins.pop(LIGHT_LEVEL, None)
    for role in pins:
        if role not in (*OUTPUTS, *INPUTS, TONE):
            _refuse(f"pins.{role}", f"is no role: expected lever, {TONE}, {LIGHT_LEVEL}, {', '.join(OUTPUTS + INPUTS)}")
    for role in config.inputs:
        if role not in pins:
            _refuse(f"pins.{role}", f"is missing: {role} stands under inputs; name its pin or take it out there")
    outputs = {role: pin for role, pin in pins.items() if role in (*OUTPUTS, TONE)}
    numbered = _check_outputs(config, outputs)
    return Wiring(
        lever=lever,
        outputs=numbered,
        inputs={role: pins[role] for role in config.inputs},
        pullups=tuple(role for role, line in config.inputs.items() if line.active_low),
        light_level=light_level,
        mm_per_count=config.lever.mm_per_count,
        max_rest_sd_mm=config.lever.max_rest_sd_mm,
    )


def _check_outputs(config: Config, outputs: Mapping[str, str | int]) -> dict[str, int]:
    """The guard must know the ports before the board has said what it is: so outputs have plain numbers."""
    if "laser" in outputs and not config.safety.allow_host_timed_outputs:
        _refuse(
            "safety.allow_host_timed_outputs",
            "false: no laser on a board without ceilings of its own; take pins.laser out, or write true",
        )
    numbered = {}
    for role, pin in outputs.items():
        if isinstance(pin, str):
            _refuse(f"pins.{role}", f"{pin}: write an output's digital number (A0 is 14 on an Uno, 54 on a Mega)")
        if role != TONE and config.safety.outputs[role].safe == "high":
            _refuse(f"safety.outputs.{role}.safe", "high cannot be kept: StandardFirmata starts with every pin low")
        numbered[role] = pin
    return numbered


def _refuse(key: str, what: str) -> NoReturn:
    raise ConfigError(f"config.yaml: {key}: {what} (body firmata)")


@dataclass(frozen=True)
class Placed:
    """The same on one board: pin numbers. ``channel``: the lever's analogue channel, ``bits`` its converter's."""

    lever: int
    channel: int | None
    bits: int
    outputs: dict[str, int]
    inputs: dict[str, int]
    light_level: int | None


def place(wiring: Wiring, pins: Pins, channels: Mapping[int, int]) -> Placed:
    """Find every role's pin on the board that answered. Raises BoardError naming role, pin and what the pin can do.

    Args:
        pins: the capability reply.
        channels: the analogue mapping: channel to pin.
    """

    def pin(role: str, where: str | int, mode: int) -> int:
        number = channels.get(int(where[1:]), -1) if isinstance(where, str) else where
        can = pins.get(number, {})
        if mode not in can:
            able = ", ".join(WORDS[m] for m in sorted(can) if m in WORDS) or "nothing at all"
            good = ", ".join(str(n) for n in sorted(pins) if mode in pins[n]) or "none"
            raise BoardError(
                f"config.yaml: pins.{role}: pin {where} of this board cannot be {WORDS[mode]} (it can be {able});"
                f" these can: {good}"
            )
        return number

    lever = pin("lever", wiring.lever, ANALOGUE if wiring.analogue else INPUT)
    light_level = None
    if wiring.light_level is not None:
        light_level = pin(LIGHT_LEVEL, wiring.light_level, PWM)
        if light_level > LAST_PWM_PIN:
            raise BoardError(
                f"config.yaml: pins.{LIGHT_LEVEL}: pin {light_level} is beyond {LAST_PWM_PIN}: use a lower"
            )
    return Placed(
        lever=lever,
        channel=int(wiring.lever[1:]) if isinstance(wiring.lever, str) else None,
        bits=pins[lever].get(ANALOGUE, 1) if wiring.analogue else 1,
        outputs={role: pin(role, where, OUTPUT) for role, where in wiring.outputs.items()},
        inputs={
            role: pin(role, where, PULLUP if role in wiring.pullups else INPUT) for role, where in wiring.inputs.items()
        },
        light_level=light_level,
    )


def cautions(wiring: Wiring, config: Config) -> list[str]:
    """What this body cannot guarantee, as sentences for the person at the rig."""
    said = [
        "host-timed: this computer decides and times everything; a busy or sleeping computer is late, and says so",
        "the board has no ceilings, dead-man or interlock of its own: a guard process closes outputs if the loop stops",
        "if the computer itself hangs or loses power, an open valve stays open until the board is reset:"
        " use a driver with a time-out of its own, or unplug",
        "StandardFirmata drives every unnamed digital pin low, and input pins too until a session begins:"
        " put 1 kOhm in series with whatever drives a pin",
    ]
    if "laser" in wiring.outputs:
        said.append(
            "the laser is timed by this computer (safety.allow_host_timed_outputs): use the interlock of the laser"
        )
        if wiring.light_level is None:
            said.append(f"no pins.{LIGHT_LEVEL}: the laser's gate alone, at full command; powers and ramps are refused")
    if TONE not in wiring.outputs and config.sound.device in (None, "tone"):
        said.append(f"no tones: StandardFirmata has none; name a sound device, or a buzzer's gate as pins.{TONE}")
    return said
