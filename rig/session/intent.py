"""What a session will be, decided before a board is touched: its animal, its day of the plan, its stage.

Floor 2: reads config's companions (plan, training) and the animal's history. Writes nothing and prints nothing: what a
person should be told is in ``Intent.lines``.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rig.bodies.animals import Animal
from rig.config import Config
from rig.config.file import beside
from rig.errors import ConfigError, ProtocolError
from rig.experiment.params import Params, Value, Values
from rig.experiment.protocol import Protocol, load_protocol
from rig.plan import DayPlan, Light, Plan, plan_data
from rig.plan.draw import derived_seed
from rig.plan.file import read_plan
from rig.plan.today import Deviation, Today, light_words, override, pick_up
from rig.session.course import LIGHT, MASKED, Course, stage_values
from rig.session.summary import Rules
from rig.subject.history import History, first_plan, history
from rig.subject.welfare import likely_weight, weight_warning
from rig.training import Move, Stage, Training
from rig.training.read import parse_training

DEFAULT_PROTOCOL, PLANNED_PROTOCOL = "cued_lever", "cued_lever_inactivation"
TEST = "test"  # the animal that is none: never weighed, in no plan
SEED_BITS = 31


@dataclass(frozen=True)
class Order:
    """What is asked of a session; what is not said stands at the rig's, the animal's or the protocol's default.

    Args:
        config_path: where ``config`` was read: the paths in it start there.
        protocol: None: the animal's stage says; without training, the plan's or the plain task.
        changes: protocol parameters, as text (``"6 ul"``) or values.
        rules: when it ends by itself; nothing said: after 60 minutes.
        seed: of all chance; None: the simulated rig's own, on a real one drawn.
        animal, pace, fault: simulator only: see ``rig.setup.open_link``; pace None: as fast as it goes.
        began: date and time, with its zone; None: now.
        day, opto, who, why: leave the light plan, by name and with a reason.
        no_plan: a session outside of it, such as a mapping.
        weight_g: of the animal today.
        resume: go on with this animal's session of today that was cut short.
        plan, past, today: instead of the rig's files and the animal's records, for whoever knows them already.
    """

    config: Config
    config_path: Path = Path("config.yaml")
    subject: str = TEST
    protocol: str | None = None
    changes: Mapping[str, Value] = field(default_factory=dict)
    rules: Rules = Rules()
    seed: int | None = None
    animal: str | Animal | None = None
    pace: float | None = None
    began: datetime | None = None
    fault: str = ""
    day: int | None = None
    opto: bool | None = None
    who: str = ""
    why: str = ""
    no_plan: bool = False
    weight_g: float | None = None
    no_weight: bool = False
    resume: bool = False
    plan: Plan | None = None
    past: History | None = None
    today: Today | None = None

    @property
    def data(self) -> Path:
        """The folder of the records."""
        return beside(self.config_path, self.config.data)


@dataclass(frozen=True)
class Intent:
    """An order with everything decided that can be before a board is touched.

    ``origin``: where each parameter that is not at its default comes from. ``lines``: what to tell the person.
    """

    order: Order
    experiment: Protocol
    values: Values
    rules: Rules
    seed: int
    began: datetime
    course: Course
    plan: Plan | None = None
    past: History = History(TEST)
    moves: tuple[Move, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """What the manifest says of it, as JSON can hold it."""
        course, today = self.course, self.course.today
        said = today.data() if today else None
        return {
            "weight_g": self.order.weight_g,
            "plan": plan_data(self.plan) if self.plan else None,
            "params_from": dict(self.origin),
            "said": list(self.lines),
            "course": {
                "today": said,
                "outside_plan": self.order.no_plan,
                "training": course.training.plain() if course.training else None,
                "stage": course.stage,
                "moves": [asdict(move) for move in self.moves],
                "base": {name: str(value) for name, value in course.base.items()},
                "by_hand": sorted(course.by_hand),
            },
        }


def intend(order: Order) -> Intent:
    """What a session of this order will be. Raises RigError for what cannot be; nothing is written or opened."""
    began = order.began or datetime.now(UTC)
    on = began.astimezone().date()
    past = order.past if order.past is not None else history(order.data, order.subject)
    plan = _plan(order)
    today = order.today or _today(order, plan, past, on)
    training = training_of_rig(order.config, order.config_path) if order.subject != TEST else None
    stage, move = past.stage(training) if training else ("", None)
    experiment, in_stage = _experiment(order, training, stage, today)
    if not in_stage:  # outside of its stage a session neither moves the animal nor counts
        training, stage, move = None, "", None
    today, refused = _light_that_can_be(order, today, experiment)
    _refuse_no_light(order, today)
    values, base, origin = _values(
        order, experiment, training.stage(stage) if training else None, past, training, today
    )
    by_hand = frozenset(name for name, where in origin.items() if not where.startswith("stage "))
    course = Course(experiment.params, values, today, training, stage, base, by_hand, experiment.name)
    lines = (
        *(today.say() if today else ()),
        *refused,
        *_stage_lines(training, stage, move),
        *_weight_lines(order, past),
    )
    seed = order.seed if order.seed is not None else _seed(order.config)
    rules = order.rules if order.rules != Rules() else Rules(minutes=60)
    moves = (move,) if move else ()
    return Intent(order, experiment, values, rules, seed, began, course, plan, past, moves, origin, lines)


def _seed(config: Config) -> int:
    return config.simulator.seed if config.body in ("simulator", "pty") else secrets.randbits(SEED_BITS)


# --- the light plan ---------------------------------------------------------------------------------------------------


def _plan(order: Order) -> Plan | None:
    if order.no_plan:
        if order.opto or order.day is not None:
            raise ConfigError("--no-plan leaves the plan alone: it goes with neither --opto nor --day")
        return None
    plan = order.plan
    if plan is None and order.config.plan:
        plan = read_plan(beside(order.config_path, order.config.plan))
    return None if plan is None or (order.subject == TEST and TEST not in plan.animals) else plan


def _today(order: Order, plan: Plan | None, past: History, on: date) -> Today | None:
    if plan is None:
        if order.day is not None:
            raise ConfigError("--day: there is no light plan here: name its file under `plan` in config.yaml")
        return _by_hand(order, past) if order.opto else None
    if order.subject not in plan.animals and order.opto is None and order.day is None:
        try:
            plan.animal(order.subject)
        except ConfigError as error:
            raise ConfigError(f"{error}; or run outside of the plan with --no-plan") from None
    first = first_plan(order.data, plan.study) if order.plan is None else None
    reason = {"who": order.who, "why": order.why}
    today = pick_up(plan, order.subject, on, done=past.done(), first=first, day=order.day, **reason)
    return today if order.opto is None else override(plan, today, order.opto, **reason)


def _by_hand(order: Order, past: History) -> Today:
    """Light without a plan: by the usual rules, and never silently."""
    rules, number = Light(), len(past.done()) + 1
    row = DayPlan(
        subject=order.subject,
        day=number,
        days=number,
        light=True,
        masking_light=True,
        seed=derived_seed(_seed(order.config) if order.seed is None else order.seed, "by hand", order.subject, number),
        plan_digest="",
        **vars(rules),
    )
    deviation = Deviation(order.subject, number, "no plan", light_words(row), order.who, order.why)
    return Today(row, deviations=(deviation,))


def _light_that_can_be(order: Order, today: Today | None, experiment: Protocol) -> tuple[Today | None, tuple[str, ...]]:
    """A protocol that cannot do what the plan says: with light it is refused, without masking light it is told."""
    if today is None:
        return None, ()
    row = today.row
    if row.light and not _gives_light(experiment.params):
        raise ProtocolError(
            f"{row.subject}, day {row.day}: {light_words(row)}, but {experiment.name} cannot give it:"
            f" run {PLANNED_PROTOCOL}, or leave the plan with --no-opto"
        )
    if row.masking_light and MASKED not in experiment.params:
        deviation = Deviation(
            row.subject, row.day, "masking light on every trial", f"none: {experiment.name} has no {MASKED}", "", ""
        )
        return replace(today, deviations=(*today.deviations, deviation)), (deviation.say(),)
    return today, ()


def _refuse_no_light(order: Order, today: Today | None) -> None:
    """Who asks for light must not go without it and not know."""
    if order.opto and today and order.rules.trials and not today.light_trials(order.rules.trials).any():
        raise ConfigError(
            f"--opto: none of {order.rules.trials} trials would have light ({light_words(today.row)}):"
            " ask for more --trials, or for other light with rig plan make"
        )


def _gives_light(params: Params) -> bool:
    return LIGHT in params and params[LIGHT].given


# --- stage and parameters ---------------------------------------------------------------------------------------------


def training_of_rig(config: Config, config_path: Path) -> Training | None:
    """The curriculum of a rig, its stages held against their protocols. Raises ConfigError."""
    if not config.training:
        return None
    path = beside(config_path, config.training)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}): set `training` in config.yaml") from None
    training = parse_training(text, str(path))
    for stage in training.stages:
        try:
            load_protocol(stage.protocol).params.values_with(stage.params)
        except ProtocolError as error:
            raise ConfigError(f"{path}: stage {stage.name}: {error}") from None
    return training


def _experiment(order: Order, training: Training | None, stage: str, today: Today | None) -> tuple[Protocol, bool]:
    """The protocol, and whether it is the one of the animal's stage."""
    staged = training.stage(stage).protocol if training else None
    usual = PLANNED_PROTOCOL if today else DEFAULT_PROTOCOL
    experiment = load_protocol(order.protocol or staged or usual)
    return experiment, staged is not None and load_protocol(staged).digest == experiment.digest


