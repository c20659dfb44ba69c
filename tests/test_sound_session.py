"""Sessions in real time, a real stream into a null sink: what was recorded against what the record says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apart import apart
from nullsink import Recorder, Recording, missing, patient_sink
from numpy.typing import NDArray
from rehearse import rig_folder
from test_cues import OCTAVES, notes

from rig.bodies.sim import SimLink
from rig.config.file import load_config
from rig.doors.verify import check
from rig.session.intent import Order, intend
from rig.session.launch import launched
from rig.session.loop import Session
from rig.session.summary import Rules, Summary

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

CUED = '''"""A cue due at a known time and a tone that follows at once; or the cue is called off, in time or late."""

from rig import END, Deadline, Params, State, Tone, Trial, db, khz, ms, s

PARAMS = Params()


def trial(p, past, rng):
    """The board announces the cue as "wait" begins, and takes it back when something else leads away: long before it
    is due, or too late.
    """
    cue, answer = Tone(6 * khz, 100 * ms, 60 * db), Tone(12 * khz, 100 * ms, 60 * db)
    away, due = ((None, 600 * ms), (Deadline(150 * ms), 20 * s), (Deadline(590 * ms), 600 * ms))[past.n % 3]
    return Trial(
        State("wait", start=away, after=(due, "cue"), when={away.ended: "early"} if away else {}),
        State("cue", start=cue, when={cue.ended: "answer"}),
        State("answer", start=answer, after=(300 * ms, END), outcome="answered"),
        State("early", after=(500 * ms, END), outcome="early"),
    ) if away else Trial(
        State("wait", after=(due, "cue")),
        State("cue", start=cue, when={cue.ended: "answer"}),
        State("answer", start=answer, after=(300 * ms, END), outcome="answered"),
    )
'''


def order(folder: Path, trials: int, **sound: Any) -> Order:
    """A session at pace 1; there is buffer enough for a machine that is busy."""
    calibration = {"calibrated": "2025-03-31", "device": "pulse", "attenuation_db": 0, "octaves": OCTAVES}
    settings = {"device": "pulse", "block_samples": 256, "latency_ms": 120, "calibration": calibration, **sound}
    path = rig_folder(folder, **{f"sound__{name}": value for name, value in settings.items()})
    (folder / "cued.py").write_text(CUED, encoding="utf-8")
    return Order(load_config(path), path, protocol=str(folder / "cued.py"), rules=Rules(trials=trials), pace=1.0)


def wall_ns(session: Session, board_us: int) -> int:
    """This computer's clock at a time of the simulated board."""
    link = session.board.link
    assert isinstance(link, SimLink)
    return link.wall_ns(link.host_ns(board_us))


def rises(recording: Recording) -> NDArray[np.float64]:
    """When the sync channel rose, on this computer's clock."""
    high = recording.samples[:, 1] > 0.5
    return recording.host_ns(np.flatnonzero(high & ~np.r_[False, high[:-1]]))


def recorded(folder: Path, latency_ms: float) -> tuple[Session, Summary, Recording]:
    """A session of nine trials, and what was heard of it."""
    with patient_sink() as sink:
        recorder = Recorder(sink).start()
        with launched(intend(order(folder, 9, latency_ms=latency_ms))) as session:
            summary = session.run()
        return session, summary, recorder.stop()


@apart
def test_what_is_recorded_is_what_the_record_says(tmp_path: Path) -> None:
    """A busy machine gets three attempts: without time, the sound server's word for its own delay is wrong. A session
    that says of itself that its card had underruns is not held to more than that, nor one on a machine that kept no
    time.
    """
    for attempt, latency_ms in enumerate((120, 120, 240)):
        (folder := tmp_path / str(attempt)).mkdir()
        session, summary, recording = recorded(folder, latency_ms)
        onsets, disturbed = _told(summary), bool(notes(summary.session, "sound_card")) or not recording.steady
        report = check(Path(summary.session))
        assert report.good, report.faults
        if _held(session, onsets, rises(recording)):
            break
        assert disturbed or attempt < 2, "onsets outside of their own bounds"


def _held(session: Session, onsets: list[dict[str, Any]], heard_ns: NDArray[np.float64]) -> bool:
    """Is what was heard what the record says, within its own bounds?"""
    if len(heard_ns) != len(onsets):
        return False
    told_ns = np.array([wall_ns(session, note["board_us"]) for note in onsets])
    bound_ns = 1000 * np.array([note["error_us"] for note in onsets])
    cues = [note["late_us"] for note in onsets if note["sound"] == "tone 6 khz"]
    in_time = np.median(np.abs(cues)) < 256 / 48e-3  # a cue begins when it is due: within a block
    return bool(in_time and np.mean(np.abs(heard_ns - told_ns) <= bound_ns) >= 0.9)


def _told(summary: Summary) -> list[dict[str, Any]]:
    """The onsets on record, in order; each trial's cue was played or called off, as its way through the states says."""
    assert summary.outcomes == {"answered": 3, "early": 6}
    found = notes(summary.session, "sound")
    assert {note["trial"] for note in found if note["what"] == "cancelled"} >= {2, 5, 8}, "called off in time"
    onsets = sorted((note for note in found if note["what"] == "onset"), key=lambda note: note["board_us"])
    cues = [note["trial"] for note in onsets if note["sound"] == "tone 6 khz"]
    assert set(cues) | {note["trial"] for note in found if note["what"] == "cancelled"} == set(range(1, 10))
    assert {note["method"] for note in onsets} == {"dac"}
    return onsets


@apart
def test_a_card_that_is_unplugged_leaves_the_tone_pin(tmp_path: Path) -> None:
    with patient_sink() as sink, launched(intend(order(tmp_path, 8))) as session:

        def unplug(session: Session) -> None:
            if session.summary.trials == 2:
                sink.kill()

        session.look = unplug
        summary = session.run()
    told = notes(summary.session, "sound_card")  # with underruns, where this machine was busy
    assert [note["by"] for note in told if note["what"] == "device_lost"] == ["tone"]
    assert summary.sound is not None
    assert summary.sound["onsets"]["pin_count"] > 0
    assert summary.trials == 8
    report = check(Path(summary.session))
    assert report.good, report.faults


@apart
def test_a_card_that_is_unplugged_ends_the_session_where_the_configuration_says_so(tmp_path: Path) -> None:
    with patient_sink() as sink, launched(intend(order(tmp_path, 8, fallback="stop"))) as session:
        session.look = lambda session: sink.kill() if session.summary.trials == 1 else None
        summary = session.run()
    assert summary.ended.startswith('no sound: sound device "pulse"')
    assert summary.trials < 8
