"""What the sound engine tells: its events, what stands in for it, and which device fits a name.

Floor 0: plain records and one choice from a list. Nothing here plays or opens anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from rig.errors import ConfigError, did_you_mean


class Body(StrEnum):
    """What makes the sound. ``STOP`` asks the session to end."""

    DEVICE = "device"
    TONE_PIN = "tone_pin"
    SILENT = "silent"
    STOP = "stop"


class Kind(StrEnum):
    """What an event says."""

    STARTED = "started"
    ENDED = "ended"
    CANCELLED = "cancelled"
    UNSOUNDED = "unsounded"
    CLIPPED = "clipped"
    UNDERRUN = "underrun"
    CLOCK_STEP = "clock_step"
    NO_DEVICE = "no_device"
    DEVICE_LOST = "device_lost"
    EVENTS_LOST = "events_lost"


class SoundEvent(NamedTuple):
    """One thing that happened. ``sound`` is empty where no sound is meant.

    ``host_ns``: STARTED and ENDED, when that sample leaves the converter; otherwise when it was
    seen. ``error_ns`` bounds it. ``asked_ns``: the time asked for (of ``play``: when it was called).
    ``value``: ENDED samples sounded; UNDERRUN and EVENTS_LOST a count; CLOCK_STEP nanoseconds.
    """

    kind: Kind
    host_ns: int
    token: int = 0
    sound: str = ""
    error_ns: int = 0
    asked_ns: int = 0
    value: int = 0
    scheduled: bool = False
    note: str = ""


def find_device(name: str, devices: Sequence[Mapping[str, Any]], channels: int) -> int:
    """The index of the one output device of that name, or with it in its name.

    ConfigError, with the names there are, when none or several fit.
    """
    outputs = [d for d in devices if d["max_output_channels"] >= channels]
    exact = [d for d in outputs if d["name"] == name]
    fitting = exact or [d for d in outputs if name.lower() in d["name"].lower()]
    if len(fitting) == 1:
        return int(fitting[0]["index"])
    names = sorted({str(d["name"]) for d in outputs})
    if not fitting:
        raise ConfigError(
            f'sound.device: no output "{name}" with {channels} channels'
            f"{did_you_mean(name, names)}; there are: {', '.join(names) or 'none'}"
        )
    raise ConfigError(f'sound.device: "{name}" fits several: {", ".join(names)}; name one whole')
