"""A whole study: the same to the byte, whoever runs its sessions – this process, several, or a Dask cluster."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rehearse import rig_folder
from studies import small_study, study_place  # noqa: F401 (fixture)

from rig.campaign import Job, run_job, run_study
from rig.cli import main
from rig.errors import ConfigError
from rig.plan.draw import derived_seed
from rig.record.entry import Entry


def files(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.glob("*/*_1/*"))}


def test_processes_make_the_same_study(study_place: Path, tmp_path: Path) -> None:  # noqa: F811
    seen: list[str] = []

    def done(job: Job, entry: Entry) -> None:
        seen.append(f"{job.subject} {entry.session.date}")

    assert run_study(small_study(), tmp_path, workers=2, done=done) == 4
    assert sorted(seen) == [f"M0{m} 2025-03-0{d}" for m in (1, 2) for d in (3, 4)]
    assert files(tmp_path) == files(study_place)


def test_a_dask_cluster_of_two_makes_the_same_study(study_place: Path, tmp_path: Path) -> None:  # noqa: F811
    from distributed import LocalCluster  # noqa: PLC0415

    cluster: Any = LocalCluster
    with cluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as running:
        assert run_study(small_study(), tmp_path, dask=running.scheduler_address) == 4
    assert files(tmp_path) == files(study_place)


def test_a_study_that_was_interrupted_goes_on(study_place: Path, tmp_path: Path) -> None:  # noqa: F811
    study = small_study()
    first = study.jobs()[0]
    shutil.copytree(study_place / first.folder, tmp_path / first.folder)
    half = tmp_path / ".running" / "M01-2"
    half.mkdir(parents=True)
    (half / "rubbish").write_text("of a session that was killed")
    assert run_study(study, tmp_path, workers=1) == 3
    assert files(tmp_path) == files(study_place)
    assert not (tmp_path / ".running").exists()


def test_seeds_differ_between_sessions_and_studies() -> None:
    seeds = [job.order(Path()).seed for study in (small_study(), small_study(seed=6)) for job in study.jobs()]
    assert len(set(seeds)) == len(seeds) == 8
    assert seeds[0] == derived_seed(5, "session", 1, 1) % (1 << 31)


def test_light_days_have_light_and_others_have_none(tmp_path: Path) -> None:
    study = small_study(mice=1, days=2, light_days=(2,))
    entries = [run_job(job, tmp_path) for job in study.jobs()]
    planned = [study.jobs()[i].order(tmp_path).today for i in (0, 1)]
    assert [bool(today and today.row.light) for today in planned] == [False, True]
    assert [entry.session.day for entry in entries] == [1, 2]
    assert entries[0].session.n_light == 0


@pytest.mark.parametrize(
    ("changes", "word"), [({"mice": 0}, "--mice"), ({"days": 1000}, "--days"), ({"light_days": (3,)}, "--light-days")]
)
def test_studies_that_cannot_be(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        small_study(**changes).jobs()


def test_no_scheduler_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no scheduler answers"):
        run_study(small_study(), tmp_path, dask="nonsense://127.0.0.1:1")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    words = ["simulate", "--config", str(config), "--mice", "1", "--days", "1", "--trials", "2", "--workers", "1"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["sessions"], told["ran"], told["trials"]) == (1, 1, 2)
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ran"] == 0
    assert main(words) == 0
    assert "success, %" in capsys.readouterr().out
    assert (tmp_path / "data" / "simulated-1" / "learning.png").read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--trials", "3"]) == 1
    assert "another study" in capsys.readouterr().err
