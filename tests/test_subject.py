"""An animal over its sessions, through the door: stages up and down, water and weight, its page, its own parameters."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from rehearse import rig_folder

from rig.cli import main
from rig.config.file import load_config
from rig.doors.run import asked_weight
from rig.doors.verify import check
from rig.errors import RecordError
from rig.record.brief import BRIEF, brief
from rig.record.folder import manifest_of, read_entries
from rig.subject.history import history
from rig.subject.ledger import LEDGER, read_ledger

STAGES = """
stages:
  - name: drops
    protocol: habituation
    params: {interval_min: 2 s, interval_max: 3 s}
    advance: {sessions: 1}
  - name: easy
    protocol: cued_lever
    params: {press: 2 mm, response_window: 5 s}
    advance: {success: 0.6, trials: 8}
    fall_back: {success: 0.1, sessions: 2}
  - name: task
    protocol: cued_lever
    fall_back: {success: 0.2, trials: 6}
"""
EXPERT = ("--animal", "mouse:day=14")
QUICK = ("--set", "iti_min=1s", "--set", "iti_max=1s")


class Rig:
    """A rig with training, and its commands."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        (folder / "training.yaml").write_text(STAGES, encoding="utf-8")
        self.config = rig_folder(folder, training="training.yaml")
        self.data = folder / "data"

    def run(self, day: int, *words: str, trials: int = 4) -> tuple[dict[str, Any], dict[str, Any]]:
        """A session on a day of March 2025: its summary and its manifest."""
        date = f"2025-03-{day:02}"
        common = ("--subject", "M07", "--fast", "--json", "--date", date, "--trials", str(trials))
        assert main(["run", "--config", str(self.config), *common, *words]) == 0
        summary = json.loads(self.capsys.readouterr().out)
        report = check(Path(summary["session"]))
        assert report.good, report.faults
        return summary, manifest_of(read_entries(Path(summary["session"]))[0])

    def say(self, *words: str) -> str:
        """What ``rig subject`` prints."""
        assert main(["subject", "--config", str(self.config), *words]) == 0
        return self.capsys.readouterr().out

    def complaint(self, *words: str) -> str:
        assert main(["subject", "--config", str(self.config), *words]) == 1
        return self.capsys.readouterr().err

    def page(self, day: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.say("M07", "--date", f"2025-03-{day:02}", "--json"))
        return found


@pytest.fixture
def rig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Rig:
    return Rig(tmp_path, capsys)


def test_an_animal_goes_through_its_training_and_falls_back_never_silently(rig: Rig) -> None:
    summary, manifest = rig.run(3)
    assert (summary["stage"], manifest["protocol"]["name"]) == ("drops", "habituation")
    assert manifest["params_from"] == {"interval_min": "stage drops", "interval_max": "stage drops"}

    summary, manifest = rig.run(4, *EXPERT, *QUICK, trials=20)  # moves on by sessions, then by trials under way
    assert manifest["course"]["stage"] == "easy"
    assert "stage drops → easy: 1 session done" in manifest["said"]
    assert (manifest["params"]["press"], manifest["params_from"]["press"]) == ("2 mm", "stage easy")
    assert summary["stage"] == "task"
    found = brief(Path(summary["session"]))
    assert found is not None
    assert [move.split(":")[0] for move in found.moves] == ["stage drops → easy", "stage easy → task"]
    assert "over the last 8 trials, 0.6 asked for" in found.moves[1]
    given = [note["given"] for note in notes(summary, "trial") if note["stage"] == "task"]
    assert given
    assert all(one == {"press": "3 mm", "response_window": "10 s"} for one in given)

    summary, _ = rig.run(5, "--animal", "none", *QUICK, trials=10)  # nobody presses: back to the easy stage
    assert summary["stage"] == "easy"
    lines = rig.page(5)["lines"]
    assert "stage: easy (2 of 3)" in lines
    assert any("stage task → easy: success 0.00 over the last 6 trials, below 0.2" in line for line in lines)

    summary, _ = rig.run(6, "--animal", "none", *QUICK, trials=3)  # the second poor session in this stage
    assert summary["stage"] == "easy"
    lines = rig.page(6)["lines"]
    assert any("next session stage easy → drops: success 0.00 or less in the last 2 sessions" in x for x in lines)
    summary, manifest = rig.run(7)
    assert manifest["protocol"]["name"] == "habituation"


