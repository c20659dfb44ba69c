"""From what is asked of a session to one that runs: the same way for a person, a test and a simulated study.

Floor 2: opens the link, makes the folder and begins the record. Prints nothing and reads no clock that it is not given:
whoever launches says what it sees, and when "now" is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rig import __version__, core, events, wire
from rig.animals import Animal
from rig.board import Board, Hello
from rig.config import Config
from rig.configfile import beside
from rig.course import trial_chance
from rig.events import Kind
from rig.journal import JournalWriter
from rig.protocol import Protocol, load_protocol
from rig.record import JOURNAL, new_session
from rig.session import Rules, Session, Summary
from rig.setup import RigBench, board_setup, limits_of, open_link
from rig.stream import open_publisher
from rig.table import Limits, compile_trial
from rig.task import Past, Value, Values
from rig.timing import TimingNotes, timing_of

DEFAULT_PROTOCOL = "cued_lever"


@dataclass(frozen=True)
class Order:
    """What is asked of a session; what is not said stands at the rig's or the protocol's default.

    Args:
        config_path: where ``config`` was read: the paths in it start there.
        changes: protocol parameters, as text (``"6 ul"``) or values.
        rules: when it ends by itself; nothing said: after 60 minutes.
        seed: of all chance; None: the simulated rig's own.
        animal: simulator only: what ``--animal`` says, or an animal of your own making.
        pace: simulator only: so many times real time; None: as fast as it goes.
        began: date and time, with its zone; None: now.
    """

    config: Config
    config_path: Path = Path("config.yaml")
    subject: str = "test"
    protocol: str | None = None
    changes: Mapping[str, Value] = field(default_factory=dict)
    rules: Rules = Rules()
    seed: int | None = None
    animal: str | Animal | None = None
    pace: float | None = None
    began: datetime | None = None

    @property
    def data(self) -> Path:
        """The folder of the records."""
        return beside(self.config_path, self.config.data)


@dataclass(frozen=True)
class Intent:
    """An order with everything decided that can be before a board is touched."""

    order: Order
    experiment: Protocol
    values: Values
    rules: Rules
    seed: int
    began: datetime


def intend(order: Order) -> Intent:
    """What a session of this order will be. Raises RigError for what cannot be; nothing is written or opened."""
    experiment = load_protocol(order.protocol or DEFAULT_PROTOCOL)
    return Intent(
        order,
        experiment,
        experiment.params.values_with(order.changes),
        order.rules if order.rules != Rules() else Rules(minutes=60),
        order.seed if order.seed is not None else order.config.simulator.seed,
        order.began or datetime.now(UTC),
    )


@contextmanager
def launched(intent: Intent) -> Iterator[Session]:
    """A session on its connected board, its record begun: ``run()`` it inside. RigError comes before anything moves."""
    order = intent.order
    link = open_link(order.config, animal=order.animal, pace=order.pace, seed=intent.seed)
    try:
        board = Board(link)
        hello = board.begin_anew()
        bench, limits = RigBench.of(order.config, str(order.config_path)), limits_of(order.config, hello._asdict())
        _try_first_trial(intent, bench, limits)
        folder = new_session(order.data, order.subject, intent.began.astimezone().date())
        timing = timing_of(order.config, link)
        keys = beside(order.config_path, order.config.stream_keys) if order.config.stream_keys else None
        name = f"{folder.parent.name}/{folder.name}"
        with (
            _journal(intent, folder) as journal,
            open_publisher(order.config.stream, name, order.data, keys, link.now_ns) as publisher,
        ):
            journal.append(Kind.MANIFEST, link.now_ns(), json.dumps(_manifest(intent, hello, folder, timing)).encode())
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
                publisher=publisher,
            )
            session.summary.session = str(folder)
            session.attend = TimingNotes(link).attend
            session.attend(session)
            yield session
    finally:
        link.close()


def launch(order: Order) -> Summary:
    """Run a session from beginning to end, without a view."""
    with launched(intend(order)) as session:
        return session.run()


def _journal(intent: Intent, folder: Path) -> JournalWriter:
    """A rehearsal does not wait for the disk: only a power cut could take what it wrote."""
    rehearsal = intent.order.config.body == "simulator" and intent.order.pace is None
    return JournalWriter.create(folder / JOURNAL, **({"sync_every_s": None} if rehearsal else {}))


def _try_first_trial(intent: Intent, bench: RigBench, limits: Limits) -> None:
    """A protocol that cannot run is refused before anything is written or armed."""
    compile_trial(intent.experiment.trial(intent.values, Past(), trial_chance(intent.seed, 1)), bench, limits)


def _manifest(intent: Intent, hello: Hello, folder: Path, timing: dict[str, Any]) -> dict[str, Any]:
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
        "params": {name: str(value) for name, value in intent.values.items()},
        "config": config.plain(),
        "config_digest": config.digest(),
        "records": {kind.name.lower(): int(kind) for kind in events.Kind},
    }


def _animal(order: Order) -> str:
    if order.animal is None:
        return order.config.simulator.animal
    return order.animal if isinstance(order.animal, str) else type(order.animal).__name__
