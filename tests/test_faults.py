"""What goes wrong at a rig ends as it is stated, seen through the door: light, plan, dates, sessions of one day.

Each behaviour that these tests name stands in docs/study.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rehearse import rig_folder

from rig.cli import main
from rig.doors.verify import check
from rig.events import Kind, read_json
from rig.record.folder import events_of, manifest_of, read_entries

SHORT = ("iti_min=1s", "iti_max=1s", "response_window=3s", "timeout=100ms")
QUICK = (*(word for change in SHORT for word in ("--set", change)), "--animal", "none")  # trials of 4.2 s
MAPPING = ("--protocol", "axon_mapping", "--trials", "6", *QUICK[-2:], "--set", "interval_min=1s")


def lit_rig(folder: Path, **changes: Any) -> Path:
    """A rig on which light on every trial is within the ceilings."""
    outputs = {"laser": {"max_on_ms": 12000, "window_s": None, "max_duty_ms": None}}
    return rig_folder(folder, safety__outputs=outputs, **changes)


def run(capsys: pytest.CaptureFixture[str], config: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """A fast session: its exit code, and its summary."""
    code = main(["run", "--config", str(config), "--fast", "--json", *words])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else {"said": said.err}


def light_trials(summary: dict[str, Any]) -> list[int]:
    """The trials in which the laser was commanded, from the events."""
    found, trial = [], 0
    for event in events_of(read_entries(Path(summary["session"]))[0]):
        if event.name == "trial_begin":
            trial = event.fields["trial"]
        elif event.name == "output" and "laser" in event.fields["active"] and trial not in found:
            found.append(trial)
    return found


def notes(summary: dict[str, Any], name: str) -> list[dict[str, Any]]:
    entries, _ = read_entries(Path(summary["session"]))
    found = [read_json(entry.payload) for entry in entries if entry.kind == Kind.NOTE]
    return [note for note in found if note.get("note") == name]


# --- light ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def every_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, tuple[str, ...]]:
    """A rig with a plan that gives light on half of all trials from the first on, and the words of its first day."""
    words = ["--mice", "M01..M02", "--group", "opsin=M01", "--group", "control=M02", "--days", "3"]
    words += ["--light-days", "1,2,3", "--windows", "none", "--fraction", "0.5", "--block", "2", "--first", "0"]
    words += ["--max-run", "none", "--start", "2025-03-03", "--seed", "3"]
    assert main(["plan", "make", str(tmp_path / "plan.yaml"), *words]) == 0
    capsys.readouterr()
    config = lit_rig(tmp_path, plan="plan.yaml")
    return config, ("--subject", "M01", "--date", "2025-03-03", "--trials", "12", *QUICK)


def test_a_laser_that_dies_ends_the_light_and_not_the_session(
    every_trial: tuple[Path, tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    config, words = every_trial
    code, summary = run(capsys, config, *words, "--fault", "laser_dead@20")
    light = summary["light"]
    (mismatch,) = light["mismatches"]
    assert "command without read-back" in mismatch
    assert (code, summary["ended"], summary["trials"]) == (1, "trials", 12)  # not proven: the door says so
    last = light_trials(summary)[-1]
    assert light["ended"] == mismatch == f"trial {last}: command without read-back"
    assert 2 <= light["trials"] <= last < light["planned_trials"] * 2  # it was planned to go on, and did not
    (note,) = notes(summary, "light_mismatch")
    assert (note["trial"], note["ends_light"]) == (last, True)
    report = check(Path(summary["session"]))
    assert report.good, report.faults


def test_light_may_go_on_after_a_mismatch_where_the_rig_says_so(
    every_trial: tuple[Path, tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    config, words = every_trial
    config = lit_rig(config.parent, plan="plan.yaml", laser__on_mismatch="go_on")
    code, summary = run(capsys, config, *words, "--fault", "laser_dead@20")
    light = summary["light"]
    assert (code, light["ended"]) == (1, "")
    assert light["trials"] == light["planned_trials"] == 6
    assert len(light["mismatches"]) == light["trials"] - light["proven_trials"] >= 2
    assert check(Path(summary["session"])).good


def test_an_unplugged_read_back_is_light_that_nothing_proves(
    every_trial: tuple[Path, tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    config, words = every_trial
    code, summary = run(capsys, config, *words, "--fault", "read_back_unplugged")
    light = summary["light"]
    assert (code, light["trials"], light["proven_trials"]) == (1, 1, 0)
    assert "command without read-back" in light["ended"]
    assert check(Path(summary["session"])).good


def test_a_laser_that_stays_on_ends_the_session(
    every_trial: tuple[Path, tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    config, words = every_trial
    code, summary = run(capsys, config, *words, "--fault", "laser_stuck@10")
    assert code == 1
    assert summary["ended"] == "the laser's read-back stays on without a command: close its shutter"
    assert "read-back without a command" in summary["light"]["ended"]
    assert summary["minutes"] * 60 < 10 + 5 + 3  # a trial's light may hide it for as long as it lasts
    assert check(Path(summary["session"])).good


@pytest.mark.parametrize("fault", ["laser_dead@20", "read_back_unplugged"])
def test_light_of_the_protocol_s_own_ends_as_well(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mapping has no plan; its trains are the protocol's. They stop, and the trials keep their length."""
    code, summary = run(capsys, lit_rig(tmp_path), *MAPPING, "--fault", fault)
    assert (code, summary["trials"], summary["outcomes"]) == (1, 6, {"stimulated": 6})
    assert "command without read-back" in summary["light"]["ended"]
    lit = light_trials(summary)
    assert lit == list(range(1, len(lit) + 1))
    assert 1 <= len(lit) < 6
    states = [e for e in events_of(read_entries(Path(summary["session"]))[0]) if e.name == "state"]
    begin_us = [event.board_us for event in states if event.fields["state"] == "light"]
    end_us = [event.board_us for event in states if event.fields["state"] == "interval"]
    assert [b - a for a, b in zip(begin_us, end_us, strict=True)] == [
        955_000
    ] * 6  # 19 periods of 50 ms and a pulse of 5
    report = check(Path(summary["session"]))
    assert report.good, report.faults


