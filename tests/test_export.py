"""Sessions for others: NWB that says what the journal says and that the Inspector passes; Parquet and CSV."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nwbinspector import Importance, inspect_nwbfile
from pynwb import NWBHDF5IO
from studies import small_study, study_place  # noqa: F401 (fixture)
from test_derived import lever_of

from rig.campaign import run_job
from rig.cli import main
from rig.errors import ConfigError
from rig.export import export_session, nwb_name
from rig.export.about import About, read_about
from rig.record.derived import entry_of
from rig.record.folder import events_of, read_entries, sessions
from rig.session.summary import Rules

ABOUT = """
lab: Learning Lab
institution: Some University
experimenter: ["Doe, Jane"]
experiment: Cued lever presses; the thalamus silenced in experts.
animals:
  M1: {sex: F, date_of_birth: 2025-01-06, strain: C57BL/6J}
every_animal: {sex: M, date_of_birth: 2025-01-02}
light:
  wavelength_nm: 589
  opsin: ArchT
  virus: {construct: AAV9-hSyn-ArchT, manufacturer: a core, titer_vg_per_ml: 1.0e13, location: VA/VL,
          hemisphere: right, ap_mm: -1.0, ml_mm: 1.2, dv_mm: 3.4, volume_ul: 0.1}
"""


@pytest.fixture(scope="module")
def about(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("about") / "about.yaml"
    path.write_text(ABOUT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def lit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with light on some of its trials."""
    place = tmp_path_factory.mktemp("lit")
    (job,) = small_study(mice=1, days=1, light_days=(1,), rules=Rules(trials=15)).jobs()
    entry = run_job(job, place)
    assert entry.session.n_light >= 1
    return place / job.folder