def _values(
    order: Order,
    experiment: Protocol,
    stage: Stage | None,
    past: History,
    training: Training | None,
    today: Today | None,
) -> tuple[Values, dict[str, Any], dict[str, str]]:
    """The parameters, those without the stage's, and where each comes from."""
    params = experiment.params
    for name in order.changes:
        if name in params and params[name].given:
            raise ConfigError(f"--set {name}: the light plan gives it, trial by trial: write it there, or say --opto")
    own: dict[str, Value] = {}
    own.update((training.subjects if training else {}).get(order.subject, {}))
    own.update(past.own())
    own = {name: value for name, value in own.items() if name in params}
    base, origin = {**own}, dict.fromkeys(own, order.subject)
    if today is not None and MASKED in params:
        base[MASKED], origin[MASKED] = today.row.masking_light, "the plan"
    base.update(order.changes)
    origin.update(dict.fromkeys(order.changes, "--set"))
    if stage is None:
        return params.values_with(base), base, origin
    of_stage = {name: f"stage {stage.name}" for name in stage.params if name not in origin}
    return stage_values(params, base, stage.params, frozenset(origin)), base, {**origin, **of_stage}


def _stage_lines(training: Training | None, stage: str, move: Move | None) -> tuple[str, ...]:
    if training is None:
        return ()
    place = f"stage {stage} ({training.index(stage) + 1} of {len(training.stages)})"
    return (place, move.say()) if move else (place,)


# --- weight -----------------------------------------------------------------------------------------------------------


def _weight_lines(order: Order, past: History) -> tuple[str, ...]:
    weight_g = order.weight_g
    if weight_g is not None and not likely_weight(weight_g):
        raise ConfigError(f"--weight {weight_g:g}: no mouse weighs this many grams; weigh it again")
    if weight_g is None and order.config.real and not (order.no_weight or order.resume) and order.subject != TEST:
        raise ConfigError(f"{order.subject} was not weighed: give --weight in grams, or --no-weight")
    warning = weight_warning(order.subject, weight_g or past.weight_g, past.baseline_g or weight_g)
    return (warning,) if warning else ()
