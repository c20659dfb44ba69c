"""What a session will be, before a board is touched: protocol, plan, parameters and where each comes from."""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
from plan_examples import PLAN
from rehearse import rig_folder

from rig.config.file import load_config
from rig.errors import RigError
from rig.plan.file import write_plan
from rig.plan.today import Today
from rig.session.intent import Intent, Order, intend
from rig.session.summary import Rules

STAGES = "stages:\n  - {name: easy, protocol: cued_lever, params: {press: 2 mm, iti_min: 4 s}}\n"
STAGES += "  - {name: task, protocol: cued_lever_inactivation}\nsubjects:\n  M07: {iti_min: 5 s, drop: 6 ul}\n"


def wanted(folder: Path, subject: str = "M07", on_day: int = 1, **words: Any) -> Intent:
    """The intent of an order on a day of the plan; ``plan`` and ``training`` say whether the rig has them."""
    parts = {name: words.pop(name, False) for name in ("plan", "training")}
    config = {name: f"{name}.yaml" for name, there in parts.items() if there}
    if parts["plan"]:
        write_plan(PLAN, folder / "plan.yaml", force=True)
    (folder / "training.yaml").write_text(STAGES, encoding="utf-8")
    path = rig_folder(folder, **config, **words.pop("config", {}))
    began = datetime.combine(PLAN.dates("M07")[on_day - 1], time(12)).astimezone()
    return intend(Order(load_config(path), path, subject=subject, began=began, **words))


def refused(folder: Path, **words: Any) -> str:
    with pytest.raises(RigError) as error:
        wanted(folder, **words)
    assert "\n" not in str(error.value)
    assert not (folder / "data").exists()
    return str(error.value)


def test_the_protocol_is_the_one_asked_for_the_stage_s_or_the_usual(tmp_path: Path) -> None:
    for words, name in (
        ({}, "cued_lever"),
        ({"plan": True}, "cued_lever_inactivation"),
        ({"plan": True, "training": True}, "cued_lever"),
        ({"plan": True, "protocol": "habituation"}, "habituation"),
        ({"subject": "test", "plan": True, "training": True}, "cued_lever"),
    ):
        assert wanted(tmp_path, **words).experiment.name == name


def test_where_each_parameter_comes_from_the_later_over_the_earlier(tmp_path: Path) -> None:
    found = wanted(tmp_path, training=True, changes={"drop": "7 ul"})
    values = {name: str(found.values[name]) for name in ("press", "iti_min", "drop", "cue")}
    assert values == {"press": "2 mm", "iti_min": "5 s", "drop": "7 ul", "cue": "6 khz"}
    assert found.origin == {"press": "stage easy", "iti_min": "M07", "drop": "--set"}
    assert found.course.by_hand == {"iti_min", "drop"}


def test_the_plan_gives_light_and_mask(tmp_path: Path) -> None:
    found = wanted(tmp_path, plan=True, on_day=15, today=Today(PLAN.row("M07", 15)))
    assert found.course.today is not None
    assert found.course.today.row.light
    assert (found.values["mask"], found.origin["mask"]) == (True, "the plan")
    assert found.lines[0].startswith("M07, day 15 of 16: light on 5 of every 20 trials")
    record = found.record()
    assert record["course"]["today"]["row"]["day"] == 15
    assert record["plan"]["study"] == PLAN.study
    assert record["said"] == list(found.lines)


def test_light_by_hand_without_a_plan_is_a_deviation(tmp_path: Path) -> None:
    found = wanted(tmp_path, opto=True, who="Ann", why="pilot")
    assert found.experiment.name == "cued_lever_inactivation"
    assert found.course.light(11) or any(found.course.light(n) for n in range(11, 31))
    assert any("planned no plan; done light on 5 of every 20" in line and "Ann: pilot" in line for line in found.lines)
    assert wanted(tmp_path, opto=False).course.today is None


def test_a_protocol_without_masking_light_is_told(tmp_path: Path) -> None:
    found = wanted(tmp_path, plan=True, protocol="habituation")
    assert any("planned masking light on every trial; done none: habituation has no mask" in x for x in found.lines)


def test_a_protocol_outside_of_its_stage_neither_moves_the_animal_nor_counts(tmp_path: Path) -> None:
    found = wanted(tmp_path, training=True, protocol="habituation")
    assert (found.course.stage, found.course.training) == ("", None)
    assert "press" not in found.origin


def test_chance_is_the_rig_s_own_or_as_asked(tmp_path: Path) -> None:
    assert wanted(tmp_path).seed == 1
    assert wanted(tmp_path, seed=7).seed == 7
    real: dict[str, Any] = {"config": {"body": "serial", "board": "mega2560"}, "weight_g": 23.0}
    assert wanted(tmp_path, **real).seed != wanted(tmp_path, **real).seed


def test_a_session_ends_after_an_hour_if_nothing_is_said(tmp_path: Path) -> None:
    assert wanted(tmp_path).rules == Rules(minutes=60)
    assert wanted(tmp_path, rules=Rules(trials=3)).rules == Rules(trials=3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"no_plan": True, "opto": True}, "--no-plan leaves the plan alone"),
        ({"day": 3}, "there is no light plan here"),
        ({"plan": True, "subject": "M70"}, "or run outside of the plan with --no-plan"),
        ({"plan": True, "day": 15, "protocol": "cued_lever"}, "cued_lever cannot give it: run cued_lever_inactivation"),
        ({"plan": True, "changes": {"light": "yes"}}, "the light plan gives it, trial by trial"),
        ({"changes": {"dorp": "6 ul"}}, 'did you mean "drop"'),
        ({"changes": {"drop": "600 ul"}}, "outside"),
        ({"weight_g": 234.0}, "no mouse weighs this many grams"),
        (
            {"config": {"body": "serial", "board": "mega2560"}},
            "was not weighed: give --weight in grams, or --no-weight",
        ),
        ({"config": {"training": "absent.yaml"}}, "absent.yaml: cannot be read"),
        ({"config": {"plan": "absent.yaml"}}, "absent.yaml"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(words: dict[str, Any], says: str, tmp_path: Path) -> None:
    assert says in refused(tmp_path, **words)


def test_a_stage_that_its_protocol_does_not_know_names_file_and_stage(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(STAGES.replace("press: 2 mm", "pres: 2 mm"), encoding="utf-8")
    said = refused(tmp_path, config={"training": "bad.yaml"})
    assert "bad.yaml: stage easy:" in said
    assert 'did you mean "press"' in said
