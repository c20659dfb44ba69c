"""rig sound test and calibrate, on a null sink whose monitor is the microphone."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nullsink import NullSink, missing, patient_sink

from rig.cli import main
from rig.config import parse_config
from rig.doors.sound import as_yaml, table, typed_level
from rig.errors import ConfigError
from rig.sound import Tone, make
from rig.sound.events import SoundSettings
from rig.sound.loudness import LevelCalibration
from rig.soundcard.measure import microphone_level, sound_calibrate, sound_test, tone_dbfs
from rig.soundcard.stream import rescan

SETTINGS = SoundSettings(device="pulse", block_samples=256, latency_ms=120)
LEAST = "rig: rig-1\nlever: {mm_per_count: 0.01, travel_mm: [-1, 8]}\n"  # a config.yaml with what it must have
TODAY = date(2025, 3, 1)
real = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def sink() -> Iterator[NullSink]:
    with patient_sink() as running:
        yield running
    rescan()


@real
@pytest.mark.usefixtures("sink")
def test_each_sound_is_played_and_measured() -> None:
    sounds = {hz: make(Tone(tone_hz=float(hz), length_ms=20, level_dbfs=-20), 48_000) for hz in ("6000", "9000")}
    rows = sound_test(sounds, SETTINGS, repeats=2)
    assert [line.split()[0] for line in table(rows).splitlines()] == ["sound", "6000", "9000"]
    assert [row.sound for row in rows] == ["6000", "9000"]
    for row in rows:
        assert row.count == 4
        assert 0 < row.play_median_ms <= row.play_worst_ms
        assert row.scheduled_median_abs_us <= row.scheduled_worst_us
        assert row.error_bound_us > 0


@real
@pytest.mark.usefixtures("sink")
def test_calibrated_by_a_microphone_it_knows_full_scale() -> None:
    """The monitor is a perfect microphone: full scale is what we say it is, at every frequency."""
    reader = microphone_level("pulse", 105.0, 48_000, seconds=0.2, skipped_s=0.3)
    # One channel out: the monitor's two are averaged for a microphone of one.
    found = sound_calibrate(replace(SETTINGS, sync_ms=0), 20.0, reader, TODAY, (3000.0, 6000.0), tone_s=20.0)
    assert [hz for hz, _ in found.full_scale_db] == [3000.0, 6000.0]
    assert [db for _, db in found.full_scale_db] == pytest.approx([105.0, 105.0], abs=0.1)
    assert (found.device, found.attenuation_db, found.measured_on) == ("pulse", 20.0, TODAY)


@real
@pytest.mark.usefixtures("sink")
def test_typed_readings_make_a_calibration_and_a_second_look_refuses_a_slip() -> None:
    answers = iter(["75.5", "no idea", "78", "75,6", "77.5"])
    with pytest.raises(ConfigError, match=r"6000 Hz asked at 75.5 dB was read as 77.5 dB"):
        sound_calibrate(SETTINGS, 0.0, typed_level(lambda _: next(answers)), TODAY, (3000.0, 6000.0), tone_s=0.5)


@real
@pytest.mark.usefixtures("sink")
def test_the_command_prints_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(LEAST)
    base = ["sound", "test", "--config", str(tmp_path / "config.yaml"), "--device", "pulse", "--repeats", "1"]
    assert main([*base, "--tone-hz", "6000", "--json"]) == 0
    assert [row["sound"] for row in json.loads(capsys.readouterr().out)] == ["6000 Hz", "noise"]


@real
@pytest.mark.usefixtures("sink")
def test_the_command_calibrates_by_what_is_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text(LEAST)
    words = ["sound", "calibrate", "--config", str(tmp_path / "config.yaml"), "--device", "pulse", "--octaves", "6000"]
    monkeypatch.setattr("sys.stdin", io.StringIO("loud\n75.5\n75.6\n"))
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["full_scale_db"] == {"6000.0": 95.5}
    assert '"loud" is not a number. 6000 Hz sounds' in told.err
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(words) == 1
    assert "nobody types" in capsys.readouterr().err


def test_without_a_device_there_is_nothing_to_test_or_calibrate() -> None:
    sounds = {"cue": make(Tone(tone_hz=6000, length_ms=20, level_dbfs=-20), 48_000)}
    with pytest.raises(ConfigError, match="no sound device is configured"):
        sound_test(sounds, SoundSettings(), 1)
    with pytest.raises(ConfigError, match="nothing to calibrate"):
        sound_calibrate(SoundSettings(), 0.0, typed_level(), TODAY)


def test_the_microphone_and_its_sensitivity_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(LEAST)
    words = ["sound", "calibrate", "--config", str(tmp_path / "config.yaml"), "--microphone", "USB"]
    assert main(words) == 1
    assert "go together" in capsys.readouterr().err


@given(st.floats(500, 20_000), st.floats(-60, 0), st.floats(0, 6.2))
def test_a_tone_is_read_at_its_level(tone_hz: float, dbfs: float, phase: float) -> None:
    samples = 10 ** (dbfs / 20) * np.sin(phase + 2 * np.pi * tone_hz * np.arange(9600) / 48_000)
    other = 0.1 * np.sin(2 * np.pi * ((tone_hz + 3000) % 23_000) * np.arange(9600) / 48_000)
    assert tone_dbfs(samples.astype(np.float32), tone_hz, 48_000) == pytest.approx(dbfs, abs=0.01)
    assert tone_dbfs((samples + other).astype(np.float32), tone_hz, 48_000) == pytest.approx(dbfs, abs=0.1)


def test_silence_has_no_level() -> None:
    assert tone_dbfs(np.zeros(4800, dtype=np.float32), 6000.0, 48_000) == -np.inf


def test_what_is_printed_is_what_the_configuration_reads() -> None:
    octaves = ((3000.0, 96.12), (6000.0, 98.4))
    found = LevelCalibration(TODAY, 'USB "Audio": 1', 20.0, octaves)
    config = parse_config(f"{LEAST}sound:\n{as_yaml(found)}\n", "config.yaml")
    read = config.sound.calibration
    assert read is not None
    assert (read.calibrated, read.device, read.attenuation_db) == (TODAY, 'USB "Audio": 1', 20.0)
    assert tuple((o.hz, o.full_scale_db) for o in read.octaves) == octaves
