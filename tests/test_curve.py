"""rig curve: the figure for the wall, and the same as text, CSV and JSON."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from studies import small_study, study_place  # noqa: F401 (fixture)

from rig.archive import Archive
from rig.archive.fill import FILE, sync
from rig.campaign import run_job
from rig.cli import main
from rig.session.summary import Rules


@pytest.fixture(scope="module")
def place(study_place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The small study with a light day after it, archived."""
    place = tmp_path_factory.mktemp("curve") / "study"
    shutil.copytree(study_place, place)
    for job in small_study(days=3, light_days=(3,), rules=Rules(trials=24)).jobs()[4:]:
        run_job(job, place)
    with Archive(f"sqlite:///{place / FILE}") as archive:
        assert sync(archive, place, workers=1).new == 6
    return place


def test_the_figure_says_units_n_and_light(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "curve.svg"
    assert main(["curve", "--data", str(place), "--out", str(out)]) == 0
    ElementTree.parse(out)
    text = out.read_text(encoding="utf-8")
    said = (
        "rewarded trials, %",
        "cue to first movement, s",
        "median pairwise r",
        "lever, mm",
        "n = 2",
        "light on",
        "shaded",
    )
    for words in said:
        assert words in text, words
    again = tmp_path / "again.svg"
    assert main(["curve", "--data", str(place), "--out", str(again)]) == 0
    assert again.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_other_endings(place: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"curve.{ending}"
    assert main(["curve", "M01", "--data", str(place), "--out", str(out)]) == 0
    assert out.stat().st_size > 10_000


def test_numbers_as_csv_and_json_are_the_archives(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "curve.csv"
    assert main(["curve", "--data", str(place), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["all"]
    assert told["days"] == [1, 2, 3]
    assert told["light_days"] == [3]
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with Archive(f"sqlite:///{place / FILE}") as archive:
        found, sessions = archive.found(), archive.sessions()
    for row in sessions:
        day = int(row["date"][-2:]) - 2
        mine = [r for r in rows if (r["mouse"], int(r["day"])) == (row["subject"], day)]
        assert [r["trials"] for r in mine] == (["all", "off", "on"] if row["n_light"] else ["all"])
        for r in mine:
            wanted = found[row["uid"]]["measures"][r["trials"]]["success"]
            assert (float(r["success"]) if r["success"] else None) == wanted
    i = told["mice"].index("M02")
    assert told["measures"]["success"]["all"]["by_mouse"][i][0] is not None


def test_in_the_terminal_and_in_groups(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curve", "--data", str(place)]) == 0
    said = capsys.readouterr().out
    assert "2 mice, 3 days, light on day 3" in said
    assert "light on" in said
    words = ["curve", "--data", str(place), "--group", "a=M01", "--group", "b=M02"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "a: 1 mice" in said
    assert "b: 1 mice" in said


def test_statistics_on_request(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curve", "--data", str(place), "--statistics"]) == 0
    said = capsys.readouterr().out
    assert "paired within days" in said
    assert "measure ~ day + (day | mouse)" in said
    assert main(["curve", "--data", str(place), "--statistics", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["all"]
    assert told["light_effect"]["success"]["n"] == 2
    assert told["mixed_model"]["success"]["n_values"] == 4


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["M03"], "did you mean"), (["--out", "x.txt"], ".png"), (["--group", "a=M9"], "none of these animals")],
)
def test_complaints(place: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str) -> None:
    assert main(["curve", "--data", str(place), *words]) == 1
    assert complaint in capsys.readouterr().err
