"""A session whose host and board lose sight of each other: what it does, and what it must not do without a word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sim.draw import HERE, Case, shipped_config
from sim.faults import Episode
from sim.judge import judge
from sim.play import Played, play
from sim.records import NUMBER, Session, read


def a_day(*episodes: Episode, queue_bytes: int = 2048, deadman_ms: int = 500, interlock: bool = False) -> Case:
    """A third of a minute of a busy rig on a good wire."""
    config = shipped_config()
    config["stream"] = config["imaging"]["frame_hz"] = config["simulator"]["frame_hz"] = "none"
    config["safety"]["deadman_ms"] = deadman_ms
    if interlock:
        config["safety"]["interlock"] = "interlock"
        config["inputs"]["interlock"] = {"active_low": False}
    config["safety"]["outputs"]["laser"] |= {"window_s": "none", "max_duty_ms": "none"}
    config["safety"]["outputs"]["valve"] |= {"window_s": "none", "max_duty_ms": "none"}
    params = {"wait": "900ms", "iti": "500ms", "light": "800ms", "still": "900ms", "held": "40ms", "drop": "5ul"}
    return Case(
        4, config, str(HERE / "busy.py"), params, "mouse", 0.3, queue_bytes, 500, 20.0, 4096, episodes=list(episodes)
    )


def at(seconds: float, kind: str, length_s: float = 0.0) -> Episode:
    return Episode(round(1e6 * seconds), kind, round(1e6 * length_s))


def played(case: Case, folder: Path) -> tuple[Played, list[Session]]:
    """A day without a finding, and its sessions."""
    day = play(case, folder)
    assert judge(day) == []
    return day, [read(one, day.truth) for one in day.folders]


def named(session: Session) -> list[str]:
    """What was noted of the host and the board."""
    names = ("link_lost", "link_back", "again", "resumed")
    return [name for name in session.note_names() if name in names]


def told(session: Session, name: str) -> int:
    return sum(event.message == NUMBER[name] for event in session.told)


@pytest.mark.parametrize("away_s", [1, 5, 30])
def test_a_cable_pulled_for_a_while(tmp_path: Path, away_s: float) -> None:
    """The board goes safe at the dead-man time; then the trial is over, and the next one begins after a new `arm`."""
    day, (session,) = played(a_day(at(5, "unplug", away_s)), tmp_path)
    assert day.ends == ["minutes"]
    assert named(session) == ["link_lost", "link_back", "again"]
    assert (told(session, "fault"), told(session, "armed")) == (1, 2)


def test_a_short_pull_costs_no_trial(tmp_path: Path) -> None:
    _, (session,) = played(a_day(at(5, "unplug", 0.2), deadman_ms=3000), tmp_path)
    assert named(session) == ["link_lost", "link_back"]
    assert (told(session, "fault"), told(session, "armed")) == (0, 1)


@pytest.mark.parametrize("kind", ["stall", "suspend"])
def test_a_host_that_stood_still(tmp_path: Path, kind: str) -> None:
    day, (session,) = played(a_day(at(5, kind, 4)), tmp_path)
    assert day.ends == ["minutes"]
    assert named(session)[-1] == "again"
    assert (told(session, "fault"), told(session, "armed")) == (1, 2)


def test_a_program_killed_and_started_again_goes_on_in_the_same_record(tmp_path: Path) -> None:
    day, (session,) = played(a_day(at(5, "kill", 3), at(12, "kill", 0.1)), tmp_path)
    assert day.ends == ["killed", "killed", "minutes"]
    assert [name for name in named(session) if name == "resumed"] == ["resumed", "resumed"]
    numbers = [event.fields()["trial"] for event in session.told if event.message == NUMBER["trial_begin"]]
    assert numbers == sorted(set(numbers))


def test_a_board_that_was_reset_ends_one_record_and_begins_another(tmp_path: Path) -> None:
    day, sessions = played(a_day(at(5, "reset")), tmp_path)
    assert day.ends[0].startswith("RestartedError")
    assert len(sessions) == 2
    first, second = sessions
    assert first.summary is not None
    assert "started again" in first.summary["ended"]
    assert second.manifest["continues"] == first.folder.name
    assert second.manifest["rules"]["minutes"] < first.manifest["rules"]["minutes"]


def test_after_an_open_interlock_nothing_is_armed_again(tmp_path: Path) -> None:
    day, (session,) = played(a_day(at(5, "interlock", 0.1), interlock=True), tmp_path)
    assert day.ends == ["fault: interlock"]
    assert (told(session, "armed"), named(session)) == (1, [])


def test_an_interlock_that_opens_while_nobody_listens_is_not_armed_again(tmp_path: Path) -> None:
    """The fault itself may find no room on the board: then the board is asked, before a word is said."""
    stalled = a_day(at(5, "stall", 0.4), at(5.1, "interlock", 0.1), interlock=True, queue_bytes=700)
    day, (session,) = played(stalled, tmp_path)
    assert day.ends == ["fault: interlock"]
    assert told(session, "armed") == 1


@pytest.mark.parametrize("seed", range(3))
def test_decisions_that_found_no_room_end_a_trial_and_not_the_day(tmp_path: Path, seed: int) -> None:
    case = replace(a_day(at(5, "stall", 2.9), queue_bytes=700, deadman_ms=3000), seed=seed)
    case.config["simulator"]["frame_hz"] = 30  # each frame is told
    day, (session,) = played(case, tmp_path)
    assert day.ends == ["minutes"]
    assert told(session, "lost") > 0
    assert session.summary is not None
    assert session.summary["lost_events"] > 0


@pytest.mark.parametrize("seed", range(6))
def test_a_full_disk_ends_the_session_safely_and_it_goes_on_when_there_is_room(tmp_path: Path, seed: int) -> None:
    """Whatever was to be written then: an event, a trial's table, the last stop, the seal of the summary.

    A command that found no room is not sent (the judge of the wire looks), so the board's life goes on in the record.
    """
    case = replace(a_day(at(5 + 0.037 * seed, "disk_full", 2)), seed=seed)
    day, (session,) = played(case, tmp_path)
    assert day.ends[0].startswith("RecordError")
    assert day.ends[1:] == ["minutes"]
    assert "resumed" in named(session)
