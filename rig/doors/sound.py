"""Try the rig's sounds, and measure how loud full scale is.

examples:
  rig sound test                        every sound: how soon it starts, how well it keeps a time
  rig sound test --device "USB Audio" --tone-hz 6000 12000 --json
  rig sound calibrate                   octave by octave, the sound meter's reading typed in
  rig sound calibrate --octaves 3000 6000 12000
  rig sound calibrate --microphone "USB Audio" --microphone-db 120
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date

from msgspec import structs

from rig.calibration.age import level_calibration
from rig.config.file import load_config
from rig.errors import ConfigError
from rig.sound import Noise, Tone, make
from rig.sound.events import SoundSettings
from rig.sound.loudness import LevelCalibration
from rig.soundcard.measure import OCTAVES_HZ, ReadLevel, SoundTest, microphone_level, sound_calibrate, sound_test

TRIES = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="test|calibrate")
    test = commands.add_parser("test", help="play each sound and show its latency", epilog="example: rig sound test")
    test.add_argument("--repeats", type=int, default=10, help="starts of each sound, twice (default: 10)")
    test.add_argument("--tone-hz", type=float, nargs="+", default=[6000, 12000], help="tones to try")
    test.add_argument("--dbfs", type=float, default=-30.0, help="their level re a full-scale sine (default: -30)")
    calibrate = commands.add_parser(
        "calibrate",
        help="measure dB SPL of full scale",
        epilog="example: rig sound calibrate --octaves 3000 6000 12000",
    )
    calibrate.add_argument("--octaves", type=float, nargs="+", default=list(OCTAVES_HZ), help="frequencies, Hz")
    calibrate.add_argument("--microphone", help="an input device to read from, instead of typing")
    calibrate.add_argument("--microphone-db", type=float, help="dB SPL of a sine that fills this input")
    for command in (test, calibrate):
        command.add_argument("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
        command.add_argument("--device", help="another device than the file's")
        command.add_argument("--json", action="store_true", help="print one JSON value, and nothing else")


def run(args: argparse.Namespace) -> int:
    """The command."""
    sound = load_config(args.config).sound
    settings = SoundSettings.of(structs.replace(sound, device=args.device) if args.device else sound)
    if args.what == "calibrate":
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


def _ask(question: str) -> str:
    """Standard output is for what was measured alone."""
    print(question, end="", file=sys.stderr, flush=True)
    try:
        return input()
    except EOFError:
        raise ConfigError("sound calibration: nobody types; give --microphone, or run it in a terminal") from None


def typed_level(ask: Callable[[str], str] = _ask) -> ReadLevel:
    """A reading typed in by the person at the sound meter; three tries to type a number."""

    def read(hz: float) -> float:
        wrong = ""
        for _ in range(TRIES):
            answer = ask(f"{wrong}{hz:g} Hz sounds. Sound meter, dB SPL: ").strip().replace(",", ".")
            try:
                return float(answer)
            except ValueError:
                wrong = f'"{answer}" is not a number. '
        raise ConfigError("sound calibration: no reading; start again with the meter at hand")

    return read


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
