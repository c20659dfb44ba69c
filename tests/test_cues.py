"""The sounds of whole sessions on the simulated rig: told ahead, called off, and when each was heard."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rehearse import rig_folder, run_session
from test_sound import wav

from rig.cli import main
from rig.doors.verify import check
from rig.events import Kind, read_json
from rig.record.folder import events_of, read_entries

OCTAVES = [{"hz": hz, "full_scale_db": db} for hz, db in ((3000, 96), (6000, 100), (12_000, 98))]
CALIBRATION = {"calibrated": "2025-03-31", "device": "USB Audio", "attenuation_db": 0, "octaves": OCTAVES}
CARD: dict[str, Any] = {"sound__device": "USB Audio", "sound__calibration": CALIBRATION}
SYNCED: dict[str, Any] = {"inputs": {"lick": {}, "frame": {}, "laser_back": {}, "sound_sync": {}}}
WAITING = '''"""A state waits for the tone's sync pulse, which may come a little early."""

from rig import END, SOUND_SYNC, Params, State, Tone, Trial, khz, ms, s, db

PARAMS = Params()


def trial(p, past, rng):
    """The tone is new every time, so that sounds are asked for while the session runs."""
    tone = Tone((4 + rng.random()) * khz, 200 * ms, 60 * db)
    return Trial(
        State("wait", after=(300 * ms, "sound")),
        State("sound", start=tone, when={SOUND_SYNC.high: "cue"}, after=(50 * ms, "unheard")),
        State("cue", after=(500 * ms, END), outcome="heard"),
        State("unheard", stop=tone, after=(100 * ms, END), outcome="unheard"),
    )
'''

CALLS = '''"""A click, and a recorded call."""

from rig import END, Click, Params, Recording, State, Trial, db, ms, us

PARAMS = Params()


def trial(p, past, rng):
    """One after the other."""
    click, call = Click(100 * us, 60 * db), Recording("calls/one.wav", 80 * ms, 60 * db)
    return Trial(
        State("wait", after=(300 * ms, "click")),
        State("click", start=click, after=(200 * ms, "call")),
        State("call", start=call, when={call.ended: "rest"}, outcome="heard"),
        State("rest", after=(300 * ms, END)),
    )
