"""The journal: whatever befalls file or process, records are read back or the damage is told."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rig.errors import RecordError
from rig.record.format import BODY, FRAME, HEAD_BYTES, MAGIC, PAYLOAD_LIMIT_BYTES, SYNC
from rig.record.journal import Damage, Journal, JournalWriter, Record, read_journal, scan

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "read_journal.py"
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # hundreds of journals: spare the disk

Made = tuple[int, int, bytes]
payloads = st.binary(max_size=60) | st.sampled_from([b"", SYNC, SYNC * 9, bytes(40), MAGIC])
records = st.lists(st.tuples(st.integers(0, 255), st.integers(-(2**63), 2**63 - 1), payloads), max_size=12)
SOME: list[Made] = [(i % 256, i * 1_000_000, bytes([i % 251]) * (i % 40)) for i in range(50)]


def append_all(writer: JournalWriter, made: Iterable[Made]) -> None:
    for kind, host_ns, payload in made:
        writer.append(kind, host_ns, payload)


def written(made: list[Made]) -> bytes:
    """The bytes of a journal with these records."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name) / "journal"
        with JournalWriter.create(path, sync_every_s=None) as writer:
            append_all(writer, made)
        return path.read_bytes()


@given(st.integers(0, 255), st.integers(-(2**63), 2**63 - 1), st.lists(payloads, max_size=9))
def test_a_batch_is_its_payloads_one_by_one(kind: int, host_ns: int, several: list[bytes]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name) / "journal"
        with JournalWriter.create(path, sync_every_s=None) as writer:
            writer.append_batch(kind, host_ns, several)
        assert path.read_bytes() == written([(kind, host_ns, payload) for payload in several])


def test_a_batch_with_an_oversized_payload_keeps_what_came_before_it(tmp_path: Path) -> None:
    with JournalWriter.create(tmp_path / "journal") as writer:
        with pytest.raises(RecordError, match="split it"):
            writer.append_batch(3, 0, [b"a", bytes(PAYLOAD_LIMIT_BYTES + 1)])
        writer.append(3, 0, b"b")
    assert [r.payload for r in read_journal(tmp_path / "journal")] == [b"a", b"b"]


def read_bytes(data: bytes) -> Journal:
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name) / "journal"
        path.write_bytes(data)
        return read_journal(path)


def plain(journal: Journal | list[Record]) -> list[Made]:
    return [(r.kind, r.host_ns, r.payload) for r in journal]


def starts(made: list[Made]) -> list[int]:
    """Offsets of the records, and of the end."""
    sizes = (HEAD_BYTES + len(payload) for _, _, payload in made)
    return list(itertools.accumulate(sizes, initial=len(MAGIC)))


def accounted(journal: Journal, size: int) -> bool:
    """Every byte after the header is in one record or in one damage."""
    spans = [(r.offset, r.offset + HEAD_BYTES + len(r.payload)) for r in journal]
    spans += [(d.offset, d.offset + d.length) for d in journal.damage]
    spans.sort()
    edges = [(0, spans[0][0]), *spans] if spans else [(0, len(MAGIC))]
    joined = all(a[1] == b[0] for a, b in itertools.pairwise(edges))
    return joined and edges[0][1] in (0, len(MAGIC)) and edges[-1][1] == size


# Reading back.


@given(records)
def test_what_was_written_is_read_back(made: list[Made]) -> None:
    data = written(made)
    journal = read_bytes(data)
    assert plain(journal) == made
    assert [r.offset for r in journal] == list(journal.offsets) == starts(made)[:-1]
    assert (journal.damage, journal.torn, journal.end) == ([], False, len(data))
    assert [journal[i] for i in range(len(journal))] == list(journal) == journal[:]
    assert all(data[o : o + 2] == SYNC for o in journal.offsets)


def test_the_file_is_what_the_page_says(tmp_path: Path) -> None:
    """The example of docs/journal.md, byte for byte."""
    path = tmp_path / "journal"
    with JournalWriter.create(path) as writer:
        writer.append(7, 1_000, b"push")
    page = (ROOT / "docs" / "journal.md").read_text(encoding="utf-8")
    shown = page.split("```hex\n")[1].split("```")[0]
    assert path.read_bytes() == bytes.fromhex(shown)


def test_the_strangers_program_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    data = bytearray(written(SOME))
    data[starts(SOME)[20] + 11] ^= 4
    path.write_bytes(bytes(data[:-3]))
    ran = subprocess.run([sys.executable, "-I", EXAMPLE, path], capture_output=True, text=True, check=True)
    journal = read_journal(path)
    assert len(journal) == 48
    lines = [f"{r.offset} {r.kind} {r.host_ns} {r.payload.hex()}".rstrip() for r in journal]
    assert [line.rstrip() for line in ran.stdout.splitlines()] == lines
    lost = [f"{d.length} bytes at {d.offset} are no record" for d in journal.damage]
    assert ran.stderr.splitlines() == lost