@pytest.fixture(scope="module")
def lit_nwb(lit: Path, about: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = export_session(lit, tmp_path_factory.mktemp("nwb"), "nwb", read_about(about))
    return path


def opened(path: Path) -> Any:
    return NWBHDF5IO(str(path), "r").read()


def flat(value: Any) -> Any:
    return "+".join(value) if isinstance(value, (tuple, list)) else "" if value is None else value


def test_every_event_is_the_journals(lit: Path, lit_nwb: Path) -> None:
    nwb = opened(lit_nwb)
    rows: list[tuple[Any, ...]] = []
    for name, table in nwb.events.items():
        frame = table.to_dataframe()
        own = [key for key in frame.columns if key not in ("timestamp", "number", "board_us", "host_ns", "trial")]
        for row in frame.to_dict("records"):
            fields = {key.removesuffix("_") if key == "trial_" else key: row[key] for key in own}
            rows.append((row["number"], row["board_us"], row["host_ns"], name, fields, row["timestamp"]))
    rows.sort(key=lambda row: row[0])
    zero_us = json.loads(nwb.notes)["zero_board_us"]
    events = [event for event in events_of(read_entries(lit)[0]) if event.name != "lever"]
    assert len(rows) == len(events) > 1000
    for row, event in zip(rows, events, strict=True):
        assert row[:4] == (event.number, event.board_us, event.host_ns, event.name)
        assert row[4] == {key: flat(value) for key, value in event.fields.items()}
        assert row[5] == pytest.approx((event.board_us - zero_us) / 1e6, abs=1e-9)


def test_the_lever_is_the_journals_in_mm(lit: Path, lit_nwb: Path) -> None:
    nwb = opened(lit_nwb)
    times, counts = lever_of(lit)
    lever = nwb.acquisition["lever"]
    assert lever.data[:].tolist() == counts
    assert (lever.conversion, lever.unit, lever.rate) == (0.01, "millimeters", 1000.0)
    zero_us = json.loads(nwb.notes)["zero_board_us"]
    assert lever.starting_time == pytest.approx((times[0] - zero_us) / 1e6, abs=1e-9)
    assert np.ptp(np.diff(times)) == 0


def test_trials_light_animal_and_rig(lit: Path, lit_nwb: Path) -> None:
    nwb, entry = opened(lit_nwb), entry_of(lit)
    trials = nwb.trials.to_dataframe()
    assert trials["outcome"].tolist() == [flat(t.outcome) for t in entry.trials]
    assert trials["light"].tolist() == [t.light for t in entry.trials]
    zero_us = json.loads(nwb.notes)["zero_board_us"]
    cues = [np.nan if t.cue_us is None else (t.cue_us - zero_us) / 1e6 for t in entry.trials]
    np.testing.assert_allclose(trials["cue_time"], cues)
    assert (trials["stop_time"] > trials["start_time"]).all()
    epochs = nwb.intervals["optogenetic_epochs"].to_dataframe()
    assert len(epochs) == entry.session.n_light
    lit_trials = trials[trials["light"]]
    assert (epochs["start_time"].to_numpy() >= lit_trials["start_time"].to_numpy()).all()
    assert (epochs["stop_time"].to_numpy() <= lit_trials["stop_time"].to_numpy() + 0.2).all()
    assert epochs["power_in_mW"].between(5, 25).all()
    site = nwb.lab_meta_data["optogenetic_experiment_metadata"].optogenetic_sites_table.to_dataframe().iloc[0]
    assert (site["effector"].label, site["excitation_source"].name) == ("ArchT", "light_source")
    assert (nwb.subject.subject_id, nwb.subject.sex, nwb.identifier) == ("M01", "M", entry.session.uid)
    assert "rig" in nwb.devices
    assert nwb.source_script.startswith('"""')


def test_the_inspector_finds_nothing_against_best_practice(lit_nwb: Path) -> None:
    bad = [
        f"{message.importance.name} {message.check_function_name}: {message.message}"
        for message in inspect_nwbfile(nwbfile_path=str(lit_nwb))
        if message.importance is not Importance.BEST_PRACTICE_SUGGESTION
    ]
    assert bad == []


def test_without_light_and_without_anything_known(study_place: Path, tmp_path: Path) -> None:  # noqa: F811
    folder = sessions(study_place)[0]
    (path,) = export_session(folder, tmp_path, "nwb", About())
    assert path == tmp_path / nwb_name("M01", "2025-03-03_1", light=False)
    nwb = opened(path)
    assert "optogenetic_epochs" not in nwb.intervals
    assert len(nwb.trials) == 8


def test_parquet_and_csv_of_a_study(study_place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    for form, read in (("parquet", pd.read_parquet), ("csv", pd.read_csv)):
        out = tmp_path / form
        words = ["export", "--data", str(study_place), "--format", form, "--out", str(out), "--workers", "1", "--json"]
        assert main(words) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["sessions"], len(told["files"])) == (4, 13)
        index = read(out / f"sessions.{form}")
        assert index["n_trials"].tolist() == [8] * 4
        lever = read(out / "M02" / "2025-03-04_1" / f"lever.{form}")
        times, counts = lever_of(study_place / "M02" / "2025-03-04_1")
        assert lever["board_us"].tolist() == times
        assert lever["counts"].tolist() == counts
        assert set(lever["subject"]) == {"M02"}


def test_the_command_takes_sessions_and_animals(
    study_place: Path,  # noqa: F811
    about: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place, out = str(study_place), str(tmp_path)
    one = str(study_place / "M01" / "2025-03-03_1")
    assert main(["export", one, "--about", str(about), "--data", place, "--out", out]) == 0
    assert "1 sessions, 1 files" in capsys.readouterr().out
    assert main(["export", "M02", "--format", "csv", "--data", place, "--out", out, "--workers", "1"]) == 0
    assert "2 sessions, 7 files" in capsys.readouterr().out
    assert main(["export", "M20", "--data", place, "--out", out]) == 1
    assert "did you mean" in capsys.readouterr().err
    assert main(["export", "M02", "--data", place, "--about", str(tmp_path / "none.yaml")]) == 1


@pytest.mark.parametrize("bad", ["lab: [1", "labs: x", "animals: {M1: {sex: F, colour: brown}}", "light: {opsin: x}"])
def test_a_wrong_about_is_one_line_that_names_it(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "about.yaml"
    path.write_text(bad, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"about\.yaml") as caught:
        read_about(path)
    assert "\n" not in str(caught.value)
