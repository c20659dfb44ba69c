"""Every judge of the simulator is shown a defect that it must find, and a day without one, where it must find none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from sim import tap
from sim.draw import HERE, Case, shipped_config
from sim.faults import Episode
from sim.judge import judge
from sim.play import play

from rig.board import Board
from rig.bodies import core
from rig.clock import Clock
from rig.events import Kind
from rig.numbering import Inbox
from rig.record import journal
from rig.record.format import BODY
from rig.record.journal import JournalWriter
from rig.session.loop import Session

AFTER = 300  # events, or records, before a defect shows


def a_day(
    *,
    queue_bytes: int = 2048,
    stall_s: float = 0.0,
    kill_s: float = 0.0,
    frame_hz: int | str = "none",
    unguarded: bool = False,
) -> Case:
    """A quarter of a minute of a busy rig, without noise."""
    config = shipped_config()
    config["stream"] = config["imaging"]["frame_hz"] = "none"
    config["simulator"]["frame_hz"] = frame_hz
    outputs = config["safety"]["outputs"]
    config["safety"]["deadman_ms"] = 200
    outputs["laser"] |= {"window_s": "none", "max_duty_ms": "none"}
    outputs["valve"] |= {"max_on_ms": 20 if unguarded else 80, "window_s": "none", "max_duty_ms": "none"}
    params = {"wait": "900ms", "iti": "100ms", "light": "800ms", "still": "900ms", "held": "40ms", "drop": "2.5ul"}
    params |= {"holds": "valve"} if unguarded else {}
    lengths_s, often = {"stall": stall_s, "kill": kill_s}, (3.1, 4.9, 6.3, 8.2)  # so that one finds an output on
    plan = [(at_s, kind, length_s) for at_s in often for kind, length_s in lengths_s.items() if length_s]
    episodes = [Episode(round(1e6 * at_s), kind, round(1e6 * length_s)) for at_s, kind, length_s in plan]
    day = Case(4, config, str(HERE / "busy.py"), params, "mouse", 0.2, queue_bytes, 500, 20.0, 4096)
    return Case(**{**vars(day), "unguarded": unguarded, "episodes": episodes})


def judged(case: Case, folder: Path, *flags: str) -> set[str]:
    """The judges that found something."""
    return {text.split(":")[0] for text in judge(play(case, folder, *flags))}


def test_a_day_without_a_defect_has_no_findings(tmp_path: Path) -> None:
    assert judged(a_day(stall_s=0.5), tmp_path) == set()


# --- defects of the program -------------------------------------------------------------------------------------------


def _late(defect: Callable[[list[bytes]], None]) -> Callable[[Inbox, bytes, list[bytes]], None]:
    """Events as they are handed up, with a defect in one place."""
    real, seen = Inbox.take, count()

    def take(self: Inbox, payload: bytes, events: list[bytes]) -> None:
        before = len(events)
        real(self, payload, events)
        if len(events) > max(1, before) and next(seen) == AFTER // 10:
            defect(events)

    return take


EVENTS: dict[str, Callable[[list[bytes]], Any]] = {
    "drop one event": lambda events: events.pop(),
    "duplicate one event": lambda events: events.append(events[-1]),
    "reorder two events": lambda events: events.insert(max(0, len(events) - 2), events.pop()),
    "change a bit of an event": lambda events: events.append(bytes([*events.pop()[:-1], 0xEE])),
}


@pytest.mark.parametrize("name", EVENTS)
def test_events_between_pin_and_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(Inbox, "take", _late(EVENTS[name]))
    assert "events" in judged(a_day(stall_s=0.15), tmp_path)


def test_an_acknowledgement_before_the_journal_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, turn = JournalWriter.commit, count()
    monkeypatch.setattr(JournalWriter, "commit", lambda self: real(self) if next(turn) % 3 else None)
    assert "acks" in judged(a_day(), tmp_path)


def test_an_acknowledgement_that_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Board.acknowledge

    def skip(self: Board, *, at_once: bool = True) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(self._inbox, "next_event", max(0, self._inbox.next_event - 1))
            real(self, at_once=at_once)

    monkeypatch.setattr(Board, "acknowledge", skip)
    assert "acks" in judged(a_day(), tmp_path)


def test_a_session_that_does_not_collect_what_is_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.session.loop.ACK_EVENTS", 1 << 30)  # so the last of them wait for a ping
    monkeypatch.setattr(Session, "_collect", lambda self: None)
    monkeypatch.setattr(Session, "_on_trial_end", lambda self, *_: self.end("trials"))
    assert "acks" in judged(a_day(), tmp_path)


def test_an_error_bound_that_is_no_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "error_us", lambda self, board_us=None: 0.5)
    assert "clock" in judged(a_day(), tmp_path)


def test_a_record_written_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event's: of a command's or a note's, other judges would hear."""
    real, turn = journal.crc32, count()  # type: ignore[attr-defined]

    def spoilt(body: bytes) -> bool:
        return bool(BODY.unpack_from(body)[1] == Kind.EVENT) and next(turn) == AFTER

    monkeypatch.setattr(journal, "crc32", lambda body: real(body) ^ spoilt(body))
    found = judged(a_day(), tmp_path)
    assert {"damage", "verify", "events"} <= found


