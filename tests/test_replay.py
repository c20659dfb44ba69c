"""The lever rule against a rig that nobody here built: its own recorded decisions, from its own recorded wheel."""

from __future__ import annotations

import bisect
import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rehearse import ROOT, SHARED

from rig import wire
from rig.bodies.animals import read_trace
from rig.cli import main
from rig.errors import ConfigError
from rig.record.replay import LeverRule, Made, decisions, zero_marks

DATA = ROOT / "tests" / "data"
WHEEL, EVENTS = DATA / "ibl_zm335_a.encoder.csv.gz", DATA / "ibl_zm335_a.rig_events.csv"
WINDOW = LeverRule(wire.Rule.WINDOW, -46, 46)


def rig_events(kind: str) -> list[tuple[int, str]]:
    with EVENTS.open(encoding="utf-8") as file:
        return [(int(row["t_us"]), row["event"]) for row in csv.DictReader(file) if row["event"].startswith(kind)]


def leaves(rule: LeverRule) -> list[Made]:
    found = decisions(*read_trace(WHEEL), rule, zero_marks(EVENTS))
    return [one for one in found if one.event == "LEAVE"]


def share_within(recorded: list[tuple[int, str]], ours: list[Made], within_us: int) -> float:
    """How many of the rig's decisions have one of ours so near, on the same side."""
    times = [one.board_us for one in ours]
    hits = 0
    for t_us, event in recorded:
        near = ours[bisect.bisect_left(times, t_us - within_us) : bisect.bisect_right(times, t_us + within_us)]
        hits += any((one.counts > 0) == ("plus" in event) for one in near)
    return hits / len(recorded)


def test_every_response_of_the_recorded_rig_is_reproduced() -> None:
    """135 trials answered by reaching ±46 counts: all within 1 ms of the rig's own decision and on its side."""
    responses = [event for event in rig_events("response")]
    assert len(responses) == 135
    assert share_within(responses, leaves(WINDOW), 1000) == 1.0


def test_every_crossing_the_rig_reported_is_reproduced() -> None:
    crossings = rig_events("threshold")
    assert len(crossings) == 141
    assert share_within(crossings, leaves(WINDOW), 1000) == 1.0


def test_quiescence_breaks_are_reproduced_as_far_as_whole_milliseconds_allow() -> None:
    """±3 counts. The trace has whole-millisecond stamps and the rig's own lie 0.3 ms (SD) off: all agree within 1 ms,
    85 % within 0.5 ms."""
    breaks, ours = rig_events("quiescence"), leaves(LeverRule(wire.Rule.WINDOW, -3, 3))
    assert len(breaks) == 8124
    assert share_within(breaks, ours, 1000) == 1.0
    assert share_within(breaks, ours, 500) > 0.85


def test_the_command_prints_the_decisions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(WHEEL), "--window", "-46..46", "--zero-at", str(EVENTS), "--csv"]) == 0
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert rows[0] == ["board_us", "event", "counts"]
    assert {row[1] for row in rows[1:]} == {"ENTER", "LEAVE"}
    assert rows[2] == ["18918000", "LEAVE", "-46"]


def test_the_copy_of_the_events_is_the_recording() -> None:
    recording = SHARED / "traces" / "ibl_zm335_a.events.csv"
    if not recording.exists():
        pytest.skip("the recording is not beside this checkout")
    marks = [row for row in zero_marks(recording)]
    assert marks == zero_marks(EVENTS)


PRESS = LeverRule(wire.Rule.PRESS, 150, 300, 200_000, 1_000_000)


def trace(*points: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    t_ms, counts = zip(*points, strict=True)
    return np.array(t_ms, np.int64) * 1000, np.array(counts, np.int64)


def test_a_press_in_time_counts_and_a_slow_one_does_not() -> None:
    assert [m[1:] for m in decisions(*trace((0, 0), (10, 160), (210, 300)), PRESS)] == [("PRESS", 300)]
    assert list(decisions(*trace((0, 0), (10, 160), (211, 300)), PRESS)) == []


def test_refractory_and_rest() -> None:
    quick = [(0, 0), (10, 160), (20, 300), (500, 310), (600, 0), (700, 300), (1021, 0), (1022, 300)]
    times = [m.board_us for m in decisions(*trace(*quick), PRESS)]
    assert times == [20_000, 1_022_000]


def test_a_press_downwards_is_the_mirror() -> None:
    down = LeverRule(wire.Rule.PRESS, -150, -300, 200_000, 1_000_000)
    assert [m.board_us for m in decisions(*trace((0, 0), (10, -160), (20, -300)), down)] == [20_000]


def test_held_comes_after_the_dwell() -> None:
    rule = LeverRule(wire.Rule.WINDOW, -5, 5, time_us=300_000)
    made = list(decisions(*trace((0, 10), (100, 4), (200, 5), (300, 0), (900, 9)), rule))
    assert [(m.board_us, m.event) for m in made[1:]] == [
        (100_000, "ENTER"),
        (200_000, "LEAVE"),
        (300_000, "ENTER"),
        (600_000, "HELD"),
        (900_000, "LEAVE"),
    ]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-60, 60)), min_size=1, max_size=60), st.integers(1, 20))
def test_a_window_agrees_with_its_definition(steps: list[tuple[int, int]], half: int) -> None:
    """Strictly between its bounds: a direct reading over positions at distinct times."""
    t_us = np.cumsum([1000 * (1 + dt) for dt, _ in steps]).astype(np.int64)
    counts = np.array([c for _, c in steps], np.int64)
    made = list(decisions(t_us, counts, LeverRule(wire.Rule.WINDOW, -half, half)))
    inside = bool(-half < counts[0] < half)
    expected = [("ENTER" if inside else "LEAVE", int(counts[0]))]
    for at in counts[1:]:
        if inside != (-half < at < half):
            inside = not inside
            expected.append(("ENTER" if inside else "LEAVE", int(at)))
    assert [(m.event, m.counts) for m in made] == expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--window", "46..-46"], "the first bound must lie below the second"),
        (["--window", "a..b"], "expected counts such as -46..46"),
        (["--press", "3..3"], "the first bound must lie below"),
    ],
)
def test_bad_rules_are_refused(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(WHEEL), *words]) == 1
    assert says in capsys.readouterr().err


def test_bad_marks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    for text, says in (
        ("a,b\n1,2\n", "expected a header t_us,event"),
        ("t_us,event\nx,encoder_zeroed:at_count=3\n", "events.csv:2: expected t_us"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=says):
            zero_marks(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        zero_marks(tmp_path / "absent.csv")
