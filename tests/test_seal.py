"""Seals: what was written is what is there, or the block that is not is named – also where every check fits."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rehearse import rig_folder

from rig import wire
from rig.cli import main
from rig.doors.verify import check
from rig.errors import RecordError
from rig.events import Kind
from rig.record.folder import JOURNAL, read_entries
from rig.record.format import FRAME_BYTES, HEAD_BYTES, LOW32
from rig.record.journal import JournalWriter, read_journal
from rig.record.seal import Seals, blocks, broken, sealed
from rig.record.verify import verify

INPUT = wire.BY_NAME["input"].number


class Often(Seals):
    """A seal every few records."""

    every_bytes = 200


def forge(path: Path, at: int, byte: int) -> None:
    """Change one byte of a record, and its check with it: to every reader it is whole."""
    data = bytearray(path.read_bytes())
    data[at] ^= byte
    offset = max(one for one in read_journal(path).offsets if one <= at)
    end = offset + HEAD_BYTES + int.from_bytes(data[offset + 6 : offset + 10], "little")
    check_sum = crc32(data[offset + FRAME_BYTES : end]) ^ (offset & LOW32)
    data[offset + 2 : offset + 6] = check_sum.to_bytes(4, "little")
    path.write_bytes(bytes(data))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seal")
    words = ("--trials", "12", "--fast", "--set", "still=1s", "--set", "iti_min=1s", "--set", "iti_max=2s")
    assert main(["run", "--config", str(rig_folder(folder)), *words]) == 0
    (found,) = (folder / "data" / "test").iterdir()
    return found


@pytest.fixture
def copy(session: Path, tmp_path: Path) -> Path:
    for name in (JOURNAL, "protocol.py"):
        (tmp_path / name).write_bytes((session / name).read_bytes())
    return tmp_path


def test_a_session_is_sealed_to_its_last_word(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = read_journal(session / JOURNAL)
    found = list(blocks(journal))
    assert len(found) > 2
    assert all(one.whole for one in found)
    assert (journal[-2].offset, journal[-1].kind) == (found[-2].end, Kind.SUMMARY)
    assert found[-1].end == journal.end
    assert main(["verify", str(session)]) == 0
    assert f"seal {found[-2].sha256[:16]}-{found[-1].sha256[:16]}\n" in capsys.readouterr().out


def test_an_edited_summary_is_found(copy: Path) -> None:
    path = copy / JOURNAL
    last = read_journal(path)[-1]
    forge(path, last.offset + HEAD_BYTES + last.payload.index(b'"rewarded":') + len(b'"rewarded":'), 1)
    (fault,) = check(copy).faults
    assert f"bytes {last.offset} to {path.stat().st_size} are not what was sealed" in fault


def test_a_stamp_edited_without_consequence_is_found_by_the_seal_alone(copy: Path) -> None:
    """A microsecond of a lick that decided nothing: re-execution gives the same, and the check was made to fit."""
    path = copy / JOURNAL
    for one in (one for one in read_journal(path) if one.kind == Kind.EVENT and one.payload[0] == INPUT):
        forge(path, one.offset + HEAD_BYTES + 5, 1)
        if verify(read_entries(copy)[0]).good:
            report = check(copy)
            assert len(report.faults) == 1
            begin, end = (int(word) for word in report.faults[0].split() if word.isdigit())
            assert begin <= one.offset < end
            assert end - begin < 2 * Seals.every_bytes
            return
        forge(path, one.offset + HEAD_BYTES + 5, 1)
    raise AssertionError("every input's stamp had a consequence")


def test_a_seal_taken_out_is_missed(copy: Path) -> None:
    """The last one is looked for; one in the middle leaves a block that is longer than its seal says."""
    path = copy / JOURNAL
    records = list(read_journal(path))
    places = [i for i, one in enumerate(records) if sealed(one) is not None]
    for place in (places[-1], places[0]):
        path.unlink()
        with JournalWriter.create(path, sync_every_s=None) as writer:
            for one in [*records[:place], *records[place + 1 :]]:
                writer.append(*one[:3])
        assert any("seal" in fault for fault in check(copy).faults)


def test_a_record_from_before_there_were_seals_is_read_and_said_to_have_none(copy: Path) -> None:
    path = copy / JOURNAL
    records = [one for one in read_journal(path) if sealed(one) is None]
    manifest = json.loads(records[0].payload)
    del manifest["sealed"]
    path.unlink()
    with JournalWriter.create(path, sync_every_s=None) as writer:
        writer.append(records[0].kind, records[0].host_ns, json.dumps(manifest).encode())
        for one in records[1:]:
            writer.append(*one[:3])
    report = check(copy)
    assert report.good, report.faults
    assert any("no seals" in remark for remark in report.remarks)


EVENTS = st.lists(st.tuples(st.just(int(Kind.EVENT)), st.integers(0, 1 << 40), st.binary(max_size=90)), max_size=9)


@settings(deadline=None)
@given(st.lists(st.tuples(EVENTS, st.booleans()), min_size=1, max_size=6), st.data())
def test_however_it_is_written_each_seal_fits_and_any_change_is_named(
    parts: list[tuple[list[tuple[int, int, bytes]], bool]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal"
        writer = JournalWriter.create(path, None, Often())
        for made, again in parts:
            for one in made:
                writer.append(*one)
            writer.commit()
            if again:
                writer.close()
                with path.open("ab") as file:
                    file.write(b"torn")
                writer = JournalWriter.reopen(path, None, Often())
        writer.append(Kind.SUMMARY, 1, b"{}")
        writer.close()
        found = list(blocks(read_journal(path, strict=True)))
        assert found
        assert broken(found) == []
        assume(found[-1].end > found[0].begin)
        at = data.draw(st.integers(found[0].begin, found[-1].end - 1))
        inside = next(i for i, one in enumerate(found) if at < one.end)
        offset = max(one for one in read_journal(path).offsets if one <= at)
        if at - offset < HEAD_BYTES - 8:  # of its sync, check, length or kind: it would be no record
            return
        forge(path, at, 1)
        after = list(blocks(read_journal(path, strict=True)))
        wrong = [i for i, one in enumerate(after) if not one.whole]
        assert wrong or len(after) < len(found)  # the last seal itself: verify misses it
        assert {*wrong} <= {
            inside - 1,
            inside,
            inside + 1,
        }  # a seal lies in the next one's block, or covers the summary


def test_a_commit_that_failed_and_came_again_is_sealed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter.create(tmp_path / "journal", None, Often())
    for i in range(20):
        writer.append(Kind.EVENT, i, bytes(30))
    fd, writer._fd = writer._fd, -1  # what is written to now fails
    for _ in range(2):
        with pytest.raises(RecordError):
            writer.commit()
    writer._fd = fd
    for i in range(20):
        writer.append(Kind.EVENT, i, bytes(30))
        writer.commit()
    writer.close()
    journal = read_journal(tmp_path / "journal", strict=True)
    assert sum(one.kind == Kind.EVENT for one in journal) == 40
    found = list(blocks(journal))
    assert len(found) > 3
    assert broken(found) == []


@pytest.mark.parametrize("kept", [0, 30])
def test_a_seal_whose_last_record_was_torn_off_goes_with_it(tmp_path: Path, kept: int) -> None:
    """Else the record that follows it after an interruption would be taken for an edited summary."""
    path = tmp_path / JOURNAL
    with JournalWriter.create(path, None, Seals()) as writer:
        writer.append(Kind.EVENT, 1, b"an event")
        writer.append(Kind.SUMMARY, 2, b"{}")
    seal, summary = read_journal(path).offsets[1:]
    path.write_bytes(path.read_bytes()[: summary + min(kept, HEAD_BYTES)])
    with JournalWriter.reopen(path, None, Seals()) as writer:
        assert writer.end_bytes == seal
        writer.append(Kind.EVENT, 3, b"another")
        writer.append(Kind.SUMMARY, 4, b"{}")
    journal = read_journal(path, strict=True)
    assert [one.host_ns for one in journal if sealed(one) is None] == [1, 3, 4]
    assert broken(blocks(journal)) == []


def test_a_full_disk_keeps_no_seal_without_what_it_covers(tmp_path: Path) -> None:
    """The write ends just between the two."""
    path = tmp_path / JOURNAL
    writer = JournalWriter.create(path, None, Seals())
    writer.append(Kind.EVENT, 1, b"an event")
    writer.commit()
    seal = writer.end_bytes
    writer.append(Kind.SUMMARY, 2, b"{}")
    summary = writer.end_bytes - HEAD_BYTES - 2
    with pytest.MonkeyPatch.context() as patched:
        rooms = iter([summary - seal])
        patched.setattr("rig.record.journal.os.write", lambda fd, data: _write(fd, data, next(rooms, 0)))
        with pytest.raises(RecordError, match="No space left"):
            writer.commit()
    assert path.stat().st_size == seal
    writer.close()
    journal = read_journal(path, strict=True)
    assert [one.host_ns for one in journal if sealed(one) is None] == [1, 2]
    assert broken(blocks(journal)) == []


def _write(fd: int, data: bytes, room: int) -> int:
    if not room:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return os.pwrite(fd, data[:room], os.lseek(fd, 0, os.SEEK_CUR))
