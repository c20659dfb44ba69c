"""A journal as the stream reads it: the same messages, byte for byte, live and from any number on."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_rig import SESSION, payloads

from rig import events, wire
from rig.errors import RecordError
from rig.events import EventReader, Kind
from rig.record.journal import JournalWriter
from rig.stream import schema
from rig.stream.book import Book, Growing
from rig.stream.schema import Maker


def write(path: Path, seed: int, n: int) -> None:
    """A session with trials whose numbers mean something else each time, clock notes, and records nobody knows."""
    chance, made = random.Random(seed), payloads(seed)
    with JournalWriter.create(path, sync_every_s=None) as journal:
        journal.append(Kind.MANIFEST, 0, json.dumps({"session": SESSION}).encode())
        for i in range(n):
            what = chance.random()
            if what < 0.02:
                names = {"states": [f"s{i}a", f"s{i}b"], "rules": [], "generators": [], "outcomes": [None, "rewarded"]}
                journal.append(Kind.NOTE, i, events.note("trial", trial=i, info={}, **names))
                body = wire.encode_event("trial_begin", i, 200 * i, {"trial": i, "gap_us": 0})
                journal.append(Kind.EVENT, i, body)
            elif what < 0.03:
                line = {"ns_per_us": 1000.01, "error_us": 20.0, "drift_error_ppm": 1.0}
                journal.append(Kind.NOTE, i, events.note("clock", board_us=200 * i, host_ns=200_000 * i, **line))
            elif what < 0.035:
                journal.append(Kind.EVENT, i, bytes([chance.randrange(256) for _ in range(chance.randrange(1, 20))]))
            elif what < 0.04:
                journal.append(Kind.NOTE, i, b"{}")
            else:
                journal.append(Kind.EVENT, i, next(made))


@pytest.mark.parametrize("seed", range(3))
def test_live_and_asked_for_are_the_same_bytes(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "journal"
    write(path, seed, 5000)
    maker, live = Maker(SESSION), []
    growing = Growing(path)
    while len(records := growing.read()):
        live += [maker.make(kind, host_ns, payload)[1] for kind, host_ns, payload, _ in records]
    growing.close()
    chance = random.Random(seed)
    book = Book(SESSION, path)
    book.refresh()
    assert book.count == len(live) > 5000
    for first in [0, 1, book.count - 1, *(chance.randrange(book.count) for _ in range(60))]:
        found = book.messages(first, most=chance.choice((1, 7, 500, 3000)))
        assert found
        assert found == live[first : first + len(found)]
    assert book.messages(book.count) == []
    book.close()


def test_messages_say_what_the_record_says(tmp_path: Path) -> None:
    """What was said before is not read again: the words are the same as if it had been."""
    path = tmp_path / "journal"
    write(path, 9, 4000)
    reader, maker, growing = EventReader(), Maker(SESSION), Growing(path)
    n = 0
    for kind, host_ns, payload, _ in growing.read():
        message = schema.read_message(maker.make(kind, host_ns, payload)[1])
        assert (message.number, message.kind, message.host_ns, message.payload) == (n, kind, host_ns, payload)
        n += 1
        if kind == Kind.NOTE:
            reader.learn(events.read_json(payload))
        if kind != Kind.EVENT or message.name == "unknown":
            continue
        event = reader.read(host_ns, payload)
        fields = {key: list(value) if isinstance(value, tuple) else value for key, value in event.fields.items()}
        assert (message.name, message.board_us, message.fields) == (event.name, event.board_us, fields)
        assert message.topic in schema.TOPICS
    assert n > 1000
    growing.close()


@settings(max_examples=40)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=30))
def test_a_growing_journal_is_read_whatever_the_pieces(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    path = tmp_path_factory.mktemp("grow") / "journal"
    with JournalWriter.create(path, sync_every_s=None) as journal:
        growing, found = Growing(path), []
        for i, size in enumerate(sizes):
            journal.append(Kind.NOTE, i, bytes([i % 256]) * size)
            if i % 3 == 0:
                journal.commit()
                found += [payload for _, _, payload, _ in growing.read()]
        journal.commit()
        while len(records := growing.read()):
            found += [payload for _, _, payload, _ in records]
        growing.close()
    assert found == [bytes([i % 256]) * size for i, size in enumerate(sizes)]


def test_a_record_larger_than_any_piece(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with JournalWriter.create(path, sync_every_s=None) as journal:
        for size in (10, 5 << 20, 3000, 10):
            journal.append(Kind.NOTE, time.monotonic_ns(), bytes(size))
        journal.commit()
        growing, sizes = Growing(path), []
        while len(records := growing.read()):
            sizes += [len(payload) for _, _, payload, _ in records]
        growing.close()
    assert sizes == [10, 5 << 20, 3000, 10]


def test_no_journal_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        Growing(tmp_path / "journal")
