"""Sounds as arrays: tones, noise, clicks and WAV bytes, made once, before the session.

Floor 0: numpy in, numpy out. It opens no device and no file (a WAV comes as bytes). Every sound is made whole at the
level asked for, so nothing is computed while an animal waits; what would clip is an error, never a quieter or a
distorted sound.

Levels: ``level_db`` is dB SPL through the rig's calibration. ``level_dbfs`` is relative to a full-scale sine and needs
none; it is for rigs and tests without a microphone. A tone's level is that of its plateau, a noise's and a recording's
is the long-term RMS, a click's is peak-equivalent (the sine with the same peak).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig.errors import ConfigError
from rig.experiment import parts
from rig.sound.loudness import LevelCalibration
from rig.sound.wav import first_channel

Wave = NDArray[np.float64]
Samples = NDArray[np.float32]
MAX_LENGTH_MS = 60_000
UNCALIBRATED_FRACTION = 0.01  # of a recording's power; more outside the calibrated range is refused


@dataclass(frozen=True, kw_only=True)
class _Asked:
    level_db: float | None = None
    level_dbfs: float | None = None


@dataclass(frozen=True, kw_only=True)
class Tone(_Asked):
    """A sine with raised-cosine ramps inside its length."""

    tone_hz: float
    length_ms: float
    ramp_ms: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Noise(_Asked):
    """Noise of flat power between two frequencies, the same at every call with the same seed."""

    low_hz: float
    high_hz: float
    length_ms: float
    ramp_ms: float = 5.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Click(_Asked):
    """One rectangular pulse."""

    width_us: float


@dataclass(frozen=True, kw_only=True)
class Recording(_Asked):
    """A WAV file's bytes (PCM of 16, 24 or 32 bits), or its first ``length_ms``; of several channels the first."""

    wav: bytes
    length_ms: float | None = None
    ramp_ms: float = 0.0


Asked = Tone | Noise | Click | Recording


@dataclass(frozen=True, eq=False)
class Sound:
    """A sound ready to be copied: ``samples`` is float32, shape (n,), peak at most 1."""

    samples: Samples
    rate_hz: int
    tone_hz: float | None = None  # what the board's own tone pin can play in its stead
    level_db: float | None = None

    @property
    def length_ms(self) -> float:
        """Length from the first sample to the last, in milliseconds."""
        return 1000.0 * len(self.samples) / self.rate_hz


def make(asked: Asked, rate_hz: int, calibration: LevelCalibration | None = None) -> Sound:
    """The sound as asked, at ``rate_hz``; ConfigError for a level out of reach or a sound the rate cannot carry."""
    # Without a level in dB SPL the calibration has no say, in what it covers either.
    unit, unit_db = _unit(asked, rate_hz, calibration if asked.level_db is not None else None)
    if (asked.level_db is None) == (asked.level_dbfs is None):
        raise ConfigError(f"{_name(asked)}: give level_db (calibrated) or level_dbfs, one of the two")
    if asked.level_db is not None:
        if unit_db is None:
            raise ConfigError(f"{_name(asked)}: level_db needs a calibration; run: rig sound calibrate")
        gain_db = asked.level_db - unit_db
    else:
        assert asked.level_dbfs is not None
        gain_db = asked.level_dbfs
    scaled = unit * 10 ** (gain_db / 20)
    _refuse_clipping(asked, scaled)
    hz = asked.tone_hz if isinstance(asked, Tone) else None
    return Sound(scaled.astype(np.float32), rate_hz, hz, asked.level_db)


def of_task(
    generator: parts.Audible,
    rate_hz: int,
    calibration: LevelCalibration | None = None,
    read: Callable[[str], bytes] | None = None,
) -> Sound:
    """The sound that a protocol's generator asks for; ``read`` gives a file's bytes. White noise is as wide as the
    calibration.
    """
    length_ms, level_db = generator.duration.us / 1000, generator.level.db
    match generator:
        case parts.Tone():
            asked: Asked = Tone(tone_hz=generator.frequency.hz, length_ms=length_ms, level_db=level_db)
        case parts.Click():
            asked = Click(width_us=generator.width.us, level_db=level_db)
        case parts.Recording():
            wav = read(generator.file) if read else b""
            asked = Recording(wav=wav, length_ms=length_ms, level_db=level_db)
        case parts.Noise():
            if calibration is None:
                raise ConfigError("noise: its level needs a calibration; run: rig sound calibrate")
            low_hz, high_hz = calibration.range_hz
            high_hz = min(high_hz, 0.49 * rate_hz)
            asked = Noise(low_hz=low_hz, high_hz=high_hz, length_ms=length_ms, level_db=level_db)
    return make(asked, rate_hz, calibration)


