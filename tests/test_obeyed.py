"""A plan is obeyed when every trial's light, as the read-back saw it, is the plan's; and what is not is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plan_examples import longest_run
from rehearse import rig_folder
from studies import run_here

from rig.campaign import Study
from rig.cli import main
from rig.config.file import load_config
from rig.light.obeyed import light_seen, obeyed
from rig.plan import light_trials
from rig.plan.file import read_plan, write_plan
from rig.record.folder import read_entries
from rig.session.summary import Rules

FOUR = ("--mice", "M01..M04", "--group", "opsin=2", "--group", "control=2", "--days", "3", "--light-days", "2,3")
MAKE = (*FOUR, "--fraction", "0.5", "--block", "4", "--first", "2", "--max-run", "2", "--start", "2025-03-03")
TRIALS = 14


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study, planned by one command and simulated. Read it, but leave it as it is."""
    folder = tmp_path_factory.mktemp("obeyed")
    outputs = {"laser": {"max_on_ms": 12000, "window_s": None, "max_duty_ms": None}}
    assert main(["plan", "make", str(folder / "plan.yaml"), *MAKE, "--seed", "7"]) == 0
    config = load_config(rig_folder(folder, safety__outputs=outputs))
    plan, changes = read_plan(folder / "plan.yaml"), {"iti_min": "1 s", "iti_max": "1 s"}
    run_here(Study(config, 4, 3, 7, changes=changes, rules=Rules(trials=TRIALS), given=plan), folder / "study")
    return folder


def test_the_light_of_a_whole_study_is_the_plan_s(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "check", str(study / "plan.yaml"), "--data", str(study / "study"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["good"]
    assert (found["sessions"], found["trials"], found["missing"], found["elsewhere"]) == (12, 12 * TRIALS, [], 0)
    assert found["planned"] == found["seen"] == 4 * 2 * 6  # half of twelve trials after the first two


def test_trial_by_trial_without_the_tool(study: Path) -> None:
    """The same from the sequence and the read-back, for each session."""
    plan = read_plan(study / "plan.yaml")
    for subject in plan.animals:
        for day, date in enumerate(plan.dates(subject), 1):
            seen = light_seen(read_entries(study / "study" / subject / f"{date}_1")[0])
            assert [trial for trial, _ in seen] == list(range(1, TRIALS + 1))
            lights = [light for _, light in seen]
            assert lights == light_trials(plan.row(subject, day), TRIALS).tolist()
            assert longest_run(lights) <= 2
            assert not any(lights[:2])


def test_light_does_something_only_where_it_can(study: Path) -> None:
    plan = read_plan(study / "plan.yaml")
    for job in Study(load_config(study / "config.yaml"), 4, 3, 7, given=plan).jobs():
        light = plan.animals[job.subject].light.get(job.day)
        blind = plan.animals[job.subject].group == "control" or (light is not None and light.window == "blocked")
        assert job.light_effect() == (0.0 if blind else 0.75)
        assert str(job.order(study).animal).endswith("light=0" if blind else "light=0.75")


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--mice", "5"), "the plan has 4 animals and 3 days"), (("--light-days", "2"), "leave out one of them")],
)
def test_a_rehearsal_is_the_plan_s_or_its_own(
    words: tuple[str, ...], says: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--config", str(study / "config.yaml"), "--plan", str(study / "plan.yaml"))
    assert main(["simulate", *given, *words]) == 1
    assert says in capsys.readouterr().err


def test_another_plan_was_not_obeyed(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "plan.yaml"
    assert main(["plan", "make", str(other), *MAKE, "--seed", "8"]) == 0
    capsys.readouterr()
    assert main(["plan", "check", str(other), "--data", str(study / "study")]) == 1
    said = capsys.readouterr().out
    assert "trials not as planned" in said.splitlines()[0]
    assert "no light planned, not so by read-back" in said


def test_what_is_missing_and_what_is_no_part_of_it(study: Path, tmp_path: Path) -> None:
    plan = read_plan(study / "plan.yaml")
    found = obeyed(plan, tmp_path)
    assert found.good
    assert len(found.missing) == 12
    write_plan(plan, tmp_path / "plan.yaml")
    config = rig_folder(tmp_path, plan="plan.yaml")
    run = ["run", "--config", str(config), "--subject", "M01", "--fast", "--trials", "6", "--animal", "none", "--json"]
    assert main([*run, "--no-plan"]) == 0
    assert main([*run, "--date", "2025-03-03", "--opto", "--who", "Ann", "--why", "a try"]) == 0
    found = obeyed(plan, tmp_path / "data")
    assert (found.sessions, found.elsewhere, len(found.missing)) == (0, 1, 11)
    (deviation,) = found.deviations
    assert "(Ann: a try)" in deviation
    assert found.good
