"""The door: help with examples, and one line for everything that a person can get wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rehearse import ROOT, rig_folder

from rig.cli import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert f"rig {command}" in said.split("example", 1)[1]


def test_help_lists_every_command() -> None:
    said = subprocess.run([sys.executable, "-m", "rig"], capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {command} " in said for command in COMMANDS)


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line a command leaves with."""
    assert main(list(words)) == 1
    said = capsys.readouterr()
    (line,) = said.err.strip().splitlines()
    assert line.startswith("rig: ")
    assert not said.out
    return line


PROTOCOL = '''"""Methods."""
from rig import *
PARAMS = Params(wait=Param(1 * s, "how long", 100 * ms, 10 * s))
def trial(p, past, rng):
    press = Press(1 * mm, 3 * mm)
    return Trial(
        State("cue", after=(p.wait, "pay"), when={press.pressed: "pay"}),
        State("pay", start=Drop(8 * ul), after=(1 * s, END)),
    )
'''

BAD_PROTOCOLS = {
    "threshold outside the travel": (("3 * mm", "30 * mm"), "travel_mm"),
    "unreachable state": (('"pay"})', "END})"), 'state "pay" can never be reached'),
    "missing target": (('"pay"})', '"pya"})'), 'did you mean "pay"'),
    "volume outside the calibration": (("8 * ul", "80 * ul"), "80 ul"),
    "wrong unit": (("Drop(8 * ul)", "Drop(8 * ms)"), "mine.py"),
    "wrong unit of a time": (("(1 * s, END)", "(1 * mm, END)"), "expected a time such as 300*ms, got 1 mm"),
}


@pytest.mark.parametrize("case", BAD_PROTOCOLS)
def test_a_bad_protocol_is_refused_before_anything_begins(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, says = BAD_PROTOCOLS[case]
    old, new = change
    text = PROTOCOL.replace('after=(p.wait, "pay"), ', "after=(p.wait, END), ") if "unreachable" in case else PROTOCOL
    assert old in text
    (tmp_path / "mine.py").write_text(text.replace(old, new), encoding="utf-8")
    words = ("run", "--config", str(rig_folder(tmp_path)), "--protocol", str(tmp_path / "mine.py"), "--fast")
    assert says in complaint(capsys, *words)
    assert not (tmp_path / "data").exists()


def test_the_protocol_above_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(PROTOCOL, encoding="utf-8")
    words = ["run", "--config", str(rig_folder(tmp_path)), "--protocol", str(tmp_path / "mine.py"), "--fast"]
    assert main([*words, "--trials", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 3


def test_a_table_too_large_for_the_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = '", after=(1 * s, "'.join(f"s{i}" for i in range(40))
    states = "".join(f'        State("s{i}", after=(1 * s, "s{i + 1}")),\n' for i in range(40))
    text = PROTOCOL.replace('State("cue", after=(p.wait, "pay")', 'State("cue", after=(p.wait, "s0")')
    text = text.replace(
        '        State("pay"', states + '        State("s40", after=(1 * s, "pay")),\n        State("pay"'
    )
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    words = ("run", "--config", str(rig_folder(tmp_path)), "--protocol", str(tmp_path / "mine.py"), "--fast")
    assert "the trial has 43 states; the board (simulator) holds 32" in complaint(capsys, *words)
    assert many


def test_a_missing_calibration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path, valve__drops=None)
    assert "valve.drops" in complaint(capsys, "run", "--config", str(config), "--fast")


def test_an_unknown_key_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "config.yaml").read_text(encoding="utf-8").replace("deadman_ms: 500", "deadman_s: 0.5")
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    line = text[: text.index("deadman_s")].count("\n") + 1
    said = complaint(capsys, "run", "--config", str(tmp_path / "config.yaml"))
    assert f"config.yaml:{line}: safety.deadman_s" in said
    assert "deadman_ms" in said


def test_an_unwritable_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").write_text("in the way", encoding="utf-8")
    said = complaint(capsys, "run", "--config", str(rig_folder(tmp_path)), "--fast")
    assert "set `data` in config.yaml" in said


def test_too_little_room(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_NEEDED_BYTES", str(10**18))
    said = complaint(capsys, "run", "--config", str(rig_folder(tmp_path)), "--fast")
    assert "MB are free" in said


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX")
def test_a_disk_that_fills_ends_the_session_with_everything_so_far(tmp_path: Path) -> None:
    """The journal hits a limit in mid-session: one line, and what was written opens."""
    config = rig_folder(tmp_path)
    limit = "import resource,signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000));"
    code = f"{limit} import sys; from rig.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "run", "--config", str(config), "--fast", "--minutes", "5", "--json"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "make room" in done.stderr
    (journal,) = (tmp_path / "data").glob("*/*/journal")
    assert 100_000 < journal.stat().st_size <= 150_000
    assert main(["events", str(journal)]) == 0


def test_an_absent_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path, body="serial", board="mega2560", port="/dev/ttyNONE9")
    assert "/dev/ttyNONE9" in complaint(capsys, "run", "--config", str(config))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "no column 't_us'"),
        ("t_us,count\n1,x\n", "trace.csv:2: expected numbers"),
        ("t_us,count\n", "holds no rows"),
        ("t_us,count\n5,0\n4,1\n", "trace.csv:3: time runs backwards"),
    ],
)
def test_an_unreadable_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(text, encoding="utf-8")
    config = str(rig_folder(tmp_path))
    assert says in complaint(capsys, "run", "--config", config, "--fast", "--animal", f"trace:{trace}")
    assert says in complaint(capsys, "replay", str(trace), "--window", "-1..1")