def test_reading_goes_on_where_an_earlier_reading_ended(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with JournalWriter.create(path) as writer:
        append_all(writer, SOME[:20])
        writer.commit()
        first = read_journal(path)
        append_all(writer, SOME[20:])
        writer.commit()
        rest = read_journal(path, since=first.end)
        assert plain(first) + plain(rest) == SOME
        assert list(rest)[3] == rest[3] == read_journal(path)[23]
        assert plain(read_journal(path, since=writer.end_bytes)) == []
        assert rest.end == writer.written_bytes == writer.end_bytes


# Damage.


@given(records.filter(bool), st.data())
def test_any_changed_byte_is_detected_and_costs_one_record(made: list[Made], data: st.DataObject) -> None:
    whole = written(made)
    at = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    hurt = bytearray(whole)
    hurt[at] ^= data.draw(st.integers(1, 255))
    journal = read_bytes(bytes(hurt))
    lost = max(i for i, start in enumerate(starts(made)[:-1]) if start <= at)
    assert plain(journal) == made[:lost] + made[lost + 1 :]
    start, end = starts(made)[lost : lost + 2]
    (damage,) = journal.damage
    assert (damage.offset, damage.length) == (start, end - start)
    assert accounted(journal, len(hurt))


@given(records.filter(bool), st.integers(0, len(MAGIC) - 1), st.integers(1, 255))
def test_a_changed_header_is_detected_and_costs_no_record(made: list[Made], at: int, flip: int) -> None:
    hurt = bytearray(written(made))
    hurt[at] ^= flip
    journal = read_bytes(bytes(hurt))
    assert plain(journal) == made
    assert journal.damage == [Damage(0, len(MAGIC), "no record begins here")]


def test_any_changed_bit_of_a_journal_is_detected() -> None:
    whole = written(SOME[:12])
    for bit in range(8 * len(MAGIC), 8 * len(whole)):
        hurt = bytearray(whole)
        hurt[bit // 8] ^= 1 << bit % 8
        found = scan(bytes(hurt[len(MAGIC) :]), len(MAGIC))
        assert len(found.damage) == 1
        assert len(found.offsets) == 11


@given(records, st.data())
def test_any_truncation_keeps_the_whole_records(made: list[Made], data: st.DataObject) -> None:
    whole = written(made)
    size = data.draw(st.integers(0, len(whole)))
    journal = read_bytes(whole[:size])
    kept = sum(end <= size for end in starts(made)[1:])
    assert plain(journal) == made[:kept]
    exact = size in starts(made)
    assert len(journal.damage) == (not exact)
    assert all("torn tail" in d.reason for d in journal.damage) or size == 0
    assert journal.torn == (not exact and size > 0)


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([b"", MAGIC, MAGIC + SYNC]))
@example(b"", b"")
@example(SYNC * 100, MAGIC)
def test_garbage_never_crashes_the_reader(garbage: bytes, start: bytes) -> None:
    data = start + garbage
    try:
        journal = read_bytes(data)
    except RecordError as error:
        said = str(error)
        assert (len(said.splitlines()), data.startswith(MAGIC)) == (1, False)
        return
    assert len(journal) == 0
    assert accounted(journal, len(data)) or len(data) == 0


@given(records.filter(bool), st.binary(min_size=1, max_size=200), st.data())
def test_records_after_a_bad_block_are_found_again(made: list[Made], block: bytes, data: st.DataObject) -> None:
    """A block of the file is overwritten in place, as a disk or a memory stick does it."""
    whole = written(made)
    at = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    hurt = bytearray(whole)
    hurt[at : at + len(block)] = block[: len(whole) - at]
    edges = list(itertools.pairwise(starts(made)))
    journal = read_bytes(bytes(hurt))
    same = [m for m, (a, b) in zip(made, edges, strict=True) if hurt[a:b] == whole[a:b]]
    assert plain(journal) == same
    assert accounted(journal, len(hurt))


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (lambda w, a, b: w[:a] + bytes(b - a) + w[b:], "zero-filled"),
        (lambda w, a, b: w[:a] + b"x" * (b - a) + w[b:], "no record begins here"),
        (lambda w, a, b: w[: b - 1] + bytes([w[b - 1] ^ 1]) + w[b:], "the check fails: bytes"),
        (lambda w, a, b: w[: a + 18], "torn tail, cut short"),
        (lambda w, a, b: w[: b - 1], "torn tail, cut short"),
        (lambda w, a, b: w[: a + 1], "torn tail, cut short"),
        (lambda w, a, b: w[:a] + bytes(4096), "torn tail, zero-filled"),
        (lambda w, a, b: w[:a] + b"?", "torn tail, no record begins here"),
        (lambda w, a, b: w[: b - 1] + b"\0", "torn tail, the check fails"),
    ],
)
def test_damage_says_what_it_is(damaged: Callable[[bytes, int, int], bytes], reason: str) -> None:
    a, b = starts(SOME)[30:32]
    journal = read_bytes(damaged(written(SOME), a, b))
    (damage,) = journal.damage
    assert damage.offset == a
    assert damage.reason.startswith(reason)
    assert str(damage).startswith(f"{damage.length} bytes at offset {a} are no record: {reason}")


