"""Every protocol runs whole sessions: with the mouse, with recorded pushes, and with nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearse import SHARED, rig_folder, run_session

from rig.cli import main
from rig.config.file import load_config
from rig.doors.verify import check
from rig.events import Event
from rig.experiment.protocol import load_protocol, protocol_folders
from rig.record.folder import events_of, read_entries
from rig.session.launch import Order, intend, launched
from rig.session.loop import Session
from rig.units import Quantity

PROTOCOLS = sorted(path.stem for path in protocol_folders()[1].glob("[a-z]*.py"))
EXPECTED = {"axon_mapping", "cued_lever", "cued_lever_inactivation", "habituation", "lever_window", "valve_flush"}


def pushes(folder: Path) -> Path:
    """Recorded pushes where they are at hand, else a made-up file of their form."""
    recording = SHARED / "traces" / "lever_pushes.csv.gz"
    if recording.exists():
        return recording
    recording = folder / "pushes.csv"
    volts = [0.0] * 50 + [0.6] * 30 + [0.0] * 120
    rows = [f"1,{n},{10 * i - 500},{v}" for n in (1, 2) for i, v in enumerate(volts)]
    recording.write_text("session,push,t_ms,lever_v\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return recording


def events(session: str, *names: str) -> list[Event]:
    return [event for event in events_of(read_entries(Path(session))[0]) if event.name in names]


def test_the_protocols_of_the_house_are_there() -> None:
    assert set(PROTOCOLS) >= EXPECTED


@pytest.mark.parametrize("animal", ["mouse", "pushes", "none"])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_whole_session(name: str, animal: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--animal", f"pushes:{pushes(tmp_path)}" if animal == "pushes" else animal)
    summary = run_session(rig_folder(tmp_path), capsys, "--protocol", name, "--trials", "5", *words)
    assert (summary["trials"], summary["ended"]) == (5, "trials")
    assert (summary["gap_us_max"], summary["lost_events"]) == (0, 0)
    report = check(Path(summary["session"]))
    assert report.good, report.faults


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_parameter_is_said(name: str) -> None:
    experiment = load_protocol(name)
    assert len(experiment.source.splitlines()) < 80
    assert "Sources:" in experiment.source
    for key, param in experiment.params.items():
        assert param.doc, key
        if isinstance(param.default, Quantity):
            assert param.low is not None, key
            assert param.low <= param.default <= param.high


def test_habituation_gives_water_without_asking_for_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--protocol", "habituation", "--trials", "4", "--animal", "none")
    summary = run_session(rig_folder(tmp_path), capsys, *words)
    assert summary["outcomes"] == {"free": 4}
    assert summary["water_ul"] == pytest.approx(32)


def test_habituation_gives_water_for_a_touch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The drop comes with the touch itself; touches in the time to drink bring nothing."""
    wired = {name: {"active_low": False} for name in ("lick", "frame", "laser_back", "touch")}
    words = ("--protocol", "habituation", "--trials", "20", "--set", "touch=yes", "--animal", "mouse:day=14")
    summary = run_session(rig_folder(tmp_path, inputs=wired), capsys, *words)
    earned = summary["outcomes"].get("rewarded", 0)
    assert earned >= 5
    assert summary["outcomes"] == {"rewarded": earned, "free": 20 - earned}
    assert summary["water_ul"] == pytest.approx(160)
    touches = [
        event.board_us
        for event in events(summary["session"], "input")
        if "touch" in event.fields["changed"] and "touch" in event.fields["levels"]
    ]
    entered = [e.board_us for e in events(summary["session"], "state") if e.fields["state"] == "earned"]
    assert len(touches) > len(entered) == earned
    assert set(entered) <= set(touches)
    assert check(Path(summary["session"])).good


def test_mapping_light_is_a_train_of_its_count_and_frames_are_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--protocol", "axon_mapping", "--trials", "3", "--animal", "none", "--set", "site=M1")
    summary = run_session(rig_folder(tmp_path), capsys, *words)
    laser = ["laser" in event.fields["active"] for event in events(summary["session"], "output")]
    assert sum(on and not before for before, on in zip([False, *laser], laser, strict=False)) == 3 * 20
    light = summary["light"]
    assert (light["trials"], light["proven_trials"], light["site"]) == (3, 3, "M1")
    assert light["on_s"] == pytest.approx(3 * 0.1)
    assert light["energy_mj"] == pytest.approx(3 * 0.1 * 10, rel=0.02)
    frames = [event for event in events(summary["session"], "input") if "frame" in event.fields["changed"]]
    assert len(frames) > 30 * 2 * 25