# --- defects of the firmware ------------------------------------------------------------------------------------------

FIRMWARE: dict[str, tuple[str, str, str, dict[str, Any], str]] = {
    "the valve 1 ms over its ceiling": (
        "safety.c",
        "uint32_t left_us = on_us >= l->max_on_us ? 0 : l->max_on_us - on_us;",
        "uint32_t left_us = on_us >= l->max_on_us + 1000 ? 0 : l->max_on_us + 1000 - on_us;",
        {"unguarded": True},
        "ceilings",
    ),
    "the host may be silent 1 ms longer": (
        "safety.c",
        "timer_set(c, TIMER_DEADMAN, now_us + c->deadman_us);",
        "timer_set(c, TIMER_DEADMAN, now_us + c->deadman_us + 1000);",
        {"stall_s": 1.5},
        "faults",
    ),
    "armed by the host's mere presence": (
        "safety.c",
        "    if (c->armed)\n        timer_set(c, TIMER_DEADMAN",
        "    if (c->locked)\n        c->armed = 1;\n    if (c->armed)\n        timer_set(c, TIMER_DEADMAN",
        {"kill_s": 3},  # who comes back asks first who is there
        "arming",
    ),
    "a state that lasts 1 us longer": (
        "trial.c",
        "timer_set(c, TIMER_STATE, c->t_us + state->after_us);",
        "timer_set(c, TIMER_STATE, c->t_us + state->after_us + 1);",
        {},
        "transitions",
    ),
    "a decision told 5 ms early": (
        "core.c",
        "return queue_open(&c->queue, message, c->t_us, size);",
        "return queue_open(&c->queue, message, c->t_us - (message == MSG_TRIAL_END ? 5000u : 0u), size);",
        {},
        "time",
    ),
    "an opening of the valve is not told": (
        "safety.c",
        "wire_put_u16(wire_put_u16(at, wanted)",
        "wire_put_u16(wire_put_u16(at, (uint16_t)(wanted & ~1u))",
        {},
        "water",
    ),
    "one of the lost is not stated": (
        "queue.c",
        "q->lost_from = q->next;",
        "q->lost_from = q->next + 1;",
        {"stall_s": 10, "queue_bytes": 700, "frame_hz": 30},  # each frame is told
        "ends",
    ),
    "thinned samples are miscounted": (
        "core.c",
        "c->thinned += c->sampled;",
        "c->thinned += c->sampled - 1u;",
        {"stall_s": 15},
        "samples",
    ),
    "a pulse 1 us longer than the table says": (
        "generators.c",
        "set(c, g, HIGH, pin, plan->width_us);",
        "set(c, g, HIGH, pin, plan->width_us + 1);",
        {},
        "verify",
    ),
}


@pytest.mark.parametrize("name", FIRMWARE)
def test_the_firmware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    file, whole, spoilt, day, judge_of_it = FIRMWARE[name]
    flags = ("-O0", f"-DMUTANT={crc32(name.encode())}")
    shutil.copytree(core.firmware_folder(), tmp_path / "firmware")
    source = tmp_path / "firmware" / "core" / file
    text = source.read_text(encoding="utf-8")
    assert text.count(whole) == 1, "the mutant's place is gone: move it along"
    source.write_text(text.replace(whole, spoilt), encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(core, "firmware_folder", lambda: tmp_path / "firmware")
        tap.load(day.get("queue_bytes", 2048), *flags)
    assert judge_of_it in judged(a_day(**day), tmp_path, *flags)