def test_a_record_in_the_wrong_place_is_no_record() -> None:
    whole = written([(1, i, f"record {i}".encode()) for i in range(4)])
    a, b, c, d = starts([(1, 0, b"record 0")] * 4)[:4]
    swapped = whole[:b] + whole[c:d] + whole[b:c] + whole[d:]
    journal = read_bytes(swapped)
    assert [r.payload for r in journal] == [b"record 0", b"record 3"]
    assert journal.damage[0][:2] == (b, d - b)
    twice = read_bytes(whole[:b] + whole[a:b] + whole[c:])
    assert [r.payload for r in twice] == [b"record 0", b"record 2", b"record 3"]
    equal = [(1, 5, b"twice the same")] * 2
    assert plain(read_bytes(written(equal))) == equal  # each in its own place


def test_records_without_their_header_are_read_and_the_loss_is_told() -> None:
    """A record that says it stands at offset 0 can be whole, but nothing writes one there."""
    body = BODY.pack(4, 7, 1000) + b"push"
    missing = [Damage(0, 0, "the header is missing")]
    assert read_bytes(FRAME.pack(SYNC, crc32(body)) + body).damage == missing
    assert read_bytes(b"").damage == missing


def test_a_record_over_the_limit_is_no_record() -> None:
    """No writer makes one; the limit bounds what a reader must look at to refuse a wrong length."""
    body = BODY.pack(PAYLOAD_LIMIT_BYTES + 1, 7, 1000) + bytes(PAYLOAD_LIMIT_BYTES + 1)
    found = scan(FRAME.pack(SYNC, crc32(body) ^ 14) + body, 14)
    assert (len(found.offsets), len(found.damage)) == (0, 1)


@pytest.mark.parametrize("before", [1, 2, 3, 20])
def test_reading_from_within_a_record_finds_the_next(tmp_path: Path, before: int) -> None:
    path = tmp_path / "journal"
    path.write_bytes(written(SOME))
    journal = read_journal(path, since=starts(SOME)[10] - before)
    assert plain(journal) == SOME[10:]
    assert [d.length for d in journal.damage] == [before]


def test_a_journal_inside_a_payload_is_not_read_as_records() -> None:
    inner = written(SOME)
    hurt = bytearray(written([(9, 1, inner), (9, 2, b"after")]))
    hurt[len(MAGIC) + 12] ^= 1
    assert plain(read_bytes(bytes(hurt))) == [(9, 2, b"after")]


def test_strict_reading_refuses_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(written(SOME))
    assert plain(read_journal(path, strict=True)) == SOME
    path.write_bytes(written(SOME)[:-1])
    with pytest.raises(RecordError, match=r"journal: .* bytes at offset .*: torn tail, cut short"):
        read_journal(path, strict=True)


def test_what_is_no_journal_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with pytest.raises(RecordError, match="notes: cannot be read: No such file"):
        read_journal(path)
    path.write_bytes(b"rig journal 23\n" + written(SOME)[len(MAGIC) :].replace(SYNC, b"\xf5\xaa"))
    with pytest.raises(RecordError, match="notes: journal format 23 is unknown"):
        read_journal(path)
    path.write_bytes(b"Dear diary, " * 9)
    with pytest.raises(RecordError, match="notes: not a journal"):
        read_journal(path)
    with pytest.raises(RecordError, match="notes: not a journal"):
        JournalWriter.reopen(path)
    assert path.read_bytes() == b"Dear diary, " * 9


# Writing.


def test_a_journal_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"")
    with pytest.raises(RecordError, match="journal: exists already; reopen it"):
        JournalWriter.create(path)
    with pytest.raises(RecordError, match="cannot be opened to write: No such file"):
        JournalWriter.create(tmp_path / "no folder" / "journal")
    with pytest.raises(RecordError, match="cannot be opened to write: No such file"):
        JournalWriter.reopen(tmp_path / "none")


