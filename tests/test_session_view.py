"""One session as it is looked at: what is drawn is what the journal says."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rehearse import rig_folder, run_session
from studies import small_study, study_place  # noqa: F401 (fixture)

from rig.campaign import run_job
from rig.cli import main
from rig.errors import RecordError
from rig.figures.session import draw_session
from rig.record.derived import entry_of, read_session
from rig.record.folder import events_of, read_entries, sessions
from rig.record.view import SessionView, session_view, view_lines
from rig.session.summary import Rules


@pytest.fixture(scope="module")
def lit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with light on some of its trials."""
    place = tmp_path_factory.mktemp("lit")
    (job,) = small_study(mice=1, days=1, light_days=(1,), rules=Rules(trials=15)).jobs()
    run_job(job, place)
    return place / job.folder


def view_of(folder: Path) -> SessionView:
    return session_view(read_session(folder), entry_of(folder))


def test_every_mark_is_an_event(lit: Path) -> None:
    view = view_of(lit)
    cues: list[int] = []
    licks: list[list[float]] = []
    presses: list[list[float]] = []
    light: list[list[float]] = []
    before: list[str] = []
    pending: list[int] = []
    on = False
    for event in events_of(read_entries(lit)[0]):
        if event.name == "trial_begin":
            pending = []
        if event.name == "state" and event.fields["state"] == "cue":
            cues.append(event.board_us)
            for rows in (licks, presses, light):
                rows.append([])
            before.append("")
            presses[-1] += [(t - event.board_us) / 1e6 for t in pending]
        if event.name == "rule" and event.fields["decision"] == "press":
            pending.append(event.board_us)
            if cues and pending[-1] > cues[-1]:
                presses[-1].append((event.board_us - cues[-1]) / 1e6)
        if event.name == "input" and "lick" in event.fields["changed"] and "lick" in event.fields["levels"]:
            licks[-1].append((event.board_us - cues[-1]) / 1e6)
        if event.name == "output" and ("laser" in event.fields["active"]) != on:
            on = not on
            light[-1].append((event.board_us - cues[-1]) / 1e6)
    assert len(view.trial) == len(cues) == 15
    assert view.lit.sum() >= 1
    for i, pulses in enumerate(view.light_s):
        np.testing.assert_allclose(pulses.ravel(), light[i])
    assert sum(map(len, view.licks_s)) == sum(map(len, licks)) > 10
    answers = [[t for t in row if 0 < t < 10] for row in presses]
    assert [[t for t in row if 0 < t < 10] for row in view.presses_s] == [pytest.approx(row) for row in answers]


def test_levers_are_aligned_to_the_cue(study_place: Path) -> None:  # noqa: F811
    folder = sessions(study_place)[0]
    view, session, entry = view_of(folder), read_session(folder), entry_of(folder)
    lever = session.columns.lever
    trial = next(i for i, t in enumerate(entry.trials) if t.outcome == "rewarded")
    cue_us = entry.trials[trial].cue_us
    assert cue_us is not None
    at = [np.abs(lever.t_us - (cue_us + 1e6 * s)).argmin() for s in view.lever_s]
    mm = 0.01 * lever.counts[at]
    rest = np.median(mm[80:100])
    np.testing.assert_allclose(view.lever_mm[trial], mm - rest, atol=1e-6)
    hit = np.abs(view.lever_s - view.reward_s[trial]).argmin()
    assert view.lever_mm[trial][hit - 30 : hit + 30].max() > 2.5  # the press that was paid for


def test_the_compact_form_has_a_sign_a_trial(lit: Path) -> None:
    view = view_of(lit)
    lines = view_lines(view)
    assert lines[1].count("●") == view.rewarded.sum()
    assert lines[1].count("·") == (~view.rewarded).sum()
    assert lines[2].count("▲") == view.lit.sum()
    assert "light on" in lines[4]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_figure_says_what_it_shows(lit: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"session.{ending}"
    draw_session(view_of(lit), path)
    if ending == "svg":
        ElementTree.parse(path)
        text = path.read_text(encoding="utf-8")
        assert "<!-- s from cue -->" in text
        assert "<!-- lever, mm -->" in text
        assert "light on (n = " in text
    else:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_command(lit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures" / "one.svg"
    assert main(["show", str(lit), "--out", str(out)]) == 0
    assert out.exists()
    assert "▲ light" in capsys.readouterr().out
    assert main(["show", str(lit), "--out", str(tmp_path / "one.txt")]) == 1
    assert ".png" in capsys.readouterr().err


def test_a_session_without_a_cue_is_shown_and_not_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    summary = run_session(config, capsys, "--protocol", "valve_flush", "--trials", "1")
    folder = Path(summary["session"])
    assert main(["show", str(folder)]) == 0
    with pytest.raises(RecordError, match="no trial"):
        view_of(folder)
    assert main(["show", str(folder), "--out", str(tmp_path / "x.png")]) == 1