WRONG_WORDS = {
    "animal": (("--animal", "moose"), 'did you mean "mouse"'),
    "trace": (("--animal", "trace:absent.csv"), "absent.csv: cannot be read"),
    "not gzip": (("--animal", "trace:Makefile.gz"), "cannot be read"),
    "parameter": (("--set", "dorp=6ul"), 'did you mean "drop"'),
    "unit": (("--set", "drop=6mm"), "expected a volume such as 8 ul"),
    "bounds": (("--set", "drop=6000ul"), "is outside 1 ul .. 20 ul"),
    "no value": (("--set", "drop"), "expected NAME=VALUE"),
    "protocol": (("--protocol", "cued_levre"), 'did you mean "cued_lever"'),
    "subject": (("--subject", "../M07"), "it names a folder"),
}


@pytest.mark.parametrize("case", WRONG_WORDS)
def test_wrong_words(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, says = WRONG_WORDS[case]
    (tmp_path / "Makefile.gz").write_text("not gzip", encoding="utf-8")
    words = tuple(word.replace("Makefile.gz", str(tmp_path / "Makefile.gz")) for word in given)
    assert says in complaint(capsys, "run", "--config", str(rig_folder(tmp_path)), "--fast", "--trials", "1", *words)


def test_simulator_options_are_for_the_simulator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path, body="serial", board="mega2560")
    assert "for the simulated rig" in complaint(capsys, "run", "--config", str(config), "--fast")


def test_events_come_out_as_csv_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    assert main(["run", "--config", str(config), "--fast", "--trials", "2", "--json"]) == 0
    session = json.loads(capsys.readouterr().out)["session"]
    assert main(["events", session]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "number,board_us,host_ns,event,fields"
    assert main(["events", session, "--format", "jsonl", "--only", "state"]) == 0
    states = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {state["event"] for state in states} == {"state"}
    assert [state["state"] for state in states[:2]] == ["bitcode", "cue"]
    assert 'did you mean "state"' in complaint(capsys, "events", session, "--only", "stat")
    assert main(["show", session, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["trials"]) == shown["summary"]["trials"] == 2
    assert main(["show", session]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "cue → press" in shown
    assert "2 trials, " in shown
    assert "longest gap between trials 0 us" in shown
    assert "{" not in shown  # words, not Python's


def test_draw_schema_and_ports(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "cued_lever"]) == 0
    assert capsys.readouterr().out.startswith("stateDiagram-v2")
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "config.yaml"
    assert main(["ports", "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)
