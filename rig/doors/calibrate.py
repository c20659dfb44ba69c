"""Calibrate the valve by weighing drops, the laser by a power meter, the lever by its rest. Without an animal.

Each step is a session of its own, on record like any other, and stops on Ctrl-C; the board's ceilings hold. At the end
stand the lines for config.yaml.

examples:
  rig calibrate valve                          50 drops at each of 15, 25, 35, 50, 70 ms; the scale's grams typed in
  rig calibrate valve --open 20,30,40,60,80 --drops 60
  rig calibrate laser --levels 0,32,64,128,192,255       mW typed in from the power meter
  rig calibrate lever                          at rest, then held at 5 mm
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from rig.calibration import find_rest, laser_curve, valve_curve
from rig.config import Config, from_plain
from rig.config.file import load_config
from rig.errors import BoardError, ConfigError
from rig.record.folder import events_of, read_entries
from rig.session.launch import Order, intend, launched
from rig.session.summary import Rules, Summary

UL_PER_G = 1000.0  # of water
LEAST_OPENINGS, LEAST_DROPS, MOST_DROPS = 5, 50, 200  # common practice; 200 ms apart
SETTLE_US, LEAST_COUNTS = 1_000_000, 20
FULL_LEVEL = 255


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="valve|laser|lever")
    valve = commands.add_parser("valve", help="opening times against weighed drops")
    valve.add_argument("--open", default="15,25,35,50,70", metavar="MS,…", help="opening times, ms (five or more)")
    valve.add_argument("--drops", type=int, default=LEAST_DROPS, help="of each opening time (50 to 200)")
    valve.add_argument("--grams", metavar="G,…", help="what all drops of each weighed, instead of being asked")
    laser = commands.add_parser("laser", help="levels against measured power")
    laser.add_argument("--levels", default="0,32,64,96,128,160,192,224,255", metavar="N,…", help="0 to 255")
    laser.add_argument("--seconds", type=float, default=5.0, help="on for so long at each")
    laser.add_argument("--mw", metavar="MW,…", help="what the meter showed at each, instead of being asked")
    lever = commands.add_parser("lever", help="noise at rest, and travel for a count")
    lever.add_argument("--at", type=float, default=5.0, metavar="MM", help="held at this travel for the second reading")
    lever.add_argument("--animal", help="simulator only: who holds it, e.g. trace:FILE")
    lever.add_argument("--rest-only", action="store_true", help="the noise alone: mm_per_count stays as it is")
    for command in (valve, laser, lever):
        command.add_argument("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
        command.add_argument("--json", action="store_true", help="the lines for config.yaml as JSON")


@dataclass(frozen=True)
class Bench:
    """The rig without an animal."""

    config: Config
    path: Path

    def session(self, protocol: str, changes: Mapping[str, str], rules: Rules, animal: str = "none") -> Summary:
        """A session as it is asked for; anything but its own end is an error."""
        simulated = self.config.body == "simulator"
        order = Order(
            self.config,
            self.path,
            protocol=protocol,
            changes=changes,
            rules=rules,
            animal=animal if simulated else None,
            no_plan=True,
        )
        with launched(intend(order)) as session:
            summary = session.run()
        if summary.ended not in ("trials", "minutes"):
            raise BoardError(f"the session ended by {summary.ended}: {summary.session}")
        if summary.light and summary.light["mismatches"]:
            raise BoardError(f"{summary.light['mismatches'][0]}: see to laser and read-back first")
        return summary


def run(args: argparse.Namespace) -> int:
    """The command."""
    path = Path(args.config)
    config = load_config(path)
    lines = {"valve": _valve, "laser": _laser, "lever": _lever}[args.what](args, config, path)
    if args.json:
        print(json.dumps(lines))
        return 0
    print(f"\nfor {path}, section {args.what}:\n")
    for key, value in lines.items():
        print("\n".join(_yaml(key, value)))
    return 0


def _yaml(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"  {key}: {value}"
        return
    yield f"  {key}:"
    for row in value:
        yield "    - {" + ", ".join(f"{name}: {number:g}" for name, number in row.items()) + "}"


def _readings(given: str | None, n: int, what: str) -> Callable[[int, str], float]:
    """The n-th reading: as given, or asked of a person."""
    numbers = _numbers("--" + what, given) if given else []
    if given and len(numbers) != n:
        raise ConfigError(f"--{what}: {len(numbers)} readings for {n} steps: give one for each")

    def reading(i: int, question: str) -> float:
        while not given:
            try:
                return float(input(question).strip().replace(",", "."))
            except ValueError:
                print("a number, please")
            except EOFError:
                raise ConfigError(f"nobody to ask: give --{what}") from None
        return numbers[i]

    return reading


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{option} {text}: expected numbers with commas between them") from None


# --- valve ------------------------------------------------------------------------------------------------------------


def _valve(args: argparse.Namespace, config: Config, path: Path) -> dict[str, Any]:
    opens_ms = sorted(set(_numbers("--open", args.open)))
    if len(opens_ms) < LEAST_OPENINGS:
        raise ConfigError(f"--open: {len(opens_ms)} opening times: give {LEAST_OPENINGS} or more")
    if not LEAST_DROPS <= args.drops <= MOST_DROPS:
        raise ConfigError(f"--drops {args.drops}: give {LEAST_DROPS} to {MOST_DROPS}")
    reading = _readings(args.grams, len(opens_ms), "grams")
    bench, drops = Bench(config, path), []
    for i, open_ms in enumerate(opens_ms):
        changes = {"opening": f"{open_ms:g} ms", "pause": "200 ms"}
        bench.session("valve_flush", changes, Rules(trials=args.drops))
        grams = reading(i, f"{args.drops} drops of {open_ms:g} ms weigh, g: ")
        drops.append({"open_ms": open_ms, "ul": round(UL_PER_G * grams / args.drops, 4)})
    found = {"calibrated": date.today().isoformat(), "drops": drops}
    curve = valve_curve(_with(config, "valve", found).valve, "the weighing")  # refuses what does not fit
    low_ul, high_ul = curve.range_ul
    if not args.json:
        print(f"volumes from {low_ul:.2f} to {high_ul:.2f} uL can be asked for")
    return found


# --- laser ------------------------------------------------------------------------------------------------------------


def _laser(args: argparse.Namespace, config: Config, path: Path) -> dict[str, Any]:
    levels = sorted({int(level) for level in _numbers("--levels", args.levels)})
    if len(levels) < 2 or not 0 <= levels[0] <= levels[-1] <= FULL_LEVEL:
        raise ConfigError(f"--levels {args.levels}: give two or more from 0 to {FULL_LEVEL}")
    reading = _readings(args.mw, len(levels), "mw")
    # A milliwatt is a level, until it is known what it is.
    plain = [{"level": 0, "mw": 0}, {"level": FULL_LEVEL, "mw": FULL_LEVEL}]
    by_level = {"power": plain, "max_mw": FULL_LEVEL, "calibrated": date.today().isoformat()}
    bench, power = Bench(_with(config, "laser", by_level), path), []
    for i, level in enumerate(levels):
        if level:
            changes = {"power": f"{level} mw", "time": f"{args.seconds:g} s", "site": "power meter: levels, not mW"}
            bench.session("laser_level", changes, Rules(trials=1))
        power.append({"level": level, "mw": reading(i, f"mW at level {level}: ")})
    found = {"calibrated": date.today().isoformat(), "power": power}
    laser_curve(_with(config, "laser", found).laser, "the measurement")
    return found


# --- lever ------------------------------------------------------------------------------------------------------------


def _lever(args: argparse.Namespace, config: Config, path: Path) -> dict[str, Any]:
    bench = Bench(config, path)
    if config.real:
        hold = "" if args.rest_only else f", then push it to {args.at:g} mm within 6 s and hold it there for 3 s"
        input(f"leave the lever alone for 4 s{hold}; Enter begins ")
    changes = {"hold": "0 s"} if args.rest_only else {}
    summary = bench.session("lever_scale", changes, Rules(trials=1), args.animal or "none")
    counts = _counts_by_state(Path(summary.session))
    rest = find_rest(counts["rest"], config.lever, str(path))
    noise_counts = rest.sd_mm / config.lever.mm_per_count
    scale_mm = config.lever.mm_per_count
    if not args.rest_only:
        moved = abs(float(np.mean(counts["hold"])) - rest.counts)
        if moved < LEAST_COUNTS:
            raise ConfigError(f"the lever moved {moved:.0f} counts between rest and hold: is the encoder wired?")
        scale_mm = round(args.at / moved, 7)
    scale = {} if args.rest_only else {"mm_per_count": scale_mm}
    return {**scale, "calibrated": date.today().isoformat(), "noise_sd_mm": round(noise_counts * scale_mm, 6)}


def _counts_by_state(session: Path) -> dict[str, list[int]]:
    """Samples of the lever in each state, but for its first part, in which it settles."""
    found, state, since_us = dict[str, list[int]](), "", 0
    for event in events_of(read_entries(session)[0]):
        if event.name == "state":
            state, since_us = event.fields["state"], event.board_us
        elif event.name == "lever" and state and event.board_us - since_us > SETTLE_US:
            first = event.fields["first_counts"]
            found.setdefault(state, []).extend(first + offset for offset in event.fields["offsets"])
    return found


def _with(config: Config, section: str, changes: Mapping[str, Any]) -> Config:
    plain = config.plain()
    return from_plain({**plain, section: {**plain[section], **changes}})
