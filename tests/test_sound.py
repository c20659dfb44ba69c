"""Sounds as arrays: frequency, length, level, ramps, and what is refused."""

from __future__ import annotations

import contextlib
import io
import struct
import wave
from datetime import date

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rig.errors import ConfigError
from rig.experiment import parts
from rig.sound import Asked, Click, Noise, Recording, Tone, make, of_task, with_sync
from rig.sound.loudness import LevelCalibration
from rig.units import db, hz, ms, us

RATE = 48_000
FLAT = LevelCalibration(date(2025, 3, 1), "amp", 0.0, ((1000.0, 100.0), (16_000.0, 100.0)))
TILTED = LevelCalibration(date(2025, 3, 1), "amp", 0.0, ((1000.0, 90.0), (2000.0, 96.0), (16_000.0, 102.0)))


def wav(samples: np.ndarray[tuple[int, ...], np.dtype[np.float64]], width: int = 2, rate_hz: int = RATE) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        whole = np.round(samples * (2 ** (8 * width - 1) - 1)).astype("<i4")
        file.writeframes(whole.reshape(-1, 1).view(np.uint8)[:, :width].tobytes())
    return out.getvalue()


def rms_db(samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    return float(10 * np.log10(2 * np.mean(samples.astype(np.float64) ** 2)))


@settings(max_examples=50)
@given(st.floats(100, 20_000), st.floats(20, 500), st.floats(-60, 0))
def test_a_tone_has_its_length_frequency_and_level(tone_hz: float, length_ms: float, dbfs: float) -> None:
    sound = make(Tone(tone_hz=tone_hz, length_ms=length_ms, level_dbfs=dbfs), RATE)
    assert abs(len(sound.samples) - length_ms * RATE / 1000) <= 0.5
    ramp = round(5 * RATE / 1000)
    plateau = sound.samples[ramp:-ramp].astype(np.float64)
    turn = 2 * np.pi * tone_hz * (ramp + np.arange(len(plateau))) / RATE
    assert np.allclose(plateau, 10 ** (dbfs / 20) * np.sin(turn), atol=1e-6)


def test_ramps_are_raised_cosines_from_zero() -> None:
    sound = make(Tone(tone_hz=12_000, length_ms=50, level_dbfs=0, ramp_ms=10), RATE)
    envelope = np.hypot(sound.samples[:-1], sound.samples[1:])  # a quarter turn a sample
    expected = 0.5 - 0.5 * np.cos(np.pi * np.arange(480) / 480)
    assert np.allclose(envelope[:480], expected, atol=0.02)
    assert sound.samples[0] == 0
    assert np.allclose(envelope[480:-481], 1, atol=1e-6)
    assert abs(sound.samples[-2]) < 0.01


def test_a_calibrated_tone_is_as_loud_as_asked_at_its_frequency() -> None:
    for tone_hz, full_db in TILTED.full_scale_db:
        sound = make(Tone(tone_hz=tone_hz, length_ms=100, level_db=70), RATE, TILTED)
        assert rms_db(sound.samples[240:-240]) == pytest.approx(70 - full_db, abs=0.05)


@given(st.integers(0, 2**32 - 1), st.floats(1000, 7000), st.floats(1000, 8900))
@settings(max_examples=30)
def test_noise_keeps_its_band_and_level(seed: int, low_hz: float, width_hz: float) -> None:
    asked = Noise(low_hz=low_hz, high_hz=low_hz + width_hz, length_ms=300, level_db=70, seed=seed, ramp_ms=0)
    sound = make(asked, RATE, FLAT)
    power = np.abs(np.fft.rfft(sound.samples.astype(np.float64))) ** 2
    bins_hz = np.fft.rfftfreq(len(sound.samples), 1 / RATE)
    outside = (bins_hz < low_hz) | (bins_hz > low_hz + width_hz)
    assert power[outside].sum() < 1e-9 * power.sum()
    assert rms_db(sound.samples) == pytest.approx(-30, abs=0.01)
    assert np.array_equal(sound.samples, make(asked, RATE, FLAT).samples)


def test_noise_is_weighed_by_the_calibration_over_its_band() -> None:
    narrow = make(Noise(low_hz=1990, high_hz=2010, length_ms=1000, level_db=60, ramp_ms=0), RATE, TILTED)
    assert rms_db(narrow.samples) == pytest.approx(60 - 96, abs=0.1)
    broad = make(Noise(low_hz=1000, high_hz=16_000, length_ms=1000, level_db=60, ramp_ms=0), RATE, TILTED)
    grid = np.linspace(1000, 16_000, 20_000)
    gain_db = 10 * np.log10(np.mean(10 ** (TILTED.each_db(grid) / 10)))
    assert rms_db(broad.samples) == pytest.approx(60 - gain_db, abs=0.02)


@pytest.mark.parametrize("width", [2, 3, 4])
def test_a_recording_plays_its_first_channel_at_the_level_asked(width: int) -> None:
    t = np.arange(RATE // 2) / RATE
    two = np.stack([0.3 * np.sin(2 * np.pi * 3000 * t), 0.9 * np.sin(2 * np.pi * 5000 * t)], axis=1)
    sound = make(Recording(wav=wav(two, width), level_db=80), RATE, FLAT)
    assert rms_db(sound.samples) == pytest.approx(-20, abs=0.01)
    expected = 0.1 * np.sin(2 * np.pi * 3000 * t)
    assert np.allclose(sound.samples, expected, atol=2e-5)


def test_a_click_has_its_width_and_peak() -> None:
    sound = make(Click(width_us=100, level_dbfs=-6), RATE)
    assert len(sound.samples) == 5
    assert np.allclose(sound.samples, 10 ** (-6 / 20))


REFUSED: list[tuple[Asked, str]] = [
    (Tone(tone_hz=6000, length_ms=100), "one of the two"),
    (Tone(tone_hz=6000, length_ms=100, level_db=60, level_dbfs=-20), "one of the two"),
    (Tone(tone_hz=6000, length_ms=100, level_db=101), "out of reach, it would clip by 1.0 dB"),
    (Tone(tone_hz=6000, length_ms=100, level_dbfs=0.5), "level_dbfs 0.5 is out of reach"),
    (Tone(tone_hz=500, length_ms=100, level_db=60), "500 Hz is outside the calibrated"),
    (Tone(tone_hz=24_000, length_ms=100, level_dbfs=-20), "half of rate_hz"),
    (Tone(tone_hz=6000, length_ms=9, level_dbfs=-20), "two ramps"),
    (Tone(tone_hz=6000, length_ms=0, level_dbfs=-20), "length_ms 0"),
    (Tone(tone_hz=6000, length_ms=60_001, level_dbfs=-20), "at most 60000"),
    (Noise(low_hz=900, high_hz=2000, length_ms=100, level_db=60), "outside the calibrated"),
    (Noise(low_hz=2000, high_hz=1000, length_ms=100, level_dbfs=-20), "need 0 < low_hz < high_hz"),
    (Noise(low_hz=4000, high_hz=8000, length_ms=100, level_dbfs=-1), "would clip"),
    (Click(width_us=5, level_dbfs=-6), "under one sample"),
    (Recording(wav=b"RIFF", level_dbfs=-20), "not a WAV file"),
    (Recording(wav=wav(np.full((4800, 1), 0.5)), length_ms=101, level_dbfs=-20), "101 ms asked, it is 100 ms long"),
    (Recording(wav=wav(np.full((4800, 1), 0.5), rate_hz=44_100), level_dbfs=-20), "made at 44100 Hz"),
    (Recording(wav=wav(np.zeros((4800, 1))), level_dbfs=-20), "silent"),
    (Recording(wav=wav(np.full((4800, 1), 0.5)), level_db=60), "over 1 % of its power"),
    (Recording(wav=wav(np.full((4800, 1), 0.5))[:-2], level_dbfs=-20), "cut short"),
]


@pytest.mark.parametrize(("asked", "message"), REFUSED, ids=lambda v: str(v)[:40])
def test_what_cannot_be_played_as_asked_is_refused(asked: Asked, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(asked, RATE, FLAT)


def test_a_level_in_db_needs_a_calibration() -> None:
    with pytest.raises(ConfigError, match="needs a calibration"):
        make(Tone(tone_hz=6000, length_ms=100, level_db=60), RATE)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_recording_or_one_line(data: bytes, headed: bool) -> None:
    head = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) if headed else b""
    with contextlib.suppress(ConfigError):  # any other error would be a traceback for the user
        make(Recording(wav=head + data, level_dbfs=-40), RATE)


@given(st.floats(0, 20), st.integers(1, 2))
def test_the_sync_pulse_starts_with_the_first_sample(sync_ms: float, channels: int) -> None:
    sound = make(Click(width_us=1000, level_dbfs=-6), RATE)
    laid = with_sync(sound, channels, sync_ms)
    assert laid.shape[1] == channels
    assert laid.dtype == np.float32
    assert laid.flags.c_contiguous
    assert np.array_equal(laid[:48, 0], sound.samples)
    assert not laid[48:, 0].any()
    if channels == 2:
        pulse = round(sync_ms * RATE / 1000)
        assert np.all(laid[:pulse, 1] == 1)
        assert not laid[pulse:, 1].any()


def test_a_protocols_generators_become_sounds() -> None:
    tone = of_task(parts.Tone(6000 * hz, 500 * ms, level=70 * db), RATE, FLAT)
    assert (tone.tone_hz, tone.length_ms, tone.level_db) == (6000, 500, 70)
    noise = of_task(parts.Noise(500 * ms, level=70 * db), RATE, TILTED)
    assert noise.tone_hz is None
    assert noise.length_ms == 500
    with pytest.raises(ConfigError, match="needs a calibration"):
        of_task(parts.Noise(500 * ms), RATE)
    click = of_task(parts.Click(100 * us, level=70 * db), RATE, FLAT)
    assert np.allclose(click.samples, [10 ** (-30 / 20)] * 5)
    file = wav(np.sin(2 * np.pi * 3000 * np.arange(4800) / RATE)[:, None])
    call = of_task(parts.Recording("call.wav", 50 * ms, level=70 * db), RATE, FLAT, {"call.wav": file}.__getitem__)
    assert call.length_ms == 50
    assert rms_db(call.samples) == pytest.approx(-30, abs=0.01)


@given(st.floats(50, 110))
def test_louder_by_a_decibel_is_louder_by_a_decibel(level_db: float) -> None:
    assume(level_db < 98)
    quiet = make(Tone(tone_hz=6000, length_ms=20, level_db=level_db), RATE, FLAT)
    loud = make(Tone(tone_hz=6000, length_ms=20, level_db=level_db + 1), RATE, FLAT)
    assert rms_db(loud.samples) - rms_db(quiet.samples) == pytest.approx(1, abs=1e-3)
