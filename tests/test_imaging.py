"""The microscope beside a session: what is noted, shown and summed, and where each event lies among the frames."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from frame_clock import draw
from rehearse import rig_folder, run_session

from rig import wire
from rig.cli import main
from rig.clock import Unwrapper
from rig.config import parse_config
from rig.events import Kind, read_json
from rig.imaging.frames import FAULTS
from rig.imaging.watch import FrameWatcher, frame_watchers, watch_of
from rig.record.folder import read_entries, summary_of

FRAME = 1 << wire.INPUTS.index("frame")
OTHER = 1 << wire.INPUTS.index("lick")


@pytest.mark.parametrize("seed", range(6))
def test_every_fault_is_noted_and_counted(seed: int) -> None:
    """As a session feeds it: edges among other inputs, and the time now and then."""
    clock = draw(seed, 30.0)
    watcher = FrameWatcher(30.0, 300.0)
    now_us = 0
    for board_us, high in sorted(clock.edges):
        while 0 < now_us < board_us - 10_000:
            now_us += 10_000
            watcher.passed(now_us, 0)
        watcher.event("input", board_us, (FRAME * high | OTHER, FRAME), None)
        watcher.event("input", board_us, (FRAME * high, OTHER), None)
        now_us = board_us
    watcher.passed(now_us + 1_000_000, 0)
    notes = list(watcher.notes())
    assert {one["name"] for one in notes} == {"frame"}
    summary = watcher.finish()
    assert [one["frames"] for one in summary["files"]] == clock.files
    assert summary["frames"] == sum(clock.files)
    assert summary["missing"] == clock.truth["missing"] == sum(one["n"] for one in notes if one["what"] == "missing")
    assert summary["extra"] + summary["glitch"] == clock.truth["extra"]
    assert [one["what"] for one in notes].count("started") == len(clock.files)


def test_what_is_shown() -> None:
    watcher = FrameWatcher(30.0, 300.0)
    assert watcher.warning == ""
    watcher.passed(5_000_000, 0)
    assert watcher.warning == "frames: none has come yet"
    period_us = 33_333
    for n in range(40):
        if n != 30:
            at_us = 5_100_000 + n * period_us
            watcher.passed(at_us, 0)
            watcher.event("input", at_us, (FRAME, FRAME), None)
            watcher.event("input", at_us + 5000, (0, FRAME), None)
        if n == 30:
            watcher.passed(5_100_000 + n * period_us + period_us // 2, 0)
            assert watcher.warning == "frames: 1 late after frame 30", "told within one frame"
    assert watcher.warning == "frames: 1 missing after frame 31"
    assert watcher.line == "30.00 Hz, 40 frames in 1 files; 1 missing"
    watcher.passed(20_000_000, 0)
    assert watcher.warning == "frames: the microscope does not scan"
    assert watcher.line.startswith("not scanning, 40 frames")


def test_a_session_counts_its_frames_and_places_its_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run_session(rig_folder(tmp_path, simulator__frame_hz=28.7), capsys, "--trials", "4")
    frames = summary["frames"]
    assert {frames[what] for what in FAULTS} == {0}
    assert frames["rate_hz"] == pytest.approx(28.7, rel=1e-3)
    assert frames["frames"] == pytest.approx(28.7 * 60 * summary["minutes"], abs=40)
    entries, _ = read_entries(Path(summary["session"]))
    assert summary_of(entries) == summary
    unwrap = Unwrapper()
    stamped = [
        (unwrap.unwrap(wire.EVENT_HEADER.unpack_from(entry.payload)[2]), entry.payload)
        for entry in entries
        if entry.kind == Kind.EVENT
    ]
    config = parse_config(rig_folder(tmp_path).read_text(encoding="utf-8"))
    watch = watch_of(config, stamped)
    assert watch.summary() == frames, "the record alone says the same"
    notes = [read_json(entry.payload) for entry in entries if entry.kind == Kind.NOTE]
    assert [one["what"] for one in notes if one["note"] == "frame"] == ["started"]
    assert main(["events", summary["session"], "--frames", "--only", "input,rule"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    placed = [row for row in rows if row["frame"]]
    assert len(placed) > 50
    for row in placed:
        rise_us = watch.rises_us[int(row["frame"]) - 1]
        assert 0 <= float(row["fraction"]) < 1
        assert int(row["board_us"]) - rise_us == pytest.approx(float(row["fraction"]) * 1e6 / 28.7, abs=20)
    assert main(["show", summary["session"]]) == 0
    assert f"frames: {frames['frames']} at" in capsys.readouterr().out


def test_a_rig_without_a_microscope_has_no_watcher(tmp_path: Path) -> None:
    def watchers(**changes: object) -> int:
        return len(frame_watchers(parse_config(rig_folder(tmp_path, **changes).read_text(encoding="utf-8"))))

    assert (watchers(), watchers(imaging__frame_hz=None), watchers(inputs={})) == (1, 0, 0)


def test_a_file_for_each_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Triggers go out at the trials' beginnings, and the frame count follows them into the next file."""
    config = rig_folder(tmp_path)
    summary = run_session(config, capsys, "--trials", "4", "--set", "scan=trials")
    assert main(["events", summary["session"], "--only", "trial_begin,output"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    begun = [int(row["board_us"]) for row in rows if row["event"] == "trial_begin"]
    triggers = {
        name: [int(row["board_us"]) for row in rows if row["event"] == "output" and name in row["fields"]]
        for name in ("scan_start", "next_file")
    }
    assert {name: sorted(set(begun) & set(at)) for name, at in triggers.items()} == {
        "scan_start": begun[:1],
        "next_file": begun[1:],
    }
    files = summary["frames"]["files"]
    assert len(files) == 4
    for file, at_us in zip(files[1:], begun[1:], strict=True):
        assert 0 <= file["first_us"] - at_us < 1e6 / 30 + 100
    assert main(["verify", summary["session"]]) == 0
