"""What lies beside a journal: Parquet that says what the journal says, read by pandas, polars and DuckDB."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import duckdb
import numpy as np
import pandas as pd
import polars
import pytest
from studies import study_place  # noqa: F401 (fixture)

from rig import wire
from rig.events import Kind
from rig.record.columns import Columns
from rig.record.derived import EVENTS, LEVER, MEASURES, TRIALS, derive, entry_of
from rig.record.folder import events_of, read_entries, sessions
from rig.record.format import BODY, FRAME, FRAME_BYTES, HEAD_BYTES, MAGIC, SYNC, scan


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


def test_the_trials_are_the_events(folder: Path) -> None:
    """As a reader of single events finds them."""
    told: list[dict[str, object]] = []
    for event in events_of(read_entries(folder)[0]):
        says = event.fields
        if event.name == "trial_begin":
            told.append({"trial": says["trial"], "begin_us": event.board_us, "presses": 0})
        elif event.name == "rule" and says["decision"] == "press":
            told[-1]["presses"] += 1  # type: ignore[operator]
        elif event.name == "trial_end":
            told[-1]["ended"] = says["reason"]
        elif event.name == "state" and says["state"] == "cue":
            told[-1]["cue_us"] = event.board_us
        elif event.name == "state" and "cue_us" in told[-1]:
            told[-1].setdefault("end_us", event.board_us)
        if event.name == "state" and says["outcome"] is not None:
            told[-1]["outcome"] = says["outcome"]
    rows = [vars(trial) for trial in entry_of(folder).trials]
    assert len(told) == 8
    assert [{key: row[key] for key in one} for row, one in zip(rows, told, strict=True)] == told


def _record(data: bytes, wanted: Callable[[int, bytes], bool]) -> tuple[int, int]:
    """Where a record with such (kind, payload) begins, one from the middle, and the length of its payload."""
    offsets = scan(data[len(MAGIC) :], len(MAGIC)).offsets
    for at in offsets[len(offsets) // 2 :]:
        length, kind, _ = BODY.unpack_from(data, at + FRAME_BYTES)
        if wanted(kind, data[at + HEAD_BYTES : at + HEAD_BYTES + length]):
            return at, length
    raise AssertionError


def _lever(kind: int, payload: bytes) -> bool:
    return kind == Kind.EVENT and payload[0] == wire.BY_NAME["lever"].number


@pytest.mark.parametrize("mended", [False, True], ids=["a flipped bit", "an edit with its check made to fit"])
def test_a_change_that_no_row_of_the_index_comes_from_is_noticed(folder: Path, tmp_path: Path, mended: bool) -> None:
    whole = entry_of(folder)
    assert whole.session.damaged == 0
    data = bytearray((folder / "journal").read_bytes())
    at, length = _record(bytes(data), _lever)
    data[at + HEAD_BYTES + length - 1] ^= 0x40
    if mended:
        check = crc32(data[at + FRAME_BYTES : at + HEAD_BYTES + length]) ^ at
        data[at : at + FRAME_BYTES] = FRAME.pack(SYNC, check)
    columns = Columns(bytes(data))
    assert columns.damaged == 1
    assert len(columns.at) == len(Columns((folder / "journal").read_bytes()).at) - (not mended)
    (tmp_path / "journal").write_bytes(data)
    found = entry_of(tmp_path)
    assert (found.session.damaged, found.trials) == (1, whole.trials)


def test_a_torn_tail_and_a_record_without_seals_are_read_as_far_as_they_are_whole(folder: Path) -> None:
    data = (folder / "journal").read_bytes()
    n = len(Columns(data).at)
    assert (Columns(data[:-5]).damaged, len(Columns(data[:-5]).at)) == (1, n - 1)
    at, length = _record(data, lambda kind, payload: kind == Kind.NOTE and payload.startswith(b'{"note":"seal"'))
    begun = data[: at - 1]  # torn before any seal but the first ones
    assert Columns(begun).damaged == 1
    cut = scan(begun[len(MAGIC) :], len(MAGIC)).end
    assert (Columns(data[:cut]).damaged, Columns(data[:cut]).at[-1] < cut) == (0, True)
    flipped = bytearray(data[: at + HEAD_BYTES + length])
    flipped[-1] ^= 1  # the last seal itself, which nothing seals
    assert Columns(bytes(flipped)).damaged == 1
    assert len(Columns(MAGIC).at) == 0


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