def test_without_a_read_back_a_rig_gives_no_light_unless_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = lit_rig(tmp_path, inputs={"lick": {"active_low": False}})
    code, said = run(capsys, config, *MAPPING)
    assert code == 1
    assert "laser_back is not wired, so light cannot be proven" in said["said"]
    assert not (tmp_path / "data").exists()
    config = lit_rig(tmp_path, inputs={"lick": {"active_low": False}}, laser__proof="none")
    code, summary = run(capsys, config, *MAPPING)
    assert code == 0, summary
    assert (summary["light"]["trials"], summary["light"]["proven_trials"]) == (6, 0)


# --- plan and dates ---------------------------------------------------------------------------------------------------


@pytest.fixture
def planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A rig with a plan of four days, the last two with light."""
    words = ["--mice", "M01..M04", "--group", "opsin=2", "--group", "control=2", "--days", "4", "--light-days", "3,4"]
    assert main(["plan", "make", str(tmp_path / "plan.yaml"), *words, "--start", "2025-03-03", "--seed", "3"]) == 0
    capsys.readouterr()
    return lit_rig(tmp_path, plan="plan.yaml")


def day(number: int) -> tuple[str, ...]:
    return ("--subject", "M01", "--date", f"2025-03-{2 + number:02}", "--trials", "2", *QUICK)


def test_the_wrong_day_s_clock_is_refused_and_a_day_by_hand_is_on_record(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, planned, *day(1))[0] == 0
    for words, says in (
        (("--date", "2025-03-02"), "the date is 2025-03-02 but the last session was on 2025-03-03"),
        (("--date", "2025-03-05"), "day 3 has light but day 2 had no session"),
        (("--date", "2025-04-05"), "2025-04-05"),
    ):
        code, said = run(capsys, planned, *day(1), *words)
        assert code == 1
        assert says in said["said"]
        assert "--day" in said["said"] or "M01" in said["said"]
    assert len(list((planned.parent / "data" / "M01").iterdir())) == 1  # what is refused leaves nothing
    by_hand = ("--date", "2025-03-05", "--day", "3", "--who", "Ann", "--why", "day 2 was a power cut")
    code, summary = run(capsys, planned, *day(1), *by_hand)
    assert code == 0
    said = manifest_of(read_entries(Path(summary["session"]))[0])["said"]
    assert any("day 3 by hand (Ann: day 2 was a power cut)" in line for line in said)


def test_a_plan_that_is_edited_after_its_first_session_says_so_ever_after(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, planned, *day(1))[0] == 0
    path = planned.parent / "plan.yaml"
    text = path.read_text(encoding="utf-8")
    assert "max_run: 3" in text
    path.write_text(text.replace("max_run: 3", "max_run: 4"), encoding="utf-8")
    for number in (2, 3):
        code, summary = run(capsys, planned, *day(number))
        assert code == 0
        manifest = manifest_of(read_entries(Path(summary["session"]))[0])
        assert manifest["course"]["today"]["plan_changed"]
        assert "the plan was changed after its first session: max_run 3 is now 4" in manifest["said"]
        assert check(Path(summary["session"])).good


def test_two_sessions_in_a_day_share_its_trials(planned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert all(run(capsys, planned, *day(number))[0] == 0 for number in (1, 2))
    first, second = (run(capsys, planned, *day(3), "--trials", trials)[1] for trials in ("14", "12"))
    whole = run(
        capsys, lit_rig(planned.parent, plan="plan.yaml", data="other"), *day(3), "--trials", "26", "--day", "3"
    )
    lights = light_trials(first) + [14 + trial for trial in light_trials(second)]
    assert lights == light_trials(whole[1])
    assert min(lights) > 10
    assert second["session"].endswith("_2")
    said = manifest_of(read_entries(Path(second["session"]))[0])["said"]
    assert "day 3 has begun already: trials go on from 15" in said


def test_light_by_hand_is_a_deviation_with_its_reason(planned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert all(run(capsys, planned, *day(number))[0] == 0 for number in (1, 2))
    words = (*day(3), "--trials", "12", "--no-opto", "--who", "Ann", "--why", "window fogged")
    code, summary = run(capsys, planned, *words)
    assert (code, light_trials(summary)) == (0, [])
    said = manifest_of(read_entries(Path(summary["session"]))[0])["said"]
    assert any("done no light (Ann: window fogged)" in line for line in said)
    assert check(Path(summary["session"])).good


def test_who_asks_for_light_never_goes_without_it_and_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a plan light comes by the usual rules, on a quarter of the trials after the first ten."""
    config = lit_rig(tmp_path)
    code, said = run(capsys, config, "--opto", "--trials", "5", *QUICK)
    assert code == 1
    assert "--opto: none of 5 trials would have light (light on 5 of every 20 trials (0.25), first 10" in said["said"]
    assert "ask for more --trials" in said["said"]
    assert not (tmp_path / "data").exists()
    code, summary = run(capsys, config, "--opto", "--trials", "30", "--why", "a pilot", *QUICK)
    light = summary["light"]
    assert (code, light["planned_trials"], light["proven_trials"], light_trials(summary)) == (0, 5, 5, due(summary))
    said_then = manifest_of(read_entries(Path(summary["session"]))[0])["said"]
    assert any("leaves the plan: planned no plan; done light on 5 of every 20" in line for line in said_then)


def due(summary: dict[str, Any]) -> list[int]:
    """The trials that were given light, by their notes."""
    return [note["trial"] for note in notes(summary, "trial") if note["given"]["light"]]


def test_a_light_day_that_came_to_none_says_so(planned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert all(run(capsys, planned, *day(number))[0] == 0 for number in (1, 2))
    assert main(["run", "--config", str(planned), "--fast", *day(3)]) == 0
    assert "NO LIGHT: none was due in these 2 trials (light on 5 of every 20" in capsys.readouterr().out