def notes(summary: dict[str, Any], name: str) -> list[dict[str, Any]]:
    entries, _ = read_entries(Path(summary["session"]))
    found = [json.loads(entry.payload) for entry in entries if entry.payload.startswith(b"{")]
    return [note for note in found if note.get("note") == name]


def test_a_stage_by_hand_has_its_reason(rig: Rig) -> None:
    rig.run(3)
    rig.say("M07", "--stage", "task", "--why", "trained elsewhere", "--who", "Ann", "--date", "2025-03-03")
    _, manifest = rig.run(4, *QUICK)
    assert "stage drops → task: by hand (Ann: trained elsewhere)" in manifest["said"]
    assert 'there is no stage "taks"' in rig.complaint("M07", "--stage", "taks")


def test_its_own_parameters_go_with_it_and_show_where_they_come_from(rig: Rig, capsys: Any) -> None:
    rig.run(3)
    rig.say("M07", "--set", "press=2.5mm", "--why", "small mouse", "--who", "Ann", "--date", "2025-03-03")
    summary, manifest = rig.run(4, *QUICK)
    assert (manifest["params"]["press"], manifest["params_from"]["press"]) == ("2.5 mm", "M07")
    assert manifest["params_from"]["iti_min"] == "--set"
    assert main(["show", summary["session"]]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "from M07: press 2.5 mm" in shown
    assert "from stage easy: response_window 5 s" in shown
    assert "from --set: iti_min 1 s" in shown
    assert "at their defaults:" in shown
    assert "stage easy (2 of 3)" in shown
    assert "its own: press 2.5mm (Ann, 2025-03-03: small mouse)" in rig.page(4)["lines"]
    rig.say("M07", "--unset", "press", "--date", "2025-03-04")
    assert rig.page(5)["own"] == {}
    assert "no protocol that it may run has such a parameter" in rig.complaint("M07", "--set", "pres=2mm")
    assert "is outside" in rig.complaint("M07", "--set", "press=200mm")
    assert "the light plan gives it" in rig.complaint("M07", "--set", "light=yes")


def test_water_and_weight_are_kept_and_what_is_due_is_said(rig: Rig, capsys: Any) -> None:
    rig.say("M07", "--baseline", "25", "--date", "2025-03-02")
    summary, _ = rig.run(3, "--weight", "24")
    assert summary["water_ul"] == 32
    page = rig.page(3)
    assert (page["weight_g"], page["baseline_g"]) == (24, 25)
    assert page["water_ul"] == {"sessions": 32, "by_hand": 0, "due": 24 * 40 - 32}
    rig.say("M07", "--water", "500", "--date", "2025-03-03")
    assert rig.page(3)["water_ul"]["due"] == 24 * 40 - 532
    assert rig.page(4)["water_ul"]["due"] == 24 * 40
    words = ("--subject", "M07", "--date", "2025-03-04", "--trials", "4", "--fast", "--weight", "19.5")
    assert main(["run", "--config", str(rig.config), *words]) == 0
    said = capsys.readouterr().out
    assert "M07 weighs 19.5 g, 78 % of its 25 g: under 80 %" in said
    assert "M07 had 0.0" in said
    assert "top-up due: 0.7" in said
    assert any("WARNING: M07 weighs 19.5 g" in line for line in rig.page(4)["lines"])


@pytest.mark.parametrize(
    ("typed", "weight_g", "refused"), [("23.4", 23.4, False), ("23.4 g", 23.4, False), ("", None, True)]
)
def test_a_real_rig_asks_for_the_weight_once_and_may_be_refused(
    typed: str, weight_g: float | None, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(rig_folder(tmp_path, body="serial", board="mega2560"))
    args = argparse.Namespace(no_weight=False, json=False, subject="M07", weight=None, resume=None)
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return typed

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    assert asked_weight(args, config) == weight_g
    assert (len(asked), args.no_weight) == (1, refused)
    assert "M07" in asked[0]
    args.subject = "test"
    assert asked_weight(args, config) is None
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("M07", "--weight", "234"), "no mouse weighs this many grams"),
        (("M07", "--water", "-3"), "expected microlitres"),
        (("M07", "--set", "press"), "expected NAME=VALUE"),
        (("--weight", "23"), "name the animal"),
        (("../M07", "--weight", "23"), "it names a folder"),
        (("M70",), "nothing is known of it"),
    ],
)
def test_slips_are_refused_and_leave_no_line(words: tuple[str, ...], says: str, rig: Rig) -> None:
    assert says in rig.complaint(*words)
    assert read_ledger(rig.data, "M07") == ()


