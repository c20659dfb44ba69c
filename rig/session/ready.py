"""Is everything there that this session needs? Asked before anything is written or armed.

Sample trials are made with chance at its extremes, with light and without, after good days and bad: none may exceed a
ceiling, and what they use – water, light, sound, the lever – must be calibrated, proven and wired. Floor 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from rig import wire
from rig.calibration.age import age_warnings
from rig.config import Config
from rig.errors import ConfigError
from rig.experiment.ceilings import Ceiling, Study, dice, refuse_excess
from rig.experiment.params import Values
from rig.experiment.parts import Drop
from rig.experiment.table import Bench, Limits, Table, compile_trial
from rig.experiment.task import Past, Result, generators_of
from rig.plan import MAX_TRIALS
from rig.session.course import LIGHT
from rig.session.intent import Intent

_LASER, _VALVE = wire.OUTPUTS.index("laser"), wire.OUTPUTS.index("valve")
_PINS = (wire.Generator.PULSE, wire.Generator.TRAIN, wire.Generator.CODE)
SAMPLE_RESULTS = 40


def check_ready(intent: Intent, bench: Bench, limits: Limits, today: date) -> list[str]:
    """What to warn of. Raises RigError, naming the remedy, for what must not begin."""
    config, study = intent.order.config, samples(intent, bench, limits)
    refuse_excess(study, ceilings(config))
    used = [part for part in needs(config, [*study.dark, *study.light]) if part != "valve" or _gives_volumes(intent)]
    if "laser" in used and config.laser.proof == "read_back" and "laser_back" not in config.inputs:
        raise ConfigError(
            f"{intent.order.config_path}: inputs: laser_back is not wired, so light cannot be proven: wire it and add"
            " it, or write laser.proof: none"
        )
    for name in inputs_used([*study.dark, *study.light]):
        if name not in config.inputs:
            raise ConfigError(
                f"{intent.order.config_path}: inputs: {intent.experiment.name} waits for {name}, which is not wired:"
                " wire it and add it, or leave out what needs it"
            )
    warnings = age_warnings(config, today, used, str(intent.order.config_path))
    if config.real and config.sound.device is None and _sounds([*study.dark, *study.light]):
        warnings.append(f"NO SOUND: {intent.order.config_path}: sound.device: none, and the protocol has sounds")
    return warnings


def inputs_used(tables: Sequence[Table]) -> list[str]:
    """The inputs that lead from a state, or that a lever rule asks for."""
    codes = (state[f"on{k}"] for table in tables for state in table.states for k in range(wire.WHEN_PER_STATE))
    found = {(code - wire.ON_INPUT) // 4 for code in codes if 0 <= code - wire.ON_INPUT < 4 * len(wire.INPUTS)}
    found |= {rule["gate"] for table in tables for rule in table.rules} - {wire.NO_INPUT}
    return [name for number, name in enumerate(wire.INPUTS) if number in found]


def samples(intent: Intent, bench: Bench, limits: Limits) -> Study:
    """Tables of trials as this session may make them, and which of its trials have light."""
    course, params = intent.course, intent.experiment.params
    given = LIGHT in params and params[LIGHT].given
    dark = list(_tables(intent, intent.values, bench, limits))
    if not given or course.today is None or not course.today.row.light:
        return Study(dark, trials=intent.rules.trials)
    lit = params.values_with({**intent.values, LIGHT: True})
    lights = course.today.light_trials(min(2000, MAX_TRIALS - course.today.first_trial))
    light = list(_tables(intent, lit, bench, limits))
    return Study(dark, light, [bool(light) for light in lights], intent.rules.trials)


def _tables(intent: Intent, values: Values, bench: Bench, limits: Limits) -> Iterator[Table]:
    for outcome in (None, "rewarded", "missed"):
        results = [Result(n, outcome, {}) for n in range(1, SAMPLE_RESULTS + 1)] if outcome else []
        for chance in dice():
            yield compile_trial(intent.experiment.trial(values, Past(list(results)), chance), bench, limits)


def _gives_volumes(intent: Intent) -> bool:
    """Does it ask for water by the microlitre? Opening times alone, as in a flush, need no calibration."""
    trials = (intent.experiment.trial(intent.values, Past(), chance) for chance in dice())
    return any(isinstance(one, Drop) for trial in trials for one in generators_of(trial.states))


def ceilings(config: Config) -> dict[str, Ceiling]:
    """What the rig allows each output."""
    return {
        name: Ceiling(
            round(1000 * limit.max_on_ms), round(1e6 * (limit.window_s or 0)), round(1000 * (limit.max_duty_ms or 0))
        )
        for name, limit in config.safety.outputs.items()
    }


def _sounds(tables: Sequence[Table]) -> bool:
    """Is anything to be heard? A deadline is a tone of no frequency."""
    rows = [row for table in tables for row in table.generators]
    return any(row["kind"] == wire.Generator.SOUND or row["tone_hz"] for row in rows)


def needs(config: Config, tables: Sequence[Table]) -> list[str]:
    """The calibrations that these trials rest on."""
    rows = [row for table in tables for row in table.generators]
    held = [state["outputs"] for table in tables for state in table.states]
    pins = {row["output"] for row in rows if row["kind"] in _PINS}
    used = {
        "lever": any(table.rules for table in tables),
        "valve": _VALVE in pins or any(mask >> _VALVE & 1 for mask in held),
        "laser": _LASER in pins or any(mask >> _LASER & 1 for mask in held),
        "sound": config.sound.device not in (None, "tone") and _sounds(tables),
    }
    return [part for part, is_used in used.items() if is_used]
