"""From what is asked of a session to one that runs: the same way for a person, a test and a simulated study.

Floor 2: opens the link, makes the folder and begins the record. What the session is to be stands in ``rig.intent``.
Prints nothing: whoever launches says what it sees.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Any

from rig import __version__, core, events, wire
from rig.board import Board, Hello
from rig.configfile import beside
from rig.events import Kind
from rig.intent import Intent, Order, intend
from rig.journal import JournalWriter
from rig.ready import check_ready
from rig.record import JOURNAL, new_session
from rig.remake import guard_of
from rig.session import Session, Summary
from rig.setup import RigBench, board_setup, limits_of, open_link, sound_watcher
from rig.sound.book import SoundBook
from rig.stream import open_publisher
from rig.timing import TimingNotes, timing_of

__all__ = ["Intent", "Order", "intend", "launch", "launched"]


@contextmanager
def launched(intent: Intent) -> Iterator[Session]:
    """A session on its connected board, its record begun: ``run()`` it inside. RigError comes before anything moves."""
    order = intent.order
    link = open_link(order.config, animal=order.animal, pace=order.pace, seed=intent.seed, fault=order.fault)
    with ExitStack() as going:
        going.callback(link.close)
        board = Board(link)
        hello = board.begin_anew()
        bench, limits = RigBench.of(order.config, str(order.config_path)), limits_of(order.config, hello._asdict())
        today = intent.began.astimezone().date()
        warnings = check_ready(intent, bench, limits, today)
        sound = sound_watcher(order.config, link, board.clock, bench.sounds, str(order.config_path))
        going.callback(sound.close)
        warnings += [sound.warning] if sound.warning else []
        folder = new_session(order.data, order.subject, today)
        timing = timing_of(order.config, link)
        keys = beside(order.config_path, order.config.stream_keys) if order.config.stream_keys else None
        name = f"{folder.parent.name}/{folder.name}"
        with (
            _journal(intent, folder) as journal,
            open_publisher(
                order.config.stream, name, order.data, keys, link.now_ns, eager=order.config.stream_eager
            ) as publisher,
        ):
            journal.append(
                Kind.MANIFEST,
                link.now_ns(),
                json.dumps(_manifest(intent, hello, folder, timing, bench.sounds)).encode(),
            )
            journal.commit()
            (folder / "protocol.py").write_text(intent.experiment.source, encoding="utf-8")
            session = Session(
                board,
                journal,
                intent.experiment,
                intent.values,
                bench,
                limits,
                setup=board_setup(order.config),
                seed=intent.seed,
                rules=intent.rules,
                course=intent.course,
                watchers=[guard_of(order.config, intent.course, intent.values), TimingNotes(link), sound],
                publisher=publisher,
            )
            session.summary.session = str(folder)
            for move in intent.moves:
                session.note("stage", **asdict(move))
            for warning in warnings:
                session.note("warning", text=warning)
            session.warnings = [*warnings]
            yield session


def launch(order: Order) -> Summary:
    """Run a session from beginning to end, without a view."""
    with launched(intend(order)) as session:
        return session.run()


def _journal(intent: Intent, folder: Path) -> JournalWriter:
    """A rehearsal does not wait for the disk: only a power cut could take what it wrote."""
    rehearsal = intent.order.config.body == "simulator" and intent.order.pace is None
    return JournalWriter.create(folder / JOURNAL, **({"sync_every_s": None} if rehearsal else {}))


def _manifest(intent: Intent, hello: Hello, folder: Path, timing: dict[str, Any], book: SoundBook) -> dict[str, Any]:
    order, experiment, config = intent.order, intent.experiment, intent.order.config
    return {
        "session": folder.name,
        "subject": order.subject,
        "utc": intent.began.astimezone(UTC).isoformat(timespec="seconds"),
        "program": __version__,
        "firmware": core.source_hash(),
        "wire": f"{wire.wire_hash():08x}",
        "board": hello._asdict(),
        "animal": _animal(order) if config.body == "simulator" else None,
        "seed": intent.seed,
        "protocol": {
            "name": experiment.name,
            "file": str(experiment.path),
            "digest": experiment.digest,
            "source": experiment.source,
        },
        "timing": timing,
        "sound": {"tone_pin": book.pin, "sounds": book.plain()},
        "params": {name: str(value) for name, value in intent.values.items()},
        **intent.record(),
        "config": config.plain(),
        "config_digest": config.digest(),
        "records": {kind.name.lower(): int(kind) for kind in events.Kind},
    }


def _animal(order: Order) -> str:
    if order.animal is None:
        return order.config.simulator.animal
    return order.animal if isinstance(order.animal, str) else type(order.animal).__name__