def ramped(plain: Wave, ramp_samples: int) -> Wave:
    """``plain`` with raised-cosine rise and fall of ``ramp_samples`` each; the ends start from exact zero."""
    if ramp_samples == 0:
        return plain
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp_samples) / ramp_samples)
    shaped = plain.copy()
    shaped[:ramp_samples] *= rise
    shaped[len(plain) - ramp_samples :] *= rise[::-1]
    return shaped


def with_sync(sound: Sound, channels: int, sync_ms: float) -> Samples:
    """``sound`` as C-ordered float32, shape (n, channels): sound on the first, the sync pulse on the second.

    The pulse begins at the sound's first sample, so its edge *is* the onset; a click shorter than the pulse is
    lengthened by silence.
    """
    pulse = round(sync_ms * sound.rate_hz / 1000) if channels > 1 else 0
    laid = np.zeros((max(len(sound.samples), pulse), channels), dtype=np.float32)
    laid[: len(sound.samples), 0] = sound.samples
    if pulse:
        laid[:pulse, 1] = 1.0
    return laid


def _unit(asked: Asked, rate_hz: int, calibration: LevelCalibration | None) -> tuple[Wave, float | None]:
    """The waveform at the level of a full-scale sine, and that level in dB SPL (None without calibration)."""
    if isinstance(asked, Tone):
        return _tone(asked, rate_hz), calibration.at_db(asked.tone_hz) if calibration else None
    if isinstance(asked, Click):
        return _click(asked, rate_hz), _click_level_db(calibration) if calibration else None
    plain = _noise(asked, rate_hz) if isinstance(asked, Noise) else _recording(asked, rate_hz)
    rms = float(np.sqrt(np.mean(plain**2)))
    if rms == 0:
        raise ConfigError(f"{_name(asked)}: silent, so it has no level")
    plain = plain / (rms * np.sqrt(2))  # a full-scale sine has an RMS of 1/√2
    level_db = _spectrum_level_db(asked, plain, rate_hz, calibration) if calibration else None
    return ramped(plain, _ramp_samples(asked.ramp_ms, len(plain), rate_hz, _name(asked))), level_db


def _tone(asked: Tone, rate_hz: int) -> Wave:
    if not 0 < asked.tone_hz < rate_hz / 2:
        raise ConfigError(f"{_name(asked)}: tone_hz must lie between 0 and half of rate_hz {rate_hz}")
    count = _count(asked.length_ms, rate_hz, _name(asked))
    plain = np.sin(2 * np.pi * asked.tone_hz * np.arange(count) / rate_hz)
    return ramped(plain, _ramp_samples(asked.ramp_ms, count, rate_hz, _name(asked)))


def _noise(asked: Noise, rate_hz: int) -> Wave:
    """Equal magnitudes and random phases in the band: the spectrum is flat exactly, not on average."""
    if not 0 < asked.low_hz < asked.high_hz < rate_hz / 2:
        raise ConfigError(f"{_name(asked)}: need 0 < low_hz < high_hz < half of rate_hz {rate_hz}")
    count = _count(asked.length_ms, rate_hz, _name(asked))
    bins_hz = np.fft.rfftfreq(count, 1 / rate_hz)
    band = (bins_hz >= asked.low_hz) & (bins_hz <= asked.high_hz)
    if not band.any():
        raise ConfigError(f"{_name(asked)}: too short for a band of {asked.high_hz - asked.low_hz:g} Hz")
    phases = np.random.default_rng(asked.seed).uniform(0, 2 * np.pi, len(bins_hz))
    return np.asarray(np.fft.irfft(np.where(band, np.exp(1j * phases), 0), count), dtype=np.float64)


