"""What one rig is: body, port, pins, lever, calibrations, ceilings, addresses. Text in, typed values out.

Floor 0: opens no file and knows no clock; ``rig.configfile`` reads the file. The structs below are the one list of
keys: from them come the check of every value (``shape``), the JSON Schema for editors and the plain form in a
session's manifest. Rules between keys stand in ``rules``, YAML and its lines in ``text``.

Units stand last in every key. ``none`` means that a thing is not there.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from rig.config import rules as config_rules
from rig.config.shape import check
from rig.config.text import Text, read_yaml
from rig.wire import INPUTS, OUTPUTS

MAX_SEED = 2**53 - 1  # a double holds it exactly

# --- kinds of value ---------------------------------------------------------------------------------------------------

Word = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$", extra={"words": "a name of up to 32 letters, digits, _-."})
]
Words = Annotated[str, Meta(min_length=1, max_length=300)]
OutputName = Annotated[str, Meta(extra_json_schema={"enum": list(OUTPUTS)})]
InputName = Annotated[str, Meta(extra_json_schema={"enum": list(INPUTS)})]
Role = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$", extra={"words": "small letters, digits and _"})]
AnaloguePin = Annotated[str, Meta(pattern=r"^A[0-9]{1,2}$", extra={"words": "an analogue one such as A0"})]
Pin = Annotated[int, Meta(ge=0, le=99)] | AnaloguePin
Days = Annotated[int, Meta(ge=1, le=366)]
Level = Annotated[int, Meta(ge=0, le=255)]
FromZero = Annotated[float, Meta(ge=0, le=1e6)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
Decibels = Annotated[float, Meta(ge=-200, le=200)]
FrameHz = Annotated[float, Meta(gt=0, le=1000)]
Date = Annotated[date | None, Meta(description="Date of the last calibration.", examples=["2025-03-31"])]


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """What all sections are: unchangeable, and closed to unknown keys."""


# --- sections ---------------------------------------------------------------------------------------------------------


class Lever(Section, frozen=True, kw_only=True):
    """The lever: how it is read, and how counts become millimetres (push is positive)."""

    source: Annotated[Literal["encoder", "analogue"], Meta(description="How the lever is read.")] = "encoder"
    mm_per_count: Annotated[
        Annotated[float, Meta(gt=0, le=10)],
        Meta(description="Millimetres at the paw for one count of the encoder or converter.", examples=[0.01]),
    ]
    invert: Annotated[bool, Meta(description="True where a push makes the counts go down.")] = False
    travel_mm: Annotated[
        tuple[Annotated[float, Meta(ge=-1000, le=0)], Annotated[float, Meta(gt=0, le=1000)]],
        Meta(description="Where the lever can go, from its rest at 0: lowest and highest.", examples=[[-1, 8]]),
    ]
    sample_hz: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)], Meta(description="Samples a second in the record; divides 1000000.")
    ] = 1000
    batch_samples: Annotated[
        Annotated[int, Meta(ge=1, le=20)], Meta(description="Samples in one message from the board.")
    ] = 10
    calibrated: Date = None
    noise_sd_mm: Annotated[FromZero | None, Meta(description="Noise at rest when calibrated.", examples=[0.01])] = None
    max_rest_sd_mm: Annotated[Positive, Meta(description="More movement than this at rest, and zeroing refuses.")] = (
        0.05
    )


class Drop(Section, frozen=True, kw_only=True):
    """One weighed opening time of the valve."""

    open_ms: Annotated[float, Meta(ge=0.1, le=2000, examples=[40])]
    ul: Annotated[float, Meta(gt=0, le=1000, description="Volume of one drop: the mean of many.", examples=[8])]


class Valve(Section, frozen=True, kw_only=True):
    """The water valve: opening times against weighed drops."""

    calibrated: Date = None
    drops: Annotated[
        Annotated[tuple[Drop, ...], Meta(min_length=5, max_length=100)] | None,
        Meta(description="Five weighed opening times or more, both columns rising; `rig calibrate valve`."),
    ] = None
    warn_after_days: Annotated[Days, Meta(description="An older calibration is told.")] = 30
    refuse_after_days: Annotated[Days, Meta(description="An older calibration is refused.")] = 90


class PowerPoint(Section, frozen=True, kw_only=True):
    """One measured laser power."""

    level: Annotated[Level, Meta(description="The board's command.", examples=[128])]
    mw: Annotated[float, Meta(ge=0, le=1000, description="Measured at the fibre's tip or objective.", examples=[10])]


class Laser(Section, frozen=True, kw_only=True):
    """The laser: command against measured power, and the most that is ever asked for."""

    calibrated: Date = None
    power: Annotated[
        Annotated[tuple[PowerPoint, ...], Meta(min_length=2, max_length=256)] | None,
        Meta(description="Measured powers, levels rising; `rig calibrate laser`."),
    ] = None
    max_mw: Annotated[Positive, Meta(description="No protocol may ask for more.")] = 25.0
    proof: Annotated[
        Literal["read_back"] | None,
        Meta(description="read_back: light only where laser_back is wired; none: light without proof."),
    ] = "read_back"
    on_mismatch: Annotated[
        Literal["end_light", "go_on"], Meta(description="What follows light that is not seen as commanded.")
    ] = "end_light"
    warn_after_days: Annotated[Days, Meta(description="An older calibration is told.")] = 30
    refuse_after_days: Annotated[Days, Meta(description="An older calibration is refused.")] = 90


class Octave(Section, frozen=True, kw_only=True):
    """One measured frequency."""

    hz: Annotated[float, Meta(gt=0, le=200_000, examples=[6000])]
    full_scale_db: Annotated[Decibels, Meta(description="dB SPL of a full-scale sine.", examples=[94.5])]


class SoundCalibration(Section, frozen=True, kw_only=True):
    """How loud full scale is, at one attenuation of the amplifier."""

    calibrated: Annotated[date, Meta(description="Date of the measurement.", examples=["2025-03-31"])]
    device: Annotated[Words, Meta(description="The device that was measured, as sound.device names it.")]
    attenuation_db: Annotated[Decibels, Meta(description="The amplifier's setting when measured.", examples=[0])]
    octaves: Annotated[tuple[Octave, ...], Meta(min_length=1, max_length=100)]


class Sound(Section, frozen=True, kw_only=True):
    """The sound device, and what stands in for it."""

    device: Annotated[
        Words | None,
        Meta(description="Name of the device (or a part of it); tone: the board's tone pin; none: silent."),
    ] = None
    sample_rate_hz: Annotated[int, Meta(ge=8000, le=768_000, description="Samples a second.")] = 48_000
    block_samples: Annotated[int, Meta(ge=1, le=8192, description="Fewer is sooner, and less safe.")] = 128
    latency_ms: Annotated[
        Annotated[float, Meta(gt=0, le=1000)] | None,
        Meta(description="Buffer asked of the device; none: its least. More is later, and safer.", examples=[20]),
    ] = None
    fallback: Annotated[
        Literal["tone", "silent", "stop"], Meta(description="What stands in for a device that is absent or lost.")
    ] = "tone"
    sync_ms: Annotated[
        Annotated[float, Meta(ge=0, le=1000)], Meta(description="Sync pulse on the second channel; 0: one channel.")
    ] = 5.0
    delay_us: Annotated[FromZero, Meta(description="From the converter's own time to the jack, as measured.")] = 0.0
    delay_error_us: Annotated[FromZero, Meta(description="How far delay_us may be wrong.")] = 0.0
    attenuation_db: Annotated[Decibels, Meta(description="The amplifier's setting now.")] = 0.0
    calibration: Annotated[SoundCalibration | None, Meta(description="`rig sound calibrate`; none: no levels.")] = None


class OutputLimits(Section, frozen=True, kw_only=True):
    """What one output may do. The board enforces it, and nothing can loosen it until the board is reset."""

    safe: Annotated[Literal["low", "high"], Meta(description="The level at which nothing happens.")] = "low"
    max_on_ms: Annotated[
        Annotated[float, Meta(ge=0.1, le=1_000_000)], Meta(description="On for longer, and everything goes safe.")
    ] = 1000.0
    window_s: Annotated[
        Annotated[float, Meta(ge=0.008, le=1000)] | None,
        Meta(description="Length of the moving window of max_duty_ms; none: not watched.", examples=[60]),
    ] = None
    max_duty_ms: Annotated[
        Annotated[float, Meta(ge=0.1, le=1_000_000)] | None,
        Meta(description="On for longer within any window_s, and everything goes safe.", examples=[5000]),
    ] = None


DEFAULT_LIMITS = {
    "valve": OutputLimits(max_on_ms=500.0, window_s=60.0, max_duty_ms=6000.0),
    "laser": OutputLimits(max_on_ms=12_000.0, window_s=60.0, max_duty_ms=30_000.0),
    "mask": OutputLimits(max_on_ms=30_000.0),
    "sync": OutputLimits(max_on_ms=30_000.0),
    **dict.fromkeys(("scan_start", "scan_stop", "next_file", "spare"), OutputLimits()),
}


class Safety(Section, frozen=True, kw_only=True):
    """What the board enforces by itself."""

    deadman_ms: Annotated[int, Meta(ge=1, le=5000, description="Host silent for longer: outputs go safe.")] = 500
    interlock: Annotated[
        InputName | None, Meta(description="The input that must be high for outputs to act.", examples=["interlock"])
    ] = None
    allow_host_timed_outputs: Annotated[
        bool, Meta(description="Firmata only: may the laser be timed by this computer, without ceilings on the board?")
    ] = False
    outputs: Annotated[
        dict[OutputName, OutputLimits], Meta(description="Ceilings by output; what is not said here keeps its default.")
    ] = msgspec.field(default_factory=lambda: dict(DEFAULT_LIMITS))


class InputLine(Section, frozen=True, kw_only=True):
    """One wired input."""

    active_low: Annotated[bool, Meta(description="True where a low level means yes.")] = False


class Imaging(Section, frozen=True, kw_only=True):
    """The microscope's frame clock."""

    frame_hz: Annotated[FrameHz | None, Meta(description="Frames expected a second; none: no microscope.")] = None
    max_gap_ms: Annotated[Positive, Meta(description="A longer gap between frames is told at once.")] = 300.0


