"""What lies beside a journal: Parquet that says what the journal says, read by pandas, polars and DuckDB."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars
import pytest
from studies import study_place  # noqa: F401 (fixture)

from rig.record.derived import EVENTS, LEVER, MEASURES, TRIALS, derive, entry_of
from rig.record.folder import events_of, read_entries, sessions


@pytest.fixture
def folder(study_place: Path) -> Path:  # noqa: F811
    return sessions(study_place)[0]


def lever_of(folder: Path) -> tuple[list[int], list[int]]:
    """Every sample as the journal's events tell it: (board µs, counts as if never zeroed), one by one."""
    times, counts, zero = [], [], 0
    for event in events_of(read_entries(folder)[0]):
        if event.name == "zeroed":
            zero += event.fields["at_counts"]
        elif event.name == "lever":
            n, period_us = len(event.fields["offsets"]), event.fields["period_us"]
            times += [event.board_us - period_us * (n - 1 - i) for i in range(n)]
            counts += [zero + event.fields["first_counts"] + offset for offset in event.fields["offsets"]]
    return times, counts


def test_the_lever_is_the_journals(folder: Path) -> None:
    table = pd.read_parquet(folder / LEVER)
    times, counts = lever_of(folder)
    assert len(times) > 10_000
    assert table["board_us"].tolist() == times
    assert table["counts"].tolist() == counts
    np.testing.assert_allclose(table["mm"], np.array(counts) * 0.01, atol=1e-5)


def test_the_events_are_the_journals(folder: Path) -> None:
    table = pd.read_parquet(folder / EVENTS)
    events = [event for event in events_of(read_entries(folder)[0]) if event.name != "lever"]
    assert table["number"].tolist() == [event.number for event in events]
    assert table["board_us"].tolist() == [event.board_us for event in events]
    assert table["host_ns"].tolist() == [event.host_ns for event in events]
    assert table["name"].astype(str).tolist() == [event.name for event in events]
    told = [json.loads(json.dumps(event.fields)) for event in events]
    assert [json.loads(fields) for fields in table["fields"]] == told
    trial = 0
    for row, event in zip(table["trial"], events, strict=True):
        trial = event.fields["trial"] if event.name == "trial_begin" else trial
        assert row == trial


def test_the_trials_are_the_entrys(folder: Path) -> None:
    table = pd.read_parquet(folder / TRIALS)
    entry = entry_of(folder)
    assert table["trial"].tolist() == [trial.trial for trial in entry.trials]
    assert table["outcome"].tolist() == [trial.outcome for trial in entry.trials]
    rewarded = table[table["reward_us"].notna()]
    np.testing.assert_allclose(
        rewarded["cue_to_reward_s"], (rewarded["reward_us"] - rewarded["cue_us"]) / 1e6, atol=1e-6
    )


def test_a_whole_study_in_one_query(study_place: Path) -> None:  # noqa: F811
    """With DuckDB, polars and pandas alike."""
    pattern = str(study_place / "*" / "*" / LEVER)
    asked = f"SELECT subject, count(*) AS n, max(mm) AS top FROM read_parquet('{pattern}') GROUP BY subject ORDER BY 1"
    rows = duckdb.connect().execute(asked).fetchall()
    every = pd.concat([pd.read_parquet(path) for path in sorted(study_place.glob(f"*/*/{LEVER}"))])
    grouped = every.groupby(every["subject"].astype(str))["mm"].agg(["count", "max"])
    assert rows == [(name, row["count"], pytest.approx(row["max"])) for name, row in grouped.iterrows()]
    lazily = polars.scan_parquet(pattern).group_by("subject").len().sort("subject").collect()
    assert lazily["len"].to_list() == [row[1] for row in rows]


def test_measures_beside_the_journal_are_used_and_made_again_when_it_grew(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / folder.name
    shutil.copytree(folder, mine)
    (mine / MEASURES).unlink()
    entry = derive(mine)
    assert entry == entry_of(folder)
    made = (mine / MEASURES).stat().st_mtime_ns
    assert derive(mine) == entry
    assert (mine / MEASURES).stat().st_mtime_ns == made
    with (mine / "journal").open("ab") as file:
        file.write(b"torn")
    os.utime(mine / "journal")
    assert derive(mine).session.journal_bytes == entry.session.journal_bytes + 4
    assert (mine / MEASURES).stat().st_mtime_ns > made
    assert not list(mine.glob(".*"))
