"""Try the rig's sounds, and measure how loud full scale is.

examples:
  rig sound test                        every sound: how soon it starts, how well it keeps a time
  rig sound calibrate                   octave by octave, the sound meter's reading typed in
  rig sound calibrate --microphone "USB Audio" --microphone-db 120

A door: it prints, asks and reads the configuration. What is measured here is what PortAudio reports; the way from
the converter to the jack shows only in the sync pulse of a session, or on an oscilloscope.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from msgspec import structs

from rig.calibration.age import level_calibration
from rig.configfile import load_config
from rig.errors import ConfigError
from rig.loudness import TOLERANCE_DB, LevelCalibration
from rig.sound import SoundEngine
from rig.sound.stream import portaudio
from rig.sound_events import Body, Kind, SoundEvent, SoundSettings, find_device
from rig.sounds import Noise, Sound, Tone, make

OCTAVES_HZ = (1000.0, 2000.0, 4000.0, 8000.0, 16000.0)
TONE_S = 3.0
DRIVE_DBFS = -20.0  # loud enough to read, far from the amplifier's limit
TRIES = 3
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
            events += _until_ended(engine, engine.lead_ns / 1e9 + sound.length_ms / 1000 + 1)
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
            token = engine.play(f"{hz:g} Hz")
            levels[hz] = read_level(hz)
            engine.stop(token)
            if not math.isfinite(levels[hz]):
                raise ConfigError(f"sound calibration: {hz:g} Hz was read as {levels[hz]} dB; is the sound on?")
            _until_ended(engine, tone_s)
    return levels


def typed_level(ask: Callable[[str], str] = input) -> ReadLevel:
    """A reading typed in by the person at the sound meter; three tries to type a number."""

    def read(hz: float) -> float:
        for _ in range(TRIES):
            answer = ask(f"{hz:g} Hz sounds. Sound meter, dB SPL: ").strip().replace(",", ".")
            try:
                return float(answer)
            except ValueError:
                print(f'"{answer}" is not a number')
        raise ConfigError("sound calibration: no reading; start again with the meter at hand")

    return read


def microphone_level(
    name: str, full_scale_db: float, rate_hz: int, seconds: float = 1.0, skipped_s: float = 1.0
) -> ReadLevel:
    """Readings from an input device: the tone's own amplitude, found by projection, so that noise counts little.

    ``full_scale_db``: the dB SPL at which a sine fills the input, from the microphone's data sheet or a calibrator.
    ``skipped_s``: what is recorded first and not used, for the tone to have begun.
    """
    audio = portaudio()
    inputs = [{**d, "max_output_channels": d["max_input_channels"]} for d in audio.query_devices()]
    index = find_device(name, inputs, 1)

    def read(hz: float) -> float:
        count = round((seconds + skipped_s) * rate_hz)
        taken = audio.rec(count, samplerate=rate_hz, channels=1, device=index, dtype="float32", blocking=True)
        return full_scale_db + tone_dbfs(taken[-round(seconds * rate_hz) :, 0], hz, rate_hz)

    return read


def tone_dbfs(samples: np.ndarray[Any, np.dtype[np.float32]], tone_hz: float, rate_hz: int) -> float:
    """The level of one frequency in ``samples``, shape (n,), relative to a full-scale sine; -inf when absent."""
    # A Hann window keeps a frequency that does not fit the length from leaking away.
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * tone_hz * np.arange(len(samples)) / rate_hz)
    peak = 2 * abs(np.sum(samples * window * turn)) / window.sum()
    return float(20 * np.log10(peak)) if peak > 0 else -math.inf


def as_yaml(calibration: LevelCalibration) -> str:
    """What to write into config.yaml, under ``sound``."""
    lines = [
        "  calibration:",
        f"    calibrated: {calibration.measured_on}",
        f"    device: {json.dumps(calibration.device, ensure_ascii=False)}",
        f"    attenuation_db: {calibration.attenuation_db:g}",
        "    octaves:",
        *(f"      - {{hz: {hz:g}, full_scale_db: {db:.2f}}}" for hz, db in calibration.full_scale_db),
    ]
    return "\n".join(lines)


def register(subparsers: Any) -> None:
    """Add ``sound`` with its own commands to an argparse ``subparsers``."""
    form = argparse.RawDescriptionHelpFormatter
    arguments(
        subparsers.add_parser("sound", help="try and calibrate sounds", description=__doc__, formatter_class=form)
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``rig sound``."""
    commands = parser.add_subparsers(dest="sound_command", required=True, metavar="test|calibrate")
    test = commands.add_parser("test", help="play each sound and show its latency", epilog="example: rig sound test")
    test.add_argument("--repeats", type=int, default=10, help="starts of each sound, twice (default 10)")
    test.add_argument("--tone-hz", type=float, nargs="+", default=[6000, 12000], help="tones to try")
    test.add_argument("--dbfs", type=float, default=-30.0, help="their level re a full-scale sine (default -30)")
    calibrate = commands.add_parser(
        "calibrate",
        help="measure dB SPL of full scale",
        epilog="example: rig sound calibrate --octaves 3000 6000 12000",
    )
    calibrate.add_argument("--octaves", type=float, nargs="+", default=list(OCTAVES_HZ), help="frequencies, Hz")
    calibrate.add_argument("--microphone", help="an input device to read from, instead of typing")
    calibrate.add_argument("--microphone-db", type=float, help="dB SPL of a sine that fills this input")
    for command in (test, calibrate):
        command.add_argument("--config", default="config.yaml", help="the rig's file (default config.yaml)")
        command.add_argument("--device", help="another device than the file's")
        command.add_argument("--json", action="store_true", help="for programs")
        command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``rig sound test`` or ``rig sound calibrate``; returns the exit code."""
    sound = load_config(args.config).sound
    settings = SoundSettings.of(structs.replace(sound, device=args.device) if args.device else sound)
    if args.sound_command == "calibrate":
        return _run_calibrate(args, settings, sound.attenuation_db)
    levels = level_calibration(sound)
    sounds = {f"{hz:g} Hz": make(_short_tone(hz, args.dbfs), settings.rate_hz) for hz in args.tone_hz}
    sounds["noise"] = make(_short_noise(args.dbfs, settings.rate_hz, levels), settings.rate_hz)
    rows = sound_test(sounds, settings, args.repeats)
    print(json.dumps([asdict(row) for row in rows]) if args.json else table(rows))
    return 0


def _run_calibrate(args: argparse.Namespace, settings: SoundSettings, attenuation_db: float) -> int:
    if (args.microphone is None) != (args.microphone_db is None):
        raise ConfigError("--microphone and --microphone-db go together; give both, or type the readings")
    reader = typed_level()
    if args.microphone is not None:
        reader = microphone_level(args.microphone, args.microphone_db, settings.rate_hz)
    found = sound_calibrate(settings, attenuation_db, reader, date.today(), args.octaves)
    print(json.dumps(found.to_dict()) if args.json else f"# into config.yaml, under sound:\n{as_yaml(found)}")
    return 0


def _short_tone(hz: float, dbfs: float) -> Tone:
    return Tone(tone_hz=hz, length_ms=100, level_dbfs=dbfs)


def _short_noise(dbfs: float, rate_hz: int, levels: LevelCalibration | None) -> Noise:
    low_hz, high_hz = levels.range_hz if levels else (1000.0, 16000.0)
    return Noise(low_hz=low_hz, high_hz=min(high_hz, 0.49 * rate_hz), length_ms=100, level_dbfs=dbfs)


def table(rows: Sequence[SoundTest]) -> str:
    """For people."""
    head = "sound        by    play: median  worst ms   to a time: median  worst µs   bound µs  underruns"
    lines = [
        f"{r.sound:<12} {r.method:<5} {r.play_median_ms:13.2f} {r.play_worst_ms:9.2f} "
        f"{r.scheduled_median_abs_us:19.0f} {r.scheduled_worst_us:9.0f} {r.error_bound_us:10.0f} {r.underrun_count:10d}"
        for r in rows
    ]
    return "\n".join([head, *lines])