def _click(asked: Click, rate_hz: int) -> Wave:
    count = round(asked.width_us * rate_hz / 1e6)
    if count < 1:
        raise ConfigError(f"{_name(asked)}: width_us is under one sample at rate_hz {rate_hz}")
    return np.ones(_count(1000 * count / rate_hz, rate_hz, _name(asked)))


def _recording(asked: Recording, rate_hz: int) -> Wave:
    file_hz, whole = first_channel(asked.wav)
    if file_hz != rate_hz:
        raise ConfigError(f"recording: made at {file_hz} Hz, the rig plays {rate_hz}; resample the file first")
    length_ms = 1000 * len(whole) / rate_hz
    count = _count(length_ms if asked.length_ms is None else asked.length_ms, rate_hz, _name(asked))
    if count > len(whole):
        raise ConfigError(f"recording: {asked.length_ms:g} ms asked, it is {length_ms:g} ms long; ask for less of it")
    return whole[:count]


def _spectrum_level_db(asked: Asked, plain: Wave, rate_hz: int, calibration: LevelCalibration) -> float:
    """dB SPL of a waveform with a full-scale sine's RMS: its power spectrum weighed by the calibration."""
    power = np.abs(np.fft.rfft(plain)) ** 2
    bins_hz = np.fft.rfftfreq(len(plain), 1 / rate_hz)
    low, high = calibration.range_hz
    inside = (bins_hz >= low) & (bins_hz <= high)
    total = float(power.sum())
    if isinstance(asked, Noise) and not (low <= asked.low_hz and asked.high_hz <= high):
        raise ConfigError(f"{_name(asked)}: reaches outside the calibrated {low:g}–{high:g} Hz")
    if 1 - power[inside].sum() / total > UNCALIBRATED_FRACTION:
        raise ConfigError(f"{_name(asked)}: over 1 % of its power is outside the calibrated {low:g}–{high:g} Hz")
    gain = 10 ** (calibration.each_db(bins_hz[inside]) / 10)
    return 10 * float(np.log10((power[inside] * gain).sum() / total))


def _click_level_db(calibration: LevelCalibration) -> float:
    """A click is broad, so its full-scale level is the calibrated gain averaged, in power, over the octaves."""
    levels = np.array([db for _, db in calibration.full_scale_db])
    return 10 * float(np.log10(np.mean(10 ** (levels / 10))))


def _refuse_clipping(asked: Asked, scaled: Wave) -> None:
    peak = float(np.abs(scaled).max())
    if not np.isfinite(peak) or peak > 1 + 1e-9:
        over_db = 20 * np.log10(peak) if np.isfinite(peak) else np.inf
        asked_db = asked.level_dbfs if asked.level_db is None else asked.level_db
        key = "level_dbfs" if asked.level_db is None else "level_db"
        raise ConfigError(
            f"{_name(asked)}: {key} {asked_db:g} is out of reach, "
            f"it would clip by {over_db:.1f} dB; ask less, or lower the attenuation and calibrate again"
        )


def _count(length_ms: float, rate_hz: int, name: str) -> int:
    if not 0 < length_ms <= MAX_LENGTH_MS:
        raise ConfigError(f"{name}: length_ms {length_ms:g} must be over 0 and at most {MAX_LENGTH_MS}")
    count = round(length_ms * rate_hz / 1000)
    if count < 1:
        raise ConfigError(f"{name}: length_ms {length_ms:g} is under one sample at rate_hz {rate_hz}")
    return count


def _ramp_samples(ramp_ms: float, count: int, rate_hz: int, name: str) -> int:
    ramp = round(ramp_ms * rate_hz / 1000)
    if ramp < 0 or 2 * ramp > count:
        raise ConfigError(f"{name}: two ramps of {ramp_ms:g} ms do not fit into its length")
    return ramp


def _name(asked: Asked) -> str:
    if isinstance(asked, Tone):
        return f"tone of {asked.tone_hz:g} Hz"
    if isinstance(asked, Noise):
        return f"noise of {asked.low_hz:g}–{asked.high_hz:g} Hz"
    return "click" if isinstance(asked, Click) else "recording"
