"""A session's copy at a listener: the same journal, its events as CSV with this computer's time, a proof at the end.

A listener may be killed at any moment: the CSV is written before the journal, and what the journal does not hold yet is
cut off it on return. May not: know of sockets or clocks; whoever listens says what time it is here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rig.events import Kind
from rig.record.format import BODY, Journal
from rig.record.journal import JournalWriter, read_journal
from rig.stream import schema
from rig.stream.schema import Message
from rig.wire import BY_NAME, EVENT_HEADER

COLUMNS = ("record", "number", "board_us", "host_ns", "event", "fields", "here_ns", "here_utc", "here_bound_us")
JOURNAL, EVENTS, PROOF = "journal", "events.csv", "proof.json"
_BOOT, _LOST = BY_NAME["boot"].number, BY_NAME["lost"].number
_lost = BY_NAME["lost"].body.unpack_from


@dataclass(frozen=True)
class Proof:
    """What lies on this computer's disk, read again, against what the rig says it has."""

    session: str
    state: str
    records: int
    of_records: int
    events: int
    missing: int
    double: int
    lost_on_board: int
    sha256: str
    same: bool

    @property
    def good(self) -> bool:
        """Everything is here, once, and the session came to its end."""
        return self.same and self.state == "complete" and not self.missing and not self.double

    def __str__(self) -> str:
        if self.same:
            told = f"{self.events} of {self.events} events, {self.missing} missing, {self.double} double"
        else:
            told = f"{self.events} events, {self.missing} records missing, {self.double} events double"
        same = "as on the rig" if self.same else "NOT as on the rig"
        lost = f"; the board itself lost {self.lost_on_board}" if self.lost_on_board else ""
        records = f"{self.records} of {self.of_records} records, SHA-256 {self.sha256[:16]} {same}"
        return f"{self.session} {self.state}: {told} ({records}){lost}"


class Copy:
    """One session below a listener's folder, begun or gone on with."""

    def __init__(self, out: Path, session: str) -> None:
        self.session, self.folder = session, out / session
        self.next = 0  # the number of the record that is due
        self.last_check = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / JOURNAL
        if path.exists():
            self._go_on(path)
        else:
            self._journal = JournalWriter.create(path)
            (self.folder / EVENTS).write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
        self._csv = (self.folder / EVENTS).open("a", encoding="utf-8", newline="")

    def _go_on(self, path: Path) -> None:
        self._journal = JournalWriter.reopen(path)
        held = read_journal(path)
        if held.damage:  # then numbers cannot be told by counting
            self._journal.close()
            self._aside()
            self._journal = JournalWriter.create(path)
            held = read_journal(path)
        self.next = len(held)
        if self.next:
            self.last_check = schema.check(*held[-1][:3])
        _cut_rows(self.folder / EVENTS, self.next)

    def add(self, message: Message, here_ns: int | None, utc: str, bound_us: float | None) -> None:
        """The record that is due. ``here_ns``, ``utc``, ``bound_us``: when that event was on this computer's clocks."""
        self._journal.append(message.kind, message.host_ns, message.payload)
        self.next += 1
        self.last_check = 0
        self._last = message
        if message.kind == Kind.EVENT:
            _, number, _ = EVENT_HEADER.unpack_from(message.payload)
            words = ";".join([f"{key}={_word(value)}" for key, value in message.fields.items()])
            if "," in words or '"' in words:
                words = '"' + words.replace('"', '""') + '"'
            event = f"{message.number},{number},{message.board_us},{message.host_ns},{message.name},{words}"
            bound = "" if bound_us is None else f"{bound_us:.1f}"
            self._csv.write(f"{event},{'' if here_ns is None else here_ns},{utc},{bound}\n")

    @property
    def check(self) -> int:
        """The :func:`rig.stream.schema.check` of the last record held."""
        if self.next and not self.last_check:
            self.last_check = schema.check(self._last.kind, self._last.host_ns, self._last.payload)
        return self.last_check

    def commit(self) -> None:
        """What was added survives the end of this process."""
        self._csv.flush()
        self._journal.commit()

    def close(self) -> None:
        """Let go of the files."""
        self._csv.close()
        self._journal.close()

    def set_aside(self) -> None:
        """This is not what the rig holds: keep it under another name. The copy is closed."""
        self.close()
        self._aside()

    def _aside(self) -> None:
        n = 1
        while (self.folder / f"{JOURNAL}.other-{n}").exists():
            n += 1
        for name in (JOURNAL, EVENTS, PROOF):
            path = self.folder / name
            if path.exists():
                path.rename(path.with_name(f"{name}.other-{n}"))

    def prove(self, state: str, of_records: int, sha256: str) -> Proof:
        """Read everything again from the disk, and compare it with what the rig says. Keeps the proof as a file."""
        self.commit()
        journal = read_journal(self.folder / JOURNAL)
        events, missing, double, lost = _count(journal)
        mine = content_sha256(journal)
        same = mine == sha256 and len(journal) == of_records and not journal.damage
        proof = Proof(
            session=self.session,
            state=state,
            records=len(journal),
            of_records=of_records,
            events=events,
            missing=max(missing, of_records - len(journal)),
            double=double,
            lost_on_board=lost,
            sha256=mine,
            same=same,
        )
        text = json.dumps({**asdict(proof), "good": proof.good}, indent=1)
        (self.folder / PROOF).write_text(text + "\n", encoding="utf-8")
        return proof


def content_sha256(journal: Journal) -> str:
    """SHA-256 over the records' content, as a pong's ``digest`` is."""
    digest = hashlib.sha256()
    for kind, host_ns, payload, _ in journal:
        digest.update(BODY.pack(len(payload), kind, host_ns) + payload)
    return digest.hexdigest()


def unproven(out: Path) -> list[str]:
    """Sessions below a listener's folder that have not come to a good end yet."""
    folders = (path.parent for path in sorted(out.glob(f"*/*/{JOURNAL}")))
    return [f"{folder.parent.name}/{folder.name}" for folder in folders if not is_proven(folder)]


def is_proven(folder: Path) -> bool:
    """Has this session's copy come to a good end?"""
    try:
        return bool(json.loads((folder / PROOF).read_text(encoding="utf-8")).get("good"))
    except (OSError, ValueError, AttributeError):
        return False


def _count(journal: Journal) -> tuple[int, int, int, int]:
    """``(events, missing, double, lost)`` by the board's own numbers: a second witness beside the rig's count."""
    events = missing = double = lost = 0
    due: int | None = None
    for kind, _, payload, _ in journal:
        if kind != Kind.EVENT:
            continue
        events += 1
        name, number, _ = EVENT_HEADER.unpack_from(payload)
        if name == _BOOT:
            due = None
        elif name == _LOST:
            first, last = _lost(payload, EVENT_HEADER.size)
            lost += last - first + 1
            due = number if due == first else due
        if due is not None:
            missing += max(0, number - due)
            double += number < due
        due = number + 1
    return events, missing, double, lost


def _cut_rows(path: Path, records: int) -> None:
    """Leave only rows of records below ``records``, and no torn one."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines[1:] if line.endswith("\n") and _record(line) < records]
    header = ",".join(COLUMNS) + "\n"
    scratch = path.with_suffix(".new")
    with scratch.open("w", encoding="utf-8", newline="") as file:
        file.writelines([header, *kept])
    scratch.replace(path)


def _record(line: str) -> int:
    number = line.split(",", 1)[0]
    return int(number) if number.isdigit() else 1 << 62


def _word(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
