"""The frame watch against a microscope that makes every fault and says which."""

from __future__ import annotations

from collections import Counter

import pytest
from frame_clock import START_US, Clock, draw
from hypothesis import given
from hypothesis import strategies as st

from rig import wire
from rig.imaging.frames import FAULTS, Finding, FrameReader, FrameWatch, Place

RATES = (28.7, 30.0, 60.0)
SEEDS = 90  # each rate; bench/frames.py does a thousand and more
TICK_US = 10_000  # time passes without an edge as often as lever samples come


def watched(clock: Clock, watch: FrameWatch | None = None) -> tuple[FrameWatch, list[tuple[int, Finding]]]:
    """A watch fed as a session feeds it, and each finding with the time at which it was told."""
    watch = watch or FrameWatch(clock.frame_hz)
    told: list[tuple[int, Finding]] = []
    now_us = START_US
    for board_us, high in sorted(clock.edges):
        while now_us + TICK_US < board_us:
            now_us += TICK_US
            told += [(now_us, one) for one in watch.passed(now_us)]
        told += [(board_us, one) for one in watch.edge(board_us, high=high)]
        now_us = max(now_us, board_us)
    for _ in range(60):
        now_us += TICK_US
        told += [(now_us, one) for one in watch.passed(now_us)]
    return watch, told


def judge(clock: Clock) -> None:
    """Everything that was wrong is told, nothing else, in time; the files' counts are right."""
    watch, told = watched(clock)
    counts: Counter[str] = Counter()
    for _, one in told:
        counts["extra" if one.what == "glitch" else one.what] += one.n
    found = {"missing": counts["missing"], "aborted": watch.faults["aborted"]}
    found["extra"] = watch.faults["extra"] + watch.faults["glitch"]
    assert found == {what: clock.truth[what] for what in found}
    assert [file.frames for file in watch.files] == clock.files
    assert counts["started"] == counts["stopped"] == len(clock.files)
    flags = [(now_us, one.what) for now_us, one in told]
    for what, from_us, by_us in clock.told_by_us:
        names = ("late", "missing") if what == "missing" else ("extra", "glitch")
        first_us = from_us - (4e6 / clock.frame_hz if what == "missing" else 1000)  # a run of lost ones is one "late"
        assert any(name in names and first_us <= now_us <= by_us for now_us, name in flags), (what, from_us)


@pytest.mark.parametrize("frame_hz", RATES)
def test_every_fault_is_told_and_none_invented(frame_hz: float) -> None:
    for seed in range(SEEDS):
        try:
            judge(draw(seed, frame_hz))
        except AssertionError as error:
            raise AssertionError(f"judge(draw({seed}, {frame_hz}))") from error


@given(st.integers(0, 1 << 30), st.sampled_from(RATES))
def test_of_any_seed(seed: int, frame_hz: float) -> None:
    judge(draw(seed, frame_hz, scans=2))


@given(st.lists(st.tuples(st.integers(0, 200_000), st.booleans()), max_size=80))
def test_nonsense_is_survived(steps: list[tuple[int, bool]]) -> None:
    watch, at_us = FrameWatch(30.0), 0
    for after_us, high in steps:
        at_us += after_us
        watch.edge(at_us, high=high)
        assert watch.frames == sum(file.frames for file in watch.files)
        assert all(file.frames > 0 for file in watch.files)
    assert sorted(watch.rises_us) == watch.rises_us


def steady(n: int, hz: float = 30.0, width_us: int = 5000) -> Clock:
    """Frames without a fault."""
    clock = Clock(hz, width_us)
    for i in range(n):
        clock.pulse(START_US + i * 1e6 / hz, width_us)
    return clock


def test_a_steady_clock_has_no_finding_but_its_beginning_and_end() -> None:
    watch, told = watched(steady(500))
    assert [one.what for _, one in told] == ["started", "late", "stopped"]
    assert (watch.frames, sum(watch.faults.values())) == (500, 0)
    assert watch.rate_hz == pytest.approx(30.0, abs=0.01)


@pytest.mark.parametrize("written_hz", [28.0, 32.0])
def test_a_rate_in_the_file_that_is_not_quite_right_does_no_harm(written_hz: float) -> None:
    watch, told = watched(steady(500), FrameWatch(written_hz))
    assert [one.what for _, one in told] == ["started", "late", "stopped"]
    assert watch.rate_hz == pytest.approx(30.0, abs=0.05)


def test_a_lost_frame_is_told_before_the_next_one_is_over() -> None:
    clock = steady(40)
    lost_us = clock.edges[60][0]
    del clock.edges[60:62]
    _, told = watched(clock)
    late = next(now_us for now_us, one in told if one.what == "late")
    assert lost_us < late <= lost_us + 33_333
    assert [(one.what, one.n) for _, one in told if one.what in FAULTS] == [("missing", 1)]


def test_a_restart_without_a_pause_is_a_new_file() -> None:
    clock = steady(30)
    again_us = clock.edges[-1][0] + 45_000
    for i in range(20):
        clock.pulse(again_us + i * 1e6 / 30, 5000)
    watch, _ = watched(clock)
    assert [file.frames for file in watch.files] == [30, 20]
    assert sum(watch.faults.values()) == 0


def test_next_file_divides_at_the_next_frame() -> None:
    clock, watch = steady(30), FrameWatch(30.0)
    for i, (board_us, high) in enumerate(clock.edges):
        watch.edge(board_us, high=high)
        if i == 20:  # the eleventh pulse is up: its frame is the new file's first
            watch.next_file()
    assert [file.frames for file in watch.files] == [10, 20]
    assert [file.scan for file in watch.files] == [1, 1]


def test_any_moment_has_its_frame_and_fraction() -> None:
    clock = steady(10)
    del clock.edges[8:10]  # the fifth frame's pulse is lost; the frame is not
    watch, _ = watched(clock)
    period_us = 1e6 / 30
    for i in range(10):
        place = watch.place(round(START_US + (i + 0.25) * period_us))
        assert place is not None
        assert place[:3] == (1, i + 1, i + 1)
        assert place.fraction == pytest.approx(0.25, abs=0.001)
    assert watch.place(START_US - 1) is None
    assert watch.place(round(START_US + 10.5 * period_us)) is None


def test_places_count_over_files_and_within_them() -> None:
    clock = steady(5)
    for i in range(5):
        clock.pulse(START_US + 1_000_000 + i * 1e6 / 30, 5000)
    watch, _ = watched(clock)
    assert watch.place(START_US + 1_000_000) == Place(2, 1, 6, 0.0)
    assert watch.place(START_US + 500_000) is None


def test_events_of_a_board_are_read() -> None:
    clock, events = steady(4), []
    outputs = wire.encode_event("output", 9, 0, {"active": 1 << wire.OUTPUTS.index("next_file"), "late_us": 0})
    for i, (board_us, high) in enumerate(clock.edges):
        fields = {"levels": 2 * high | 1, "changed": 2 | (i % 2)}
        events.append((board_us, wire.encode_event("input", i, board_us, fields)))
    events.insert(3, (clock.edges[2][0] + 10, outputs))
    reader = FrameReader(FrameWatch(30.0))
    reader.payloads(events)
    assert [file.frames for file in reader.watch.files] == [1, 3]
    summary = reader.watch.summary()
    assert summary["frames"] == 4


def test_other_inputs_are_no_frames() -> None:
    reader = FrameReader(FrameWatch(30.0))
    for board_us in range(0, 1_000_000, 10_000):
        assert reader.input(board_us, 1, 1) == []
    assert reader.watch.frames == 0