'''


def notes(session: str, *names: str) -> list[dict[str, Any]]:
    """The notes of these names in a record."""
    entries, damage = read_entries(Path(session))
    assert not damage
    found = [read_json(entry.payload) for entry in entries if entry.kind == Kind.NOTE]
    return [note for note in found if note["note"] in names]


def test_a_cue_begins_when_it_is_due_and_its_onset_is_the_sync_edge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = run_session(rig_folder(tmp_path, **CARD, **SYNCED), capsys, "--trials", "6")
    found = notes(summary["session"], "sound")
    onsets = [note for note in found if note["what"] == "onset"]
    assert {note["method"] for note in onsets} == {"sync"}
    cues = [note for note in onsets if note["sound"] == "tone 6 khz"]
    entered = [
        e.board_us for e in events_of(read_entries(Path(summary["session"]))[0]) if e.fields.get("state") == "cue"
    ]
    assert [note["due_us"] for note in cues] == entered  # told 130 ms ahead, and meant for this very microsecond
    assert all(note["scheduled"] and abs(note["late_us"]) < 1000 for note in cues)
    others = [note for note in onsets if note not in cues]
    assert all(not note["scheduled"] and 5000 <= note["late_us"] < 7000 for note in others)
    assert summary["sound"]["by"] == "simulated"
    told = summary["sound"]["onsets"]
    assert told["sync_count"] == len(onsets)
    assert told["scheduled_median_abs_us"] == pytest.approx(np.median([abs(n["late_us"]) for n in cues]), abs=5)
    assert told["prompt_median_us"] == pytest.approx(5500, abs=600)
    assert check(Path(summary["session"])).good


def test_a_noise_that_a_press_forestalls_is_called_off_and_the_cue_is_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = run_session(
        rig_folder(tmp_path, **CARD, **SYNCED), capsys, "--trials", "8", "--set", "response_window=1s"
    )
    found = notes(summary["session"], "sound")
    sounded = {note["token"]: note for note in found if note["what"] == "onset"}
    called_off = {note["token"]: note for note in found if note["what"] == "cancelled"}
    assert summary["rewarded"] > 0
    assert summary["outcomes"]["missed"] > 0
    assert not sounded.keys() & called_off.keys()
    noises = [note for note in sounded.values() if note["sound"] == "noise"]
    assert len(noises) == summary["outcomes"]["missed"]
    assert len([note for note in called_off.values() if note["sound"] == "noise"]) == summary["rewarded"]
    ended = {note["token"]: note["board_us"] for note in found if note["what"] == "ended"}
    assert ended.keys() == sounded.keys()
    heard_us = [ended[token] - note["board_us"] for token, note in sounded.items() if note["sound"] == "tone 6 khz"]
    assert sum(abs(us - 1_000_000) < 2000 for us in heard_us) == summary["outcomes"]["missed"]


def test_a_sync_edge_that_does_not_come_is_a_fault_on_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = rig_folder(tmp_path, **CARD, **SYNCED)
    summary = run_session(config, capsys, "--trials", "4", "--fault", "sync_unplugged@30")
    told = summary["sound"]["onsets"]
    assert told["missed_count"] == told["simulated_count"] > 0
    assert told["sync_count"] > 0
    faults = notes(summary["session"], "sound_fault")
    assert len(faults) == told["missed_count"]
    assert {note["what"] for note in faults} == {"its sync edge did not come"}
    assert main(["show", summary["session"]]) == 0
    assert f"SOUND: {len(faults)} missed sync edges" in capsys.readouterr().out


@pytest.mark.parametrize(("fault", "outcome"), [("", "heard"), ("sync_unplugged", "unheard")])
def test_a_state_waits_for_the_sync_edge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str, outcome: str
) -> None:
    (tmp_path / "waiting.py").write_text(WAITING, encoding="utf-8")
    config = rig_folder(tmp_path, **CARD, **SYNCED)
    words = ["--protocol", str(tmp_path / "waiting.py"), "--trials", "3", "--fault", fault]
    summary = run_session(config, capsys, *words)
    assert summary["outcomes"] == {outcome: 3}
    report = check(Path(summary["session"]))  # with it, sounds that were asked for while the session ran
    assert report.good, report.faults


def test_clicks_and_recordings_sound_and_the_record_says_which_file_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "calls.py").write_text(CALLS, encoding="utf-8")
    config, words = rig_folder(tmp_path, **CARD, **SYNCED), ["--protocol", str(tmp_path / "calls.py"), "--trials", "2"]
    assert main(["run", "--config", str(config), "--fast", *words]) == 1
    assert "calls/one.wav: No such file or directory" in capsys.readouterr().err
    (tmp_path / "calls").mkdir()
    call = wav(0.1 * np.sin(2 * np.pi * 6000 * np.arange(4800) / 48_000)[:, None])
    (tmp_path / "calls" / "one.wav").write_bytes(call)
    summary = run_session(config, capsys, *words)
    found = notes(summary["session"], "sound")
    onsets = [note["sound"] for note in found if note["what"] == "onset"]
    assert onsets == 2 * ["click 100 us", "recording calls/one.wav"]
    assert summary["outcomes"] == {"heard": 2}
    assert summary["sound"]["files"] == {"calls/one.wav": sha256(call).hexdigest()}
    assert check(Path(summary["session"])).good


def test_without_a_card_tones_are_the_tone_pins_and_exact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run_session(rig_folder(tmp_path), capsys, "--trials", "4", "--set", "response_window=1s")
    told = summary["sound"]["onsets"]
    assert summary["sound"]["by"] == "tone"
    assert told["pin_count"] == 4 + summary["rewarded"]
    assert told.get("none_count", 0) == 2 * summary["trials"] - told["pin_count"]  # noise has no pin
    assert notes(summary["session"], "sound", "sound_card", "sound_fault") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sound__calibration": None}, "level_db needs a calibration; run: rig sound calibrate"),
        ({"sound__device": "USB Audio"}, "level_db 89 is out of reach"),
    ],
)
def test_a_level_that_cannot_be_given_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    quiet = {**CALIBRATION, "octaves": [{"hz": one["hz"], "full_scale_db": 80} for one in OCTAVES]}
    config = rig_folder(tmp_path, **{"sound__device": "USB Audio", "sound__calibration": quiet, **changes})
    assert main(["run", "--config", str(config), "--fast", "--trials", "1", "--set", "level=89db"]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_an_absent_card_is_told_and_the_tone_pin_stands_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At pace 1 a real card is looked for; there is none of that name."""
    (tmp_path / "waiting.py").write_text(WAITING, encoding="utf-8")
    config = rig_folder(tmp_path, **{**CARD, **SYNCED, "sound__device": "No Such Card"})
    words = ["run", "--config", str(config), "--protocol", str(tmp_path / "waiting.py"), "--trials", "1", "--json"]
    assert main(words) == 0
    assert "NO SOUND from this computer (tone)" in capsys.readouterr().err
    (session,) = (tmp_path / "data" / "test").iterdir()
    (card,) = notes(str(session), "sound_card")
    assert (card["what"], card["by"]) == ("no_device", "tone")
    assert '"No Such Card"' in notes(str(session), "warning")[0]["text"]
    report = check(session)
    assert report.good, report.faults


def test_an_absent_card_stops_where_the_configuration_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = rig_folder(tmp_path, **{**CARD, "sound__device": "No Such Card", "sound__fallback": "stop"})
    assert main(["run", "--config", str(config), "--trials", "1", "--json"]) == 1
    assert 'no output "No Such Card"' in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