def test_nothing_is_in_the_file_before_commit_and_all_of_it_after(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with JournalWriter.create(path) as writer:
        writer.append(1, 2, b"three")
        assert path.read_bytes() == MAGIC
        assert writer.written_bytes == len(MAGIC)
        writer.commit()
        assert plain(read_journal(path)) == [(1, 2, b"three")]
        assert writer.written_bytes == writer.end_bytes == path.stat().st_size
        writer.commit()
        assert writer.end_bytes == path.stat().st_size


@pytest.mark.parametrize("made", [(256, 0, b""), (-1, 0, b""), (0, 2**63, b""), (0, -(2**64), b"")])
def test_what_does_not_fit_is_refused_and_spoils_nothing(tmp_path: Path, made: Made) -> None:
    path = tmp_path / "journal"
    with JournalWriter.create(path) as writer:
        writer.append(1, 2, b"before")
        with pytest.raises(RecordError, match=r"kind .* host_ns"):
            writer.append(*made)
        with pytest.raises(RecordError, match="over the limit"):
            writer.append(1, 2, bytes(PAYLOAD_LIMIT_BYTES + 1))
        writer.append(1, 2, b"after")
    assert plain(read_journal(path, strict=True)) == [(1, 2, b"before"), (1, 2, b"after")]


def test_the_largest_payload_is_read_back(tmp_path: Path) -> None:
    with JournalWriter.create(tmp_path / "journal", sync_every_s=None) as writer:
        writer.append(1, 2, bytes(PAYLOAD_LIMIT_BYTES))
    assert len(read_journal(tmp_path / "journal", strict=True)[0].payload) == PAYLOAD_LIMIT_BYTES


def test_a_closed_journal_takes_nothing_more(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path / "journal")
    writer.append(1, 2, b"three")
    writer.close()
    writer.close()
    writer.commit()
    with pytest.raises(RecordError, match="closed already"):
        writer.append(1, 2, b"late")
    assert len(read_journal(tmp_path / "journal", strict=True)) == 1


def test_its_own_thread_keeps_it_on_disk(tmp_path: Path) -> None:
    with JournalWriter.create(tmp_path / "journal", sync_every_s=0.01) as writer:
        append_all(writer, SOME)
        writer.commit()
        for _ in range(1000):
            if writer.synced_bytes == writer.written_bytes:
                break
            time.sleep(0.01)
        assert writer.synced_bytes == writer.written_bytes > len(MAGIC)


def test_without_a_period_only_close_syncs(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path / "journal", sync_every_s=None)
    append_all(writer, SOME)
    writer.commit()
    assert writer.synced_bytes == len(MAGIC)
    writer.close()
    assert writer.synced_bytes == writer.written_bytes


@pytest.mark.skipif(os.name != "posix", reason="file locks are POSIX only")
def test_two_writers_never_share_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with (
        JournalWriter.create(path),
        pytest.raises(RecordError, match="journal: another process is writing it"),
    ):
        JournalWriter.reopen(path)
    JournalWriter.reopen(path).close()


# Going on after an interruption.


@settings(deadline=None)
@given(records, records, st.data())
def test_reopening_cuts_the_torn_tail_keeps_it_aside_and_appends(
    made: list[Made], more: list[Made], data: st.DataObject
) -> None:
    whole = written(made)
    size = data.draw(st.integers(0, len(whole)))
    kept = sum(end <= size for end in starts(made)[1:])
    end = starts(made)[kept] if size >= len(MAGIC) else 0
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name) / "journal"
        path.write_bytes(whole[:size])
        with JournalWriter.reopen(path, sync_every_s=None) as writer:
            assert writer.torn_bytes == size - end
            append_all(writer, more)
        assert plain(read_journal(path, strict=True)) == made[:kept] + more
        aside = path.with_name("journal.torn")
        assert aside.exists() == (size > end)
        if size > end:
            line = b"torn from offset %d, %d bytes:\n" % (end, size - end)
            assert aside.read_bytes() == line + whole[end:size] + b"\n"


def test_every_torn_tail_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    JournalWriter.create(path).close()
    for tail in (b"first", b"second"):
        with path.open("ab") as file:
            file.write(tail)
        JournalWriter.reopen(path).close()
    assert path.read_bytes() == MAGIC
    assert path.with_name("journal.torn").read_bytes() == (
        b"torn from offset 14, 5 bytes:\nfirst\ntorn from offset 14, 6 bytes:\nsecond\n"
    )


def test_reopening_leaves_damage_in_the_middle_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    hurt = bytearray(written(SOME))
    hurt[starts(SOME)[10] + 8] ^= 1
    hurt[3] ^= 1
    path.write_bytes(bytes(hurt))
    with JournalWriter.reopen(path) as writer:
        assert writer.torn_bytes == 0
        writer.append(1, 2, b"more")
    assert path.read_bytes()[: len(hurt)] == bytes(hurt)
    journal = read_journal(path)
    assert plain(journal) == [*SOME[:10], *SOME[11:], (1, 2, b"more")]
    assert [d.offset for d in journal.damage] == [0, starts(SOME)[10]]
