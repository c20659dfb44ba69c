"""The board in a process of its own, behind a pseudo-terminal and pyserial: the same session, event for event."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import pytest
from rehearse import rig_folder, run_session

from rig.board import Board
from rig.bodies.animals import make_animal
from rig.bodies.pty import PtyBody
from rig.bodies.sim import SimLink, SimSettings
from rig.doors.verify import check
from rig.errors import LinkError
from rig.events import Kind
from rig.record.folder import read_entries
from rig.wire import BoardKind

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
SHORT = ("--trials", "4", "--seed", "5", "--set", "iti_min=0.5s", "--set", "iti_max=1s")


def told(folder: Path) -> list[bytes]:
    entries, damage = read_entries(folder)
    assert not damage
    return [entry.payload for entry in entries if entry.kind == Kind.EVENT]


def test_a_session_through_pyserial_verifies_and_equals_the_one_in_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = rig_folder(tmp_path)
    mine: dict[str, Any] = run_session(config, capsys, *SHORT)
    theirs: dict[str, Any] = run_session(config, capsys, "--body", "pty", *SHORT)
    for summary in (mine, theirs):
        assert (summary["trials"], summary["lost_events"], summary["damaged_frames"]) == (4, 0, 0)
        report = check(Path(summary["session"]))
        assert report.good, report.faults
    one, other = told(Path(mine["session"])), told(Path(theirs["session"]))
    assert len(one) > 200
    assert one == other


def test_it_says_who_it_is_and_ends_when_nobody_asks() -> None:
    body = PtyBody()
    link = SimLink(make_animal("none", 100.0, 1), SimSettings(), body)
    assert Board(link).connect().board == BoardKind.PTY
    assert body.port.startswith("/dev/")
    link.close()
    assert body._process.returncode == 0


def test_a_process_that_is_gone_is_a_lost_link() -> None:
    body = PtyBody()
    link = SimLink(make_animal("none", 100.0, 1), SimSettings(), body)
    body._process.kill()
    body._process.wait(5)
    with pytest.raises(LinkError, match="has ended"):
        link.read(1_000_000)
    body._line.close()
    for pipe in (body._process.stdin, body._process.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
