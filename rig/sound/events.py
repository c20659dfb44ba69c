"""What a sound card is asked for and what it tells: settings, orders, events, the choice of a device.

Floor 0: plain records and one choice from a list. Nothing here plays or opens anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from rig import config
from rig.errors import ConfigError, did_you_mean


class Body(StrEnum):
    """What makes the sound; the words of ``sound.fallback``. STOP: the session is to end."""

    DEVICE = "device"
    TONE_PIN = "tone"
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
    DEVICE_BACK = "device_back"
    EVENTS_LOST = "events_lost"


class SoundEvent(NamedTuple):
    """One thing that happened. ``sound`` is empty where no sound is meant.

    ``host_ns``: STARTED and ENDED, when that sample leaves the converter; otherwise when it was seen. ``error_ns``
    bounds it. ``asked_ns``: the time asked for (of ``play``: when it was called). ``value``: ENDED samples sounded;
    UNDERRUN and EVENTS_LOST a count; CLOCK_STEP nanoseconds.
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


class Card(Protocol):
    """What is asked of a sound card, real or simulated: :class:`rig.soundcard.SoundEngine`. Times are the link's."""

    @property
    def body(self) -> Body:
        """What makes the sound now."""

    @property
    def warning(self) -> str:
        """One line as long as something is wrong."""

    @property
    def lead_ns(self) -> int:
        """How far ahead a cue must be told."""

    def schedule(self, sound: str, at_host_ns: int) -> int:
        """Have it begin then, or as soon as it can; returns its token."""

    def stop(self, token: int, at_host_ns: int = 1) -> None:
        """Call it off, or let it fade: 1: now; a time: then; 0: not at all."""

    def drain_events(self) -> list[SoundEvent]:
        """What has happened since the last call."""

    def close(self) -> None:
        """It is over."""


@dataclass(frozen=True)
class SoundSettings:
    """The stream asked for. ``device`` None: none wanted. ``latency_ms`` None: the device's least.

    ``delay_us`` ± ``delay_error_us``: the constant from PortAudio's converter time to the jack, as a sync pulse
    measured it. ``without_device``: what stands in when it is absent or lost.
    """

    device: str | None = None
    rate_hz: int = 48_000
    block_samples: int = 128
    latency_ms: float | None = None
    without_device: Body = Body.SILENT
    sync_ms: float = 5.0  # 0: no sync pulse, one channel
    release_ms: float = 5.0
    delay_us: float = 0.0
    delay_error_us: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no device can do."""
        if not 8_000 <= self.rate_hz <= 768_000:
            raise ConfigError(f"sound.sample_rate_hz: {self.rate_hz} is not between 8000 and 768000")
        if not 1 <= self.block_samples <= 8192:
            raise ConfigError(f"sound.block_samples: {self.block_samples} is not in 1–8192")
        if self.without_device == Body.DEVICE:
            raise ConfigError("sound.fallback: must be tone, silent or stop")

    @property
    def channels(self) -> int:
        """Two with a sync pulse, one without."""
        return 2 if self.sync_ms > 0 else 1

    @classmethod
    def of(cls, sound: config.Sound) -> SoundSettings:
        """The settings that the ``sound`` section of a configuration asks for."""
        stand_in = Body(sound.fallback)
        if sound.device is None or sound.device == Body.TONE_PIN:
            stand_in = Body.TONE_PIN if sound.device else Body.SILENT
            return cls(None, sound.sample_rate_hz, without_device=stand_in)
        return cls(
            device=sound.device,
            rate_hz=sound.sample_rate_hz,
            block_samples=sound.block_samples,
            latency_ms=sound.latency_ms,
            without_device=stand_in,
            sync_ms=sound.sync_ms,
            delay_us=sound.delay_us,
            delay_error_us=sound.delay_error_us,
        )


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
    found = ", ".join(str(d["name"]) for d in fitting)
    raise ConfigError(f'sound.device: "{name}" fits several: {found}; name one whole')