def test_a_hold_in_the_window_is_rewarded_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--protocol", "lever_window", "--trials", "8", "--set", "hold=40ms", "--animal", "mouse:day=14")
    summary = run_session(rig_folder(tmp_path), capsys, *words)
    assert summary["rewarded"] >= 3
    held = [event for event in events(summary["session"], "rule") if event.fields["decision"] == "held"]
    assert len(held) == summary["rewarded"]


def test_a_flush_stays_within_the_ceilings_and_is_no_water(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    summary = run_session(config, capsys, "--protocol", "valve_flush", "--trials", "60", "--animal", "none")
    assert (summary["trials"], summary["ended"]) == (60, "trials")
    assert (summary["water_ul"], summary["uncounted_openings"]) == (0, 60)
    words = ["run", "--config", str(config), "--fast", "--protocol", "valve_flush", "--set", "pause=100ms"]
    assert main(words) == 1
    assert "valve could be on for" in capsys.readouterr().err


def test_a_flush_stops_in_the_middle_of_an_opening(tmp_path: Path) -> None:
    """Ctrl-C while the valve is open: it is closed long before its time, and the record is whole."""
    path = rig_folder(tmp_path)
    changes = {"opening": "450 ms", "pause": "10 s"}
    order = Order(load_config(path), path, protocol="valve_flush", changes=changes, animal="none")
    with launched(intend(order)) as session:

        def press_ctrl_c(now: Session) -> None:
            if now.trials.state == "open":
                now.interrupt("Ctrl-C")

        session.look = press_ctrl_c
        summary = session.run()
    assert summary.ended == "Ctrl-C"
    valve = [(e.board_us, "valve" in e.fields["active"]) for e in events(summary.session, "output")]
    (opened, closed) = valve
    assert (opened[1], closed[1]) == (True, False)
    assert 0 < closed[0] - opened[0] < 400_000
    assert check(Path(summary.session)).good


LIGHTS = {
    "at the cue": ("onset=cue",),
    "at the movement": ("onset=movement",),
    "after a delay": ("onset=delay", "onset_delay=700ms"),
    "until the interval": ("until=interval",),
    "without a ramp": ("ramp=0ms", "light_time=500ms"),
    "in pulses": ("pulse_rate=20hz", "light_power=5mw"),
    "with all the rest": ("catch=0.3", "still=1s", "reward_delay=150ms", "mark=pulse", "iti_min=2s"),
}


@pytest.mark.parametrize("case", LIGHTS)
def test_light_at_its_moment(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The laser comes at the cue, the movement or the delay; the mask comes on every trial at that moment."""
    words = [word for change in LIGHTS[case] for word in ("--set", change)]
    words += ["--protocol", "cued_lever_inactivation", "--opto", "--trials", "16", "--set", "iti_min=1s"]
    config = rig_folder(tmp_path, safety__outputs={"laser": {"window_s": None, "max_duty_ms": None}})
    summary = run_session(config, capsys, *words, "--set", "iti_max=2s", "--animal", "mouse:day=14")
    assert summary["light"]["mismatches"] == []
    found = list(events(summary["session"], "state", "output", "trial_begin"))
    cue_us, moved_us, seen = 0, 0, {"laser": 0, "mask": 0}
    active: tuple[str, ...] = ()
    for event in found:
        if event.name == "state":
            cue_us = event.board_us if event.fields["state"] == "cue" else cue_us
            moved_us = event.board_us if event.fields["state"] == "moved" else moved_us
            continue
        for name in set(event.fields.get("active", ())) - set(active) if event.name == "output" else ():
            if name in seen:
                due_us = {"at the movement": moved_us, "after a delay": cue_us + 700_000}.get(case, cue_us)
                pulses = case == "in pulses" and event.board_us > due_us  # of 20 a second, after the first
                assert (event.board_us - due_us) % 50_000 == 0 if pulses else event.board_us == due_us
                seen[name] += not pulses
        active = event.fields.get("active", active)
    assert seen["laser"] == summary["light"]["trials"] == summary["light"]["proven_trials"]
    assert seen["laser"] >= 1
    assert seen["mask"] >= (14 if case != "after a delay" else 8)
    assert check(Path(summary["session"])).good