def test_the_page_and_the_list(rig: Rig) -> None:
    rig.run(3, "--weight", "24")
    said = rig.say("M07", "--date", "2025-03-03")
    for words in (
        "stage: easy (2 of 3)",
        "stage drops → easy: 1 session done",
        "days trained: 1",
        "light plan: none",
        "weight: 24 g",
        "2025-03-03_1",
    ):
        assert words in said
    (row,) = json.loads(rig.say("--json"))
    assert (row["subject"], row["days"], row["last"]) == ("M07", 1, "2025-03-03_1")
    assert "M07" in rig.say()


def test_light_is_summed_by_site(rig: Rig) -> None:
    mapping = ("--protocol", "axon_mapping", "--animal", "none", "--set", "interval_min=1s", "--set", "interval_max=1s")
    for day, site in ((3, "M1"), (4, "M1"), (5, "V1")):
        rig.run(day, *mapping, "--set", f"site={site}", trials=2)
    lines = [line for line in rig.page(5)["lines"] if line.startswith("light so far")]
    assert lines == ["light so far: 4.0 mJ at M1", "light so far: 2.0 mJ at V1"]  # 100 ms at 10 mW a trial


def test_a_plan_stands_on_the_page(rig: Rig) -> None:
    plan = rig.config.parent / "plan.yaml"
    words = ["--mice", "M06..M07", "--group", "opsin=1", "--group", "control=1", "--days", "4", "--light-days", "3,4"]
    assert main(["plan", "make", str(plan), *words, "--start", "2025-03-03", "--seed", "1", "--blind"]) == 0
    rig.config = rig_folder(rig.config.parent, plan="plan.yaml", training="training.yaml")
    said = rig.say("M07", "--date", "2025-03-03")
    assert "light on day 3, 4" in said
    assert "M07, day 1 of 4: no light" in said
    assert "opsin" not in said
    assert "day 3 has light but" in rig.say("M07", "--date", "2025-03-05")


def test_a_brief_is_made_again_when_it_is_gone_or_old(rig: Rig) -> None:
    summary, _ = rig.run(3)
    session = Path(summary["session"])
    first = brief(session)
    (session / BRIEF).write_text('{"version": 0}', encoding="utf-8")
    assert brief(session) == first
    (session / BRIEF).unlink()
    assert history(rig.data, "M07").briefs == (first,)


def test_a_killed_session_counts_for_what_it_gave(rig: Rig) -> None:
    summary, _ = rig.run(3)
    journal = Path(summary["session"]) / "journal"
    data = journal.read_bytes()
    journal.write_bytes(data[: int(0.7 * len(data))])
    (killed,) = history(rig.data, "M07").briefs
    assert killed.ended == ""
    assert 0 < killed.water_ul < 32
    assert killed.water_ul / 8 == pytest.approx(round(killed.water_ul / 8), abs=0.001)


def test_a_damaged_ledger_names_its_line(rig: Rig) -> None:
    rig.say("M07", "--weight", "24")
    with open(rig.data / "M07" / LEDGER, "a", encoding="utf-8") as file:
        file.write("{nonsense\n")
    with pytest.raises(RecordError, match=r"ledger.ndjson:2: not a line of a ledger"):
        history(rig.data, "M07")