class Simulator(Section, frozen=True, kw_only=True):
    """What the simulated rig is like."""

    link_latency_ms: Annotated[FromZero, Meta(description="Each way between host and board.")] = 0.5
    drift_ppm: Annotated[
        Annotated[float, Meta(ge=-10_000, le=10_000)], Meta(description="How fast the board's clock runs.")
    ] = 20.0
    sound_latency_ms: Annotated[FromZero, Meta(description="From the command to the ear.")] = 5.0
    frame_hz: Annotated[FrameHz | None, Meta(description="Of the simulated microscope, or none.")] = 30.0
    animal: Annotated[Word, Meta(description="Who pushes the lever.")] = "mouse"
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Of all chance in the simulation.")] = 1


class Config(Section, frozen=True, kw_only=True):
    """One rig, as its config.yaml describes it."""

    rig: Annotated[Word, Meta(description="The rig's name, as records show it.", examples=["rig-1"])]
    body: Annotated[
        Literal["simulator", "serial", "pty", "emulator", "firmata"],
        Meta(description="Where the trial machine runs; serial is a real board."),
    ] = "simulator"
    board: Annotated[Literal["simulator", "mega2560", "uno328p", "teensy4"], Meta(description="Which board it is.")] = (
        "simulator"
    )
    port: Annotated[Words, Meta(description="Serial port (`rig ports`), or auto for the only one there is.")] = "auto"
    data: Annotated[Words, Meta(description="Folder of the records.")] = "data"
    plan: Annotated[Words | None, Meta(description="File of the light plan, or none.", examples=["plan.yaml"])] = None
    training: Annotated[
        Words | None, Meta(description="File of the training curriculum, or none.", examples=["training.yaml"])
    ] = None
    archive: Annotated[
        Words | None, Meta(description="auto: SQLite in the data folder; none; or a database's URL, without password.")
    ] = "auto"
    stream: Annotated[
        Words | None, Meta(description="Address of the event stream, or none.", examples=["tcp://127.0.0.1:5555"])
    ] = "tcp://127.0.0.1:5555"
    stream_keys: Annotated[
        Words | None, Meta(description="Folder of CURVE keys; needed beyond this computer.", examples=["keys"])
    ] = None
    stream_eager: Annotated[
        Literal["auto"] | bool,
        Meta(
            description="While somebody listens, keep a core busy with waiting, so that events leave some 0.1 ms"
            " sooner. auto: where rig may use four cores or more."
        ),
    ] = "auto"
    lever: Lever
    valve: Valve = Valve()
    laser: Laser = Laser()
    sound: Sound = Sound()
    safety: Safety = Safety()
    inputs: Annotated[dict[InputName, InputLine], Meta(description="The inputs that are wired.")] = {}
    pins: Annotated[dict[Role, Pin], Meta(description="Pins that differ from the board's own table.")] = {}
    imaging: Imaging = Imaging()
    simulator: Simulator = Simulator()

    @property
    def real(self) -> bool:
        """Whether an animal may be at the other end: then calibrations must be there and fresh."""
        return self.body in ("serial", "firmata")

    def plain(self) -> dict[str, Any]:
        """Every key, also those left at their defaults, in JSON's types; ``from_plain`` reads it back."""
        data: dict[str, Any] = json.loads(msgspec.json.encode(self))
        return data

    def digest(self) -> str:
        """SHA-256 (hex) of the plain form: comments, order, layout and defaults written out do not count."""
        text = json.dumps(self.plain(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


# --- reading ----------------------------------------------------------------------------------------------------------


def parse_config(text: str, name: str = "config.yaml") -> Config:
    """The rig that a YAML text describes. Raises ConfigError ``name:line: key: fault; remedy``."""
    return _read(read_yaml(text, name))


def from_plain(data: Any, name: str = "config") -> Config:
    """The rig in plain data, as ``Config.plain`` gave it. Raises ConfigError ``name: key: fault; remedy``."""
    return _read(Text(name, data))


def _read(text: Text) -> Config:
    check(text, Config)
    config = msgspec.convert(_with_default_limits(text.data), Config)
    config_rules.check_rules(text, config)
    return config


def _with_default_limits(data: dict[str, Any]) -> dict[str, Any]:
    """Outputs have different defaults, so what the file says of one is laid over that output's own."""
    safety = data.get("safety", {})
    given = safety.get("outputs", {})
    whole = {name: {**msgspec.to_builtins(DEFAULT_LIMITS[name]), **given.get(name, {})} for name in OUTPUTS}
    return {**data, "safety": {**safety, "outputs": whole}}


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of config.yaml, for editors."""
    schema: dict[str, Any] = _none_as_word(msgspec.json.schema(Config))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "config.yaml", **schema}


def schema_text() -> str:
    """The same as text: what docs/config.schema.json holds."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def _none_as_word(schema: Any) -> Any:
    """An editor's YAML reads ``none`` as a word, so the schema takes it wherever it takes null."""
    if schema == {"type": "null"}:
        return {"enum": [None, "none"]}
    if isinstance(schema, dict):
        return {key: _none_as_word(value) for key, value in schema.items()}
    return [_none_as_word(item) for item in schema] if isinstance(schema, list) else schema
