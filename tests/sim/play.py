"""Plays a case: the program as it is launched by a person, on a faulty rig, until the day is over.

May not: judge what came of it.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import yaml

from rig.bodies import core
from rig.bodies.animals import make_animal
from rig.bodies.sim import START_US, WRAP, SimSettings
from rig.config.file import load_config
from rig.errors import RigError
from rig.session import launch
from rig.session.launch import Order
from rig.session.ready import check_ready
from rig.session.summary import Rules
from sim import tap
from sim.acks import Acks
from sim.disk import Disk
from sim.draw import Case
from sim.faults import Endless, FaultyLink, Killed

SUBJECT = "M01"
CLEAN = ("trials", "minutes", "water", "Ctrl-C", "over", "fault: interlock", "fault: ceiling", "fault: duty")
ATTEMPTS = 40
KNOWN_US = 5_000_000  # a jump of the host's clock is known by then


@dataclass
class Played:
    """What came of a case."""

    case: Case
    folders: list[Path]
    truth: tap.Truth
    ends: list[str] = field(default_factory=list)  # how each sitting of the program ended
    happened: list[str] = field(default_factory=list)
    acks: list[str] = field(default_factory=list)  # what the tap on the wire found wrong
    jumps_us: list[tuple[int, int]] = field(default_factory=list)  # of the host's clock
    hours: float = 0.0
    clean: bool = False

    def clock_error_us(self, board_us: int, host_ns: int) -> float | None:
        """How far a pair of times is off; None where the host's clock had just jumped."""
        about_us = START_US + (host_ns - 1_000_000_000) // 1000  # which of the board's rounds of 71.6 min it is
        t_us = board_us + round((about_us - board_us) / WRAP) * WRAP
        jumped_us, behind_us = next(jump for jump in reversed(self.jumps_us) if jump[0] <= t_us)
        if jumped_us and t_us - jumped_us < KNOWN_US:
            return None
        true_ns = 1_000_000_000 + (t_us - START_US) * (1000 - self.case.drift_ppm / 1000) - 1000 * behind_us
        return abs(true_ns - host_ns) / 1000


def play(case: Case, folder: Path, *mutants: str) -> Played:
    """Run a case to its end; everything it writes stays below ``folder``."""
    ffi, lib = tap.load(case.queue_bytes, *mutants)
    lib.tap_clear()
    with patch.object(core, "load", lambda: (ffi, lib)):
        link = _link(case)
    length_us = 6e7 * case.minutes + sum(one.length_us for one in case.episodes)
    link.end_us = link.t_us + round(3 * length_us + 3.6e9)
    truth = tap.Truth()
    link.drained = lambda: truth.take(ffi, lib)
    played = Played(case, [], truth)
    began_us = link.t_us
    with (
        patch.object(core, "load", lambda: (ffi, lib)),
        patch.object(launch, "open_link", lambda *_args, **_more: link),
        patch.object(launch, "check_ready", (lambda *_: []) if case.unguarded else check_ready),
        Disk(link) as disk,
        Acks(disk, link, played.acks) as acks,
    ):
        _sit(case, folder, link, disk, played)
        if played.clean:
            acks.finish()
    played.jumps_us = link.jumps_us
    truth.take(ffi, lib)
    truth.close()
    played.folders = sorted((folder / "data" / SUBJECT).glob("*_*"), key=lambda path: int(path.name.split("_")[1]))
    played.hours = (link.t_us - began_us) / 3.6e9
    played.happened = link.happened
    return played


def _link(case: Case) -> FaultyLink:
    settings = SimSettings(
        seed=case.seed,
        link_latency_us=case.latency_us,
        drift_ppm=case.drift_ppm,
        frame_hz=None if case.config["simulator"]["frame_hz"] == "none" else case.config["simulator"]["frame_hz"],
    )
    counts_per_mm = 1 / case.config["lever"]["mm_per_count"]
    return FaultyLink(
        make_animal(case.animal, counts_per_mm, case.seed),
        settings,
        seed=case.seed,
        to_board=case.to_board,
        from_board=case.from_board,
        episodes=case.episodes,
        buffer_bytes=case.buffer_bytes,
    )


def _order(case: Case, folder: Path) -> Order:
    path = folder / "config.yaml"
    if not path.exists():
        path.write_text(yaml.safe_dump(case.config), encoding="utf-8")
    return Order(
        load_config(path),
        path,
        subject=SUBJECT,
        protocol=case.protocol,
        changes=case.params,
        rules=Rules(minutes=case.minutes),
        seed=case.seed % (1 << 31),
        opto=case.opto or None,
        began=datetime(2026, 3, 2, 9, tzinfo=UTC),
    )


def _sit(case: Case, folder: Path, link: FaultyLink, disk: Disk, played: Played) -> None:
    """Somebody sits at the rig: starts the session, and resumes it as often as it takes."""
    order = _order(case, folder)
    chance = random.Random(f"sitting {case.seed}")
    for attempt in range(ATTEMPTS):
        ended = _one(order, link, resume=attempt > 0)
        played.ends.append(ended)
        if ended in CLEAN:
            played.clean = True
            return
        if ended.startswith(("endless", "ConfigError", "ProtocolError")):
            return
        if link.killed:
            _tear(folder, chance)
        disk.drop()
        link.revive()
        link.sleep(link.restart_after_us or chance.randrange(20_000_000))
        link.restart_after_us = 0


def _one(order: Order, link: FaultyLink, *, resume: bool) -> str:
    try:
        with launch.launched(launch.intend(replace(order, resume=resume))) as session:
            link.interrupt = lambda: session.interrupt("Ctrl-C")
            return session.run().ended
    except Killed:
        return "killed"
    except Endless as error:
        return f"endless: {error}"
    except RigError as error:
        if resume and "run without --resume" in str(error):
            return "over" if "nothing is left" in str(error) else _one(order, link, resume=False)
        return f"{type(error).__name__}: {error}"


def _tear(folder: Path, chance: random.Random) -> None:
    """A killed writer may have left half a record behind."""
    if chance.random() < 0.5:
        return
    journals = sorted((folder / "data" / SUBJECT).glob("*/journal"), key=lambda path: path.stat().st_mtime_ns)
    if journals:
        with journals[-1].open("ab") as file:
            file.write(b"\xf5\xa9" + chance.randbytes(chance.randrange(40)))


def scratch() -> str | None:
    """Where simulated records are fastest written."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None
