"""The ``sound`` section of a configuration: the stream's settings and the list of sounds.

Floor 0: plain data in, records out. A WAV file is read by whoever calls, through ``read_wav``.

    sound:
      device: "USB Audio"        # null: none
      rate_hz: 48000
      block_samples: 128
      without_device: tone_pin   # or silent, stop
      sounds:
        cue:     {tone_hz: 6000, length_ms: 10000, level_db: 70}
        reward:  {tone_hz: 12000, length_ms: 500, level_db: 70}
        failure: {noise_hz: [4000, 16000], length_ms: 500, level_db: 65}
        tick:    {click_us: 100, level_dbfs: -12}
        chirp:   {wav: sounds/chirp.wav, level_db: 60}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from rig.errors import ConfigError, did_you_mean
from rig.sound_events import Body
from rig.sounds import Asked, Click, Noise, Recording, Tone

_LEVELS = ("level_db", "level_dbfs")


@dataclass(frozen=True)
class SoundSettings:
    """The stream asked for. ``device`` None: none wanted. ``latency_ms`` None: the device's least.

    ``delay_us`` ± ``delay_error_us``: the constant from PortAudio's converter time to the jack, as a
    sync pulse measured it. ``without_device``: what stands in when it is absent or lost.
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
            raise ConfigError(f"sound.rate_hz: {self.rate_hz} is not between 8000 and 768000")
        if not 1 <= self.block_samples <= 8192:
            raise ConfigError(f"sound.block_samples: {self.block_samples} is not in 1–8192")
        if self.without_device == Body.DEVICE:
            raise ConfigError("sound.without_device: must be tone_pin, silent or stop")

    @property
    def channels(self) -> int:
        """Two with a sync pulse, one without."""
        return 2 if self.sync_ms > 0 else 1


def read_settings(section: Mapping[str, Any]) -> SoundSettings:
    """The stream's settings from the ``sound`` section; keys that are not settings must be known."""
    known = {f.name for f in fields(SoundSettings)}
    given: dict[str, Any] = {}
    for key, value in section.items():
        if key in known:
            given[key] = value
        elif key not in ("sounds", "calibration", "attenuation_db"):
            raise ConfigError(f"sound.{key}: no such key{did_you_mean(key, known)}")
    for key, value in given.items():
        _check_type(f"sound.{key}", key, value)
    if "without_device" in given:
        names = [str(b) for b in Body if b != Body.DEVICE]
        if given["without_device"] not in names:
            raise ConfigError(f"sound.without_device: must be one of {', '.join(names)}")
        given["without_device"] = Body(given["without_device"])
    return SoundSettings(**given)


def read_sounds(section: Mapping[str, Any], read_wav: Callable[[str], bytes]) -> dict[str, Asked]:
    """The sounds asked for by name, from the ``sounds`` mapping of the ``sound`` section."""
    return {str(n): _asked(f"sound.sounds.{n}", d, read_wav) for n, d in section.items()}


def _asked(where: str, data: Any, read_wav: Callable[[str], bytes]) -> Asked:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: must be a mapping such as {{tone_hz: 6000, length_ms: 500}}")
    makers: dict[str, Callable[[dict[str, Any]], Asked]] = {
        "tone_hz": lambda d: Tone(**d),
        "noise_hz": lambda d: Noise(**_band(where, d)),
        "click_us": lambda d: Click(width_us=d.pop("click_us"), **d),
        "wav": lambda d: Recording(wav=read_wav(str(d.pop("wav"))), **d),
    }
    kinds = [key for key in makers if key in data]
    if len(kinds) != 1:
        raise ConfigError(f"{where}: needs one of {', '.join(makers)}")
    for key, value in data.items():
        if key not in ("noise_hz", "wav") and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ConfigError(f"{where}.{key}: must be a number, not {value!r}")
    allowed = _KEYS[kinds[0]]
    for key in data:
        if key not in allowed:
            raise ConfigError(f"{where}.{key}: no such key{did_you_mean(key, allowed)}")
    try:
        return makers[kinds[0]](dict(data))
    except TypeError as fault:  # only a missing key is left to go wrong
        raise ConfigError(f"{where}: {str(fault).split('() ')[-1]}") from None


_KEYS: dict[str, tuple[str, ...]] = {
    "tone_hz": ("tone_hz", "length_ms", "ramp_ms", *_LEVELS),
    "noise_hz": ("noise_hz", "length_ms", "ramp_ms", "seed", *_LEVELS),
    "click_us": ("click_us", *_LEVELS),
    "wav": ("wav", "ramp_ms", *_LEVELS),
}


def _band(where: str, data: dict[str, Any]) -> dict[str, Any]:
    band = data.pop("noise_hz")
    if (
        not isinstance(band, list | tuple)
        or len(band) != 2
        or not all(isinstance(hz, int | float) and not isinstance(hz, bool) for hz in band)
    ):
        raise ConfigError(f"{where}.noise_hz: must be two frequencies, such as [4000, 16000]")
    return {"low_hz": band[0], "high_hz": band[1], **data}


def _check_type(where: str, key: str, value: Any) -> None:
    if key == "device":
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{where}: must be a device's name or null, not {value!r}")
    elif key in ("rate_hz", "block_samples"):
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"{where}: must be a whole number, not {value!r}")
    elif key == "latency_ms" and value is None:
        return
    elif key != "without_device" and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
        raise ConfigError(f"{where}: must be a number, 0 or more, not {value!r}")
