"""From what is asked of a session to one that runs: the same way for a person, a test and a simulated study.

Floor 2: opens the link, makes the folder and begins the record. What the session is to be stands in ``rig.intent``.
Prints nothing: whoever launches says what it sees.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, date
from pathlib import Path
from typing import Any

from rig import __version__, events, wire
from rig.board import Board, Hello, RestartedError
from rig.bodies import core
from rig.config.file import beside
from rig.errors import RigError
from rig.events import Kind
from rig.experiment.table import Limits
from rig.imaging.watch import frame_watchers
from rig.record.folder import JOURNAL, discard, manifest_of, new_session, read_entries
from rig.record.journal import JournalWriter
from rig.record.remake import book_of, guard_of
from rig.record.seal import Seals
from rig.session.intent import Intent, Order, intend
from rig.session.loop import Session
from rig.session.ready import check_ready
from rig.session.resume import intent_of, interrupted, reached, rest_of
from rig.session.setup import RigBench, board_setup, check_board, limits_of, open_link, sound_watcher
from rig.session.summary import Summary
from rig.session.timing import TimingNotes, timing_of
from rig.session.trials import Trials
from rig.sound.book import SoundBook
from rig.sound.cues import SoundWatcher
from rig.stream import Publisher, open_publisher

__all__ = ["Intent", "Order", "intend", "launch", "launched"]


@contextmanager
def launched(intent: Intent) -> Iterator[Session]:
    """A session on its connected board, its record begun: ``run()`` it inside. RigError comes before anything moves."""
    order = intent.order
    before = interrupted(order.data, order.subject, _today(intent)) if order.resume else None
    link = open_link(order.config, animal=order.animal, pace=order.pace, seed=intent.seed, fault=order.fault)
    try:
        with _anew(intent, Board(link)) if before is None else _again(intent, Board(link), before) as session:
            yield session
    finally:
        link.close()


@contextmanager
def _anew(intent: Intent, board: Board, continues: str | None = None) -> Iterator[Session]:
    """From the beginning, on a board that is as new."""
    order = intent.order
    hello = board.begin_anew()
    check_board(order.config, hello)
    bench, limits = RigBench.of(order.config, str(order.config_path)), limits_of(order.config, hello._asdict())
    warnings = check_ready(intent, bench, limits, _today(intent))
    with closing(_sound(order, board, bench)) as sound:
        warnings += [sound.warning] if sound.warning else []
        folder = new_session(order.data, order.subject, _today(intent))
        timing = timing_of(order.config, board.link)
        manifest = {**_manifest(intent, hello, folder, timing, bench.sounds), "continues": continues}
        with _record(intent, folder, board, json.dumps(manifest).encode()) as (journal, publisher):
            (folder / "protocol.py").write_text(intent.experiment.source, encoding="utf-8")
            setup = board_setup(order.config)
            session = _session(intent, board, journal, publisher, bench, limits, sound, setup)
            session.summary.session = str(folder)
            for move in intent.moves:
                session.note("stage", **asdict(move))
            for warning in warnings:
                session.note("warning", text=warning)
            session.warnings = [*warnings]
            yield session


@contextmanager
def _record(intent: Intent, folder: Path, board: Board, manifest: bytes) -> Iterator[tuple[JournalWriter, Publisher]]:
    """A journal with its first record, and its stream. What fails before that leaves no folder behind."""
    begun = False
    try:
        with _journal(intent, folder) as journal, _publisher(intent, folder, board) as publisher:
            journal.append(Kind.MANIFEST, board.link.now_ns(), manifest)
            journal.commit()
            begun = True
            yield journal, publisher
    except RigError:
        if not begun:
            discard(folder)
        raise


@contextmanager
def _again(intent: Intent, board: Board, folder: Path) -> Iterator[Session]:
    """On the record of a session that was cut short; where its board has lost its memory, on a new record."""
    order = intent.order
    with _journal(intent, folder, again=True) as journal:
        entries, _ = read_entries(folder)
        so_far, manifest, end = intent_of(intent, entries, folder), manifest_of(entries), reached(entries)
        bench = RigBench.of(order.config, str(order.config_path), sounds=book_of(manifest))
        limits = limits_of(order.config, manifest["board"])
        with closing(_sound(order, board, bench)) as sound, _publisher(intent, folder, board) as publisher:
            session = _session(so_far, board, journal, publisher, bench, limits, sound, [])
            session.summary.session = str(folder)
            try:
                board.resume(*end)
                session.recall(entries)
                session.note("resumed", after_event=end.next_event - 1)
                yield session
                return
            except RestartedError as error:
                if session.resumed:
                    raise
                session.recall(entries)
                session.conclude(str(error))
    with _anew(rest_of(order, manifest, session.summary), board, folder.name) as session:
        yield session


def _session(
    intent: Intent,
    board: Board,
    journal: JournalWriter,
    publisher: Publisher,
    bench: RigBench,
    limits: Limits,
    sound: SoundWatcher,
    setup: list[tuple[str, dict[str, int]]],
) -> Session:
    return Session(
        board,
        journal,
        Trials(intent.experiment, intent.course, bench, limits, intent.seed),
        setup=setup,
        rules=intent.rules,
        watchers=[
            guard_of(intent.order.config, intent.course, intent.values),
            TimingNotes(board.link),
            sound,
            *frame_watchers(intent.order.config),
        ],
        publisher=publisher,
    )


def _sound(order: Order, board: Board, bench: RigBench) -> SoundWatcher:
    return sound_watcher(order.config, board.link, board.clock, bench.sounds, str(order.config_path))


def _today(intent: Intent) -> date:
    return intent.began.astimezone().date()


def _publisher(intent: Intent, folder: Path, board: Board) -> Publisher:
    order, config = intent.order, intent.order.config
    keys = beside(order.config_path, config.stream_keys) if config.stream_keys else None
    name = f"{folder.parent.name}/{folder.name}"
    return open_publisher(config.stream, name, order.data, keys, board.link.now_ns, eager=config.stream_eager)


def launch(order: Order) -> Summary:
    """Run a session from beginning to end, without a view."""
    with launched(intend(order)) as session:
        return session.run()


def _journal(intent: Intent, folder: Path, *, again: bool = False) -> JournalWriter:
    """A rehearsal does not wait for the disk: only a power cut could take what it wrote."""
    rehearsal = intent.order.config.body in ("simulator", "pty") and intent.order.pace is None
    begin = JournalWriter.reopen if again else JournalWriter.create
    return begin(folder / JOURNAL, seals=Seals(), **({"sync_every_s": None} if rehearsal else {}))


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
        "animal": _animal(order) if config.body in ("simulator", "pty", "emulator") else None,
        "seed": intent.seed,
        "rules": asdict(intent.rules),
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
        "sealed": True,
        "records": {kind.name.lower(): int(kind) for kind in events.Kind},
    }


def _animal(order: Order) -> str:
    if order.animal is None:
        return order.config.simulator.animal
    return order.animal if isinstance(order.animal, str) else type(order.animal).__name__
