"""How exact light is on the emulated Mega: after its trigger, at its end, and along its ramp.

    python bench/light.py [--edges 10000] [--lights 40] [--json]

The shipped program on the emulated chip, a whole host talking to it, a command every 2 ms, the lever swinging at so
many edges/s with 20 % jitter through an armed press, samples at 1 kHz. Times are the chip's own cycles at its pins, so
the figures are the same on every machine; not in them is the input synchroniser of a real chip (2 to 3 cycles).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from avr.board import CYCLES_PER_US, ChipRig
from latency import TRAFFIC_US, edge_cycles
from scenarios import generator, on_input, on_rule, rule, state

from rig import wire
from rig.config.file import load_config
from rig.experiment.protocol import load_protocol
from rig.experiment.table import compile_trial
from rig.experiment.task import Past
from rig.session.setup import RigBench, limits_of
from rig.wire import Decision, Generator, InputEdge, Rule

ROOT = Path(__file__).parents[1]
EDGES_HZ = 10_000
LASER = wire.OUTPUTS.index("laser")
LIGHTS = 40
EVERY_US = 25_003  # between two triggers; its odd rest walks through the sampling period
WIDTH_US = 3_000
RAMP_STEPS = 32
PWM_CYCLES = 256

Us = npt.NDArray[np.float64]
Row = dict[str, int]

_LICK = on_input(0, InputEdge.RISE)
_DARK_US = 12_000  # from a trigger to where the next one is waited for


@dataclass(frozen=True)
class Case:
    """A way for light to begin and end. Times in us after its trigger, as they should be."""

    row: Row
    on_us: tuple[int, ...] = (0,)
    off_us: tuple[int, ...] = (WIDTH_US,)
    stopped_us: int = 0  # a state ends it, so long after the trigger

    def states(self, trigger: int) -> list[Row]:
        """Wait for the trigger; light; and on to the next."""
        wait = state([(trigger, 1)], rules=3)
        if not self.stopped_us:
            return [wait, state(rules=2, start=1, after_us=_DARK_US, after_to=0, flags=1)]
        light = state(rules=2, start=1, after_us=self.stopped_us, after_to=2, flags=1)
        return [wait, light, state(rules=2, stop=1, after_us=_DARK_US - self.stopped_us, after_to=0)]


def _pulse(**fields: int) -> Row:
    return generator(Generator.PULSE, output=LASER, **{"width_us": WIDTH_US, **fields})


_TRAIN_US = tuple(range(0, 8_000, 2_000))
CASES = {
    "at once": Case(_pulse()),
    "after a delay": Case(_pulse(delay_us=1_700), (1_700,), (1_700 + WIDTH_US,)),
    "until a state ends": Case(_pulse(width_us=50_000), off_us=(2_345,), stopped_us=2_345),
    "in pulses of 1 ms": Case(
        generator(Generator.TRAIN, output=LASER, width_us=1_000, period_us=2_000, count=4),
        _TRAIN_US,
        tuple(t + 1_000 for t in _TRAIN_US),
    ),
}


@dataclass(frozen=True)
class Found:
    """How late each light came on and went off, us, and the rig afterwards."""

    on_late_us: Us
    off_late_us: Us
    rig: ChipRig


def measure(case: Case, trigger: str, rate_hz: float = EDGES_HZ, lights: int = LIGHTS) -> Found:
    """All lights of a case. ``trigger``: ``input``, a line that rises, or ``lever``, an edge that leaves a window."""
    leave = rule(Rule.WINDOW, -20_000, round(rate_hz * EVERY_US / 1e6))
    press = rule(Rule.PRESS, 3, 500, hysteresis_counts=1, time_us=500_000)
    rig = ChipRig()
    rig.setup(period_us=1000)
    code = on_rule(0, Decision.LEAVE) if trigger == "lever" else _LICK
    rig.table(case.states(code), [leave, press], [case.row])
    rig.poll(5000)
    due = (_swing if trigger == "input" else _turn)(rig, rate_hz, lights)
    rig.run_with(int(due[-1]) + 60_000 * CYCLES_PER_US, TRAFFIC_US, lambda: rig.send("host_event", code=3))
    rig.settle()
    return Found(_late(rig.rises("laser"), due, case.on_us), _late(rig.falls("laser"), due, case.off_us), rig)


def _swing(rig: ChipRig, rate_hz: float, lights: int) -> npt.NDArray[np.int64]:
    """The lever back and forth; licks, whose cycles are returned."""
    n = int(rate_hz * (lights + 3) * EVERY_US / 1e6)
    rig.turn(edge_cycles(rate_hz, n, 1, rig.chip.cycle + 4000), np.where(np.arange(n) // 100 % 2 == 0, 1, -1))
    due = (rig.chip.cycle + 40_000 + np.arange(lights) * (EVERY_US * CYCLES_PER_US + 5)).astype(np.int64)
    both = np.sort(np.concatenate([due, due + 6_000 * CYCLES_PER_US]))
    rig.chip.schedule_pins(*rig.pins["lick"], np.arange(2 * lights) % 2 == 0, both)
    return due


def _turn(rig: ChipRig, rate_hz: float, lights: int) -> npt.NDArray[np.int64]:
    """The lever goes one way and is zero again at each light; the cycles of the edges that leave the window."""
    step = round(rate_hz * EVERY_US / 1e6)
    cycles = edge_cycles(rate_hz, step * lights + step // 2, 1, rig.chip.cycle + 4000)
    rig.turn(cycles)
    due: npt.NDArray[np.int64] = cycles[step - 1 :: step]
    return due


def _late(cycles: npt.NDArray[np.int64], due: npt.NDArray[np.int64], each_us: Sequence[int]) -> Us:
    want = (due[:, None] + np.array(each_us) * CYCLES_PER_US).ravel()
    if len(cycles) != len(want):
        raise RuntimeError(f"{len(cycles)} edges of the laser for {len(want)}")
    return np.asarray((cycles - want) / CYCLES_PER_US, np.float64)


# --- ramps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ramp:
    """One ramp as the pins show it: ``steps_us`` how long each step lasted, ``levels`` its height, 0..255."""

    level: int
    ramp_us: int
    steps_us: Us
    levels: npt.NDArray[np.int64]
    end_late_us: float

    @property
    def worst_step(self) -> float:
        """The largest error of a step's length, as a share of a step."""
        return float(np.abs(self.steps_us / (self.ramp_us // RAMP_STEPS) - 1).max())

    @property
    def worst_level(self) -> float:
        """The largest error of a step's height, as a share of the light's."""
        ideal = self.level * (1 - np.arange(RAMP_STEPS) / RAMP_STEPS)
        return float(np.abs(self.levels - ideal).max() / self.level)


def ramp(ramp_us: int, level: int = 200, rate_hz: float = EDGES_HZ, seed: int = 1) -> Ramp:
    """One light of 5 ms with its ramp. The level's pin is a wave of 16 us, so a step is known to within 16 us."""
    rig = ChipRig()
    rig.setup(period_us=1000)
    press = rule(Rule.PRESS, 3, 500, hysteresis_counts=1, time_us=500_000)
    row = generator(Generator.PULSE, output=LASER, level=level, width_us=5_000, ramp_us=ramp_us)
    rig.table([state([(_LICK, 1)], rules=1), state(rules=1, start=1, after_us=ramp_us + 10_000)], [press], [row])
    n = int(rate_hz * (ramp_us + 40_000) / 1e6)
    rig.turn(edge_cycles(rate_hz, n, seed, rig.chip.cycle + 4000), np.where(np.arange(n) // 100 % 2 == 0, 1, -1))
    lick = rig.chip.cycle + 80_000
    rig.input("lick", 1, lick)
    end = lick + (ramp_us + 20_000) * CYCLES_PER_US
    rig.run_with(end, TRAFFIC_US, lambda: rig.send("host_event", code=3))
    fall = int(rig.falls("laser")[-1])
    when, high = rig.edges("laser_level", lick)
    begins, ends = (when[high == one].astype(np.int64) for one in (1, 0))
    heights = ends[: len(begins)] - begins[: len(ends)] - 1  # cycles of 256, as the compare register says
    return _ramp_of(level, ramp_us, begins[: len(heights)], heights, lick + 5_000 * CYCLES_PER_US, fall)


def _ramp_of(
    level: int,
    ramp_us: int,
    begins: npt.NDArray[np.int64],
    heights: npt.NDArray[np.int64],
    due: int,
    fall: int,
) -> Ramp:
    """Cut at every change of height; the last step ends with the light."""
    # A compare register without its double buffer (tests/avr/README.md) joins two waves: what is over is another's.
    heights = np.where(heights >= PWM_CYCLES, heights - PWM_CYCLES, heights)
    changed = np.flatnonzero(np.diff(heights)) + 1
    changed = changed[begins[changed] > due]
    at = np.array([due, *begins[changed], fall])
    end_late_us = (fall - due) / CYCLES_PER_US - ramp_us // RAMP_STEPS * RAMP_STEPS
    return Ramp(
        level, ramp_us, np.asarray(np.diff(at) / CYCLES_PER_US), np.array([level, *heights[changed]]), end_late_us
    )


# --- the protocols of the house ---------------------------------------------------------------------------------------

HOUSE: dict[str, tuple[str, dict[str, str], str]] = {  # protocol, parameters, the state in which its light begins
    "inactivation from the cue": ("cued_lever_inactivation", {"light_time": "300 ms"}, "cue"),
    "inactivation, a delay after the cue": (
        "cued_lever_inactivation",
        {"onset": "delay", "onset_delay": "70 ms", "light_time": "300 ms", "ramp": "0 ms"},
        "cue",
    ),
    "inactivation from the movement": (
        "cued_lever_inactivation",
        {"onset": "movement", "light_time": "300 ms", "ramp": "0 ms"},
        "moved",
    ),
    "a train of the mapping": ("axon_mapping", {"count": "10"}, "light"),
}


def house(name: str, rate_hz: float = EDGES_HZ) -> Found:
    """The light of one trial of a protocol as it is compiled for a session, its state's own stamp as the trigger."""
    protocol, changes, begins = HOUSE[name]
    experiment = load_protocol(protocol)
    given = {"light": True} if "light" in experiment.params else {}
    values = experiment.params.values_with({**changes, **given})
    config = load_config(ROOT / "config.yaml")
    rig = ChipRig()
    table = compile_trial(
        experiment.trial(values, Past(), random.Random(1)),
        RigBench.of(config),
        limits_of(config, rig.hello._asdict()),
    )
    rig.setup(period_us=1000, max_on_us={"laser": 12_000_000})
    rig.table(table.states, table.rules, table.generators)
    n = int(rate_hz * 2.0)
    still = 140_000 * CYCLES_PER_US if begins == "moved" else 4000
    rig.turn(edge_cycles(rate_hz, n, 1, rig.chip.cycle + still), np.where(np.arange(n) // 100 % 2 == 0, 1, -1))
    rig.run_with(rig.chip.cycle + 1_900_000 * CYCLES_PER_US, TRAFFIC_US, lambda: rig.send("host_event", code=3))
    state_at = table.state_names.index(begins)
    stamp_us = next(e.board_us for e in rig.told("state") if e.fields["state"] == state_at)
    (row,) = [g for g in table.generators if g["output"] == LASER and g["kind"] in (Generator.PULSE, Generator.TRAIN)]
    count = row["count"] if row["kind"] == Generator.TRAIN else 1
    on_us = row["delay_us"] + np.arange(count) * row["period_us"]
    off_us = on_us + row["width_us"]
    off_us[-1] += row["ramp_us"] // RAMP_STEPS * RAMP_STEPS
    due = np.array([rig.cycle_of(stamp_us)])
    return Found(_late(rig.rises("laser"), due, [*on_us]), _late(rig.falls("laser"), due, [*off_us]), rig)


# --- the table --------------------------------------------------------------------------------------------------------


def figures(rate_hz: float, lights: int) -> dict[str, dict[str, float]]:
    """Worst errors, us, by case; of ramps as shares."""
    found = {}
    runs = {f"{case}, by {t}": measure(CASES[case], t, rate_hz, lights) for case in CASES for t in ("input", "lever")}
    for name, run in {**runs, **{name: house(name, rate_hz) for name in HOUSE}}.items():
        found[name] = {
            "lights": len(run.on_late_us),
            "on_us": float(np.abs(run.on_late_us).max()),
            "off_us": float(np.abs(run.off_late_us).max()),
        }
    for ramp_us in (100_000, 32_000):
        each = [ramp(ramp_us, rate_hz=rate_hz, seed=seed) for seed in range(1, 11)]
        found[f"ten ramps of {ramp_us // 1000} ms"] = {
            "steps": sum(len(one.steps_us) for one in each),
            "step": max(one.worst_step for one in each),
            "level": max(one.worst_level for one in each),
            "end_us": max(abs(one.end_late_us) for one in each),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=float, default=EDGES_HZ, metavar="HZ", help="of the lever")
    parser.add_argument("--lights", type=int, default=LIGHTS, help="lights a case")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    found = figures(args.edges, args.lights)
    if args.json:
        print(json.dumps(found))
        return
    print(f"{'worst error at ' + str(round(args.edges)) + ' edges/s':44} lights  on, us  off, us")
    for name, one in found.items():
        if "steps" in one:
            print(
                f"{name:44} {one['steps']:.0f} steps: within {100 * one['step']:.1f} % of their length,"
                f" {100 * one['level']:.1f} % of the light in height; ends within {one['end_us']:.1f} us"
            )
        else:
            print(f"{name:44} {one['lights']:6.0f} {one['on_us']:7.1f} {one['off_us']:8.1f}")


if __name__ == "__main__":
    main()
