"""A sound card on the bench: how soon and how exactly it plays, and how loud full scale is.

Floor 1: plays through ``rig.soundcard`` and reads an input device. What is measured here is what PortAudio reports; the
way from the converter to the jack shows only in the sync pulse of a session, or on an oscilloscope. May not: ask or
print.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from rig.errors import ConfigError
from rig.sound import Sound, Tone, make
from rig.sound.events import Body, Kind, SoundEvent, SoundSettings, find_device
from rig.sound.loudness import TOLERANCE_DB, LevelCalibration
from rig.soundcard import SoundEngine
from rig.soundcard.stream import portaudio

OCTAVES_HZ = (1000.0, 2000.0, 4000.0, 8000.0, 16000.0)
TONE_S = 3.0
DRIVE_DBFS = -20.0  # loud enough to read, far from the amplifier's limit
TRIES = 5  # of a reading that came to nothing
UNSTEADY_DB = 0.1
PATIENCE_S = 5.0  # with a device that is late
ReadLevel = Callable[[float], float]


@dataclass(frozen=True)
class SoundTest:
    """How one sound did: start latencies of ``play`` and residuals of ``schedule``, by converter time."""

    sound: str
    method: str
    count: int
    play_median_ms: float
    play_worst_ms: float
    scheduled_median_abs_us: float
    scheduled_worst_us: float
    error_bound_us: float
    underrun_count: int


def sound_test(sounds: Mapping[str, Sound], settings: SoundSettings, repeats: int = 10) -> list[SoundTest]:
    """Play each sound ``repeats`` times at once and ``repeats`` times to a time, in that order.

    Raises ConfigError where there is no device: this is the command that must not be satisfied with silence.
    """
    with SoundEngine(sounds, settings) as engine:
        if engine.body != Body.DEVICE:
            raise ConfigError(engine.warning)
        return [_test_one(engine, name, sound, repeats) for name, sound in sounds.items()]


def _test_one(engine: SoundEngine, name: str, sound: Sound, repeats: int) -> SoundTest:
    events: list[SoundEvent] = []
    for ahead in (False, True):
        for _ in range(repeats):
            if ahead:
                engine.schedule(name, time.monotonic_ns() + engine.lead_ns)
            else:
                engine.play(name)
            events += _until_ended(engine, engine.lead_ns / 1e9 + sound.length_ms / 1000 + PATIENCE_S)
    started = [e for e in events if e.kind == Kind.STARTED]
    play_ms = [(e.host_ns - e.asked_ns) / 1e6 for e in started if not e.scheduled]
    off_us = [abs(e.host_ns - e.asked_ns) / 1e3 for e in started if e.scheduled]
    if not play_ms or not off_us:
        raise ConfigError(f'sound "{name}": the device took no samples; {engine.warning or "try another device"}')
    return SoundTest(
        name,
        "dac",
        len(started),
        float(np.median(play_ms)),
        max(play_ms),
        float(np.median(off_us)),
        max(off_us),
        max(e.error_ns for e in started) / 1e3,
        sum(e.kind == Kind.UNDERRUN for e in events),
    )


def _until_ended(engine: SoundEngine, limit_s: float) -> list[SoundEvent]:
    events, give_up = [], time.monotonic() + limit_s
    while time.monotonic() < give_up:
        new = engine.drain_events()
        events += new
        if any(e.kind in (Kind.ENDED, Kind.UNSOUNDED) for e in new):
            break
        time.sleep(0.005)
    return events


def sound_calibrate(
    settings: SoundSettings,
    attenuation_db: float,
    read_level: ReadLevel,
    today: date,
    octaves_hz: Sequence[float] = OCTAVES_HZ,
    tone_s: float = TONE_S,
) -> LevelCalibration:
    """Measure full scale at each octave, then play each at one level and read it again.

    ``read_level(hz)`` returns the dB SPL read while the tone sounds. Raises ConfigError when a second reading is not
    within ±0.5 dB of the level asked: the meter, the place of the microphone or the amplifier has changed.
    """
    if settings.device is None:
        raise ConfigError("sound.device: none is set, so there is nothing to calibrate; name a device")
    plain = {hz: Tone(tone_hz=hz, length_ms=1000 * tone_s, level_dbfs=DRIVE_DBFS) for hz in sorted(octaves_hz)}
    first = _readings(settings, plain, read_level, tone_s, None)
    table = tuple((hz, level_db - DRIVE_DBFS) for hz, level_db in first.items())
    found = LevelCalibration(today, settings.device, attenuation_db, table)
    asked_db = min(db for _, db in table) + DRIVE_DBFS
    level = {hz: Tone(tone_hz=hz, length_ms=1000 * tone_s, level_db=asked_db) for hz in plain}
    for hz, read_db in _readings(settings, level, read_level, tone_s, found).items():
        if abs(read_db - asked_db) > TOLERANCE_DB:
            raise ConfigError(
                f"sound calibration: {hz:g} Hz asked at {asked_db:.1f} dB was read as {read_db:.1f} dB, more than "
                f"±{TOLERANCE_DB} dB off; fix microphone and amplifier in place and calibrate again"
            )
    return found


def _readings(
    settings: SoundSettings,
    tones: Mapping[float, Tone],
    read_level: ReadLevel,
    tone_s: float,
    calibration: LevelCalibration | None,
) -> dict[float, float]:
    sounds = {f"{hz:g} Hz": make(tone, settings.rate_hz, calibration) for hz, tone in tones.items()}
    levels: dict[float, float] = {}
    with SoundEngine(sounds, settings) as engine:
        if engine.body != Body.DEVICE:
            raise ConfigError(engine.warning)
        for hz in tones:
            for _ in range(TRIES):
                token = engine.play(f"{hz:g} Hz")
                levels[hz] = read_level(hz)
                engine.stop(token)
                _until_ended(engine, tone_s)
                if math.isfinite(levels[hz]):
                    break
            else:
                raise ConfigError(f"sound calibration: {hz:g} Hz was read as {levels[hz]} dB; is the sound on?")
    return levels


def microphone_level(
    name: str, full_scale_db: float, rate_hz: int, seconds: float = 1.0, skipped_s: float = 1.0
) -> ReadLevel:
    """Readings from an input device: the tone's own amplitude, found by projection, so that noise counts little.

    ``full_scale_db``: the dB SPL at which a sine fills the input, from the microphone's data sheet or a calibrator.
    ``skipped_s``: what is recorded first and not used, for the tone to have begun. A tone that was not the same all
    the time – a gap, on a busy computer – is read as NaN.
    """
    audio = portaudio()
    inputs = [{**d, "max_output_channels": d["max_input_channels"]} for d in audio.query_devices()]
    index = find_device(name, inputs, 1)

    def read(hz: float) -> float:
        count = round((seconds + skipped_s) * rate_hz)
        taken = audio.rec(count, samplerate=rate_hz, channels=1, device=index, dtype="float32", blocking=True)
        used = taken[-round(seconds * rate_hz) :, 0]
        first_db, second_db = (tone_dbfs(half, hz, rate_hz) for half in np.array_split(used, 2))
        if abs(first_db - second_db) > UNSTEADY_DB:
            return math.nan
        return full_scale_db + (first_db + second_db) / 2

    return read


def tone_dbfs(samples: np.ndarray[Any, np.dtype[np.float32]], tone_hz: float, rate_hz: int) -> float:
    """The level of one frequency in ``samples``, shape (n,), relative to a full-scale sine; -inf when absent."""
    # A Hann window keeps a frequency that does not fit the length from leaking away.
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * tone_hz * np.arange(len(samples)) / rate_hz)
    peak = 2 * abs(np.sum(samples * window * turn)) / window.sum()
    return float(20 * np.log10(peak)) if peak > 0 else -math.inf
