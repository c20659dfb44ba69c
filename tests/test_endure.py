"""What befalls a journal's process, disk and computer: killed, full, cut off, no power; nothing acknowledged is lost.

A few of each in the check; ``make endure`` for many:
JOURNAL_KILLS=200 JOURNAL_CUTS=1000 JOURNAL_FILLS=50 RIG_KILLS=200 pytest tests/test_endure.py tests/test_session.py
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rehearse import rig_folder
from test_journal import MEMORY, ROOT, SOME, append_all, plain

from rig import wire
from rig.bodies.sim import SimLink
from rig.cli import main
from rig.config.file import load_config
from rig.errors import RecordError
from rig.events import Kind
from rig.link import Link
from rig.record.folder import JOURNAL
from rig.record.format import HEAD_BYTES, MAGIC
from rig.record.journal import JournalWriter, read_journal
from rig.record.seal import Seals, blocks, broken
from rig.session.intent import Order, intend
from rig.session.launch import launched
from rig.session.summary import Rules

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9, mounts and limits are POSIX")

KILLS, CUTS, FILLS = (
    int(os.environ.get(f"JOURNAL_{name}", few)) for name, few in (("KILLS", "6"), ("CUTS", "25"), ("FILLS", "3"))
)

# A process that is killed.

WRITER = """
    import os, sys
    from rig.record.journal import JournalWriter
    path, seed = sys.argv[1], int(sys.argv[2])
    writer = (JournalWriter.reopen if os.path.exists(path) else JournalWriter.create)(path, 0.005)
    number = int(sys.argv[3])
    while True:
        for _ in range(1 + (number * seed) % 300):
            writer.append(3, number, number.to_bytes(8, "little") * (1 + number % 9))
            number += 1
        writer.commit()
        os.write(1, number.to_bytes(8, "little"))  # all below number are committed
"""


def killed_writer(path: Path, rng: random.Random, first: int) -> int:
    """Run a writer, kill -9 it at a random moment; the number below which all was committed."""
    arguments = [str(path), str(rng.randrange(1, 999)), str(first)]
    command = [sys.executable, "-c", textwrap.dedent(WRITER), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        told = process.stdout.read(8)  # it runs
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        told += process.stdout.read()
    told = told[: len(told) // 8 * 8]
    return int.from_bytes(told[-8:], "little")


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_a_killed_writer_loses_nothing_committed(tmp_path: Path) -> None:
    rng = random.Random(20)
    path = tmp_path / "journal"
    first = 0
    for _ in range(KILLS):
        committed = killed_writer(path, rng, first)
        journal = read_journal(path)
        numbers = [r.host_ns for r in journal]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= committed > first
        assert all(r.payload == r.host_ns.to_bytes(8, "little") * (1 + r.host_ns % 9) for r in journal)
        assert all("torn tail" in d.reason for d in journal.damage)
        first = len(numbers)
        if rng.random() < 0.3 or first > 200_000:
            path.unlink()
            first = 0


# A disk that is full.


def check_full_disk(path: Path, make_room: str, fill: str = "") -> None:
    """Fill the disk under a writer, in another process; then make room and go on."""
    program = f"""
        import sys
        from pathlib import Path
        from rig.errors import RecordError
        from rig.record.journal import JournalWriter, read_journal
        {fill}
        path = Path(sys.argv[1])
        writer = JournalWriter.create(path, sync_every_s=0.005)
        number = 0
        try:
            while number < 100_000:
                for _ in range(40):
                    writer.append(3, number, b"%d," % number * (number % 29))
                    number += 1
                safe = writer.written_bytes
                writer.commit()
        except RecordError as error:
            print(error)
        else:
            sys.exit("never full")
        journal = read_journal(path, strict=True)
        assert journal.end >= safe == writer.written_bytes, (journal.end, safe)
        assert 0 < len(journal) < number
        for record in journal:
            assert record.payload == b"%d," % record.host_ns * (record.host_ns % 29)
        for _ in range(2):  # it stays full: nothing may get worse
            try:
                writer.commit()
            except RecordError as error:
                assert read_journal(path, strict=True).end == journal.end
            else:
                sys.exit("not full any more")
        {make_room}
        writer.append(3, number, b"%d," % number * (number % 29))
        writer.commit()
        writer.close()
        assert writer.synced_bytes == writer.written_bytes == path.stat().st_size
        journal = read_journal(path, strict=True)
        assert [r.host_ns for r in journal] == list(range(number + 1))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "make room on its disk and commit again" in ran.stdout
    assert len(ran.stdout.splitlines()) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root on Linux")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_file_system_costs_no_record(small_disk: Path) -> None:
    (small_disk / "other").write_bytes(bytes(100_000))
    check_full_disk(small_disk / "journal", "(path.parent / 'other').unlink()")


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
@pytest.mark.parametrize("limit", [100_000, 100_001, 100_019, 131_072])
def test_a_file_size_limit_costs_no_record(tmp_path: Path, limit: int) -> None:
    """A write up to the limit is partial: it ends in the middle of a record."""
    set_limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (%d, -1))"
    check_full_disk(tmp_path / "journal", set_limit % -1, set_limit % limit)


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_a_write_that_ends_between_two_records_keeps_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    limit = len(MAGIC) + 50 * (HEAD_BYTES + 1)
    program = f"""
        import resource, sys
        from rig.errors import RecordError
        from rig.record.journal import JournalWriter
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, -1))
        writer = JournalWriter.create(sys.argv[1])
        for i in range(80):
            writer.append(1, i, b"x")
        try:
            writer.commit()
        except RecordError:
            sys.exit(0)
        sys.exit(1)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    subprocess.run(command, cwd=ROOT, check=True)
    assert path.stat().st_size == limit
    assert len(read_journal(path, strict=True)) == 50


@pytest.mark.skipif(os.name != "posix", reason="needs a pipe that refuses to be synced")
def test_a_disk_that_cannot_keep_its_word_is_told_and_not_trusted_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    writer = JournalWriter.create(path, sync_every_s=0.01)
    append_all(writer, SOME)
    reader, pipe = os.pipe()
    writer.commit()
    os.dup2(pipe, writer._fd)  # from now on the kernel refuses to sync: EINVAL
    kept_bytes = writer.synced_bytes
    writer._written += 1
    for _ in range(1000):
        if writer._sync_fault:
            break
        time.sleep(0.01)
    with pytest.raises(RecordError, match=r"the disk kept only \d+ bytes .*; use another disk"):
        writer.commit()
    with pytest.raises(RecordError, match="the disk kept only"):
        writer.close()
    assert writer.synced_bytes >= kept_bytes
    assert plain(read_journal(path, strict=True)) == SOME
    os.close(reader)
    os.close(pipe)


# A tail that is cut off, and a power cut.


@pytest.fixture
def path() -> Iterator[Path]:
    """Of a journal in memory: hundreds are cut, none needs the disk."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name) / JOURNAL


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The journal of a session."""
    folder = tmp_path_factory.mktemp("endure")
    assert main(["run", "--config", str(rig_folder(folder)), "--fast", "--trials", "3"]) == 0
    (found,) = (folder / "data" / "test").iterdir()
    return (found / JOURNAL).read_bytes()


def test_a_tail_cut_at_any_byte_costs_only_what_followed(recorded: bytes, path: Path) -> None:
    rng = random.Random(7)
    path.write_bytes(recorded)
    whole = read_journal(path, strict=True)
    ends = [*list(whole.offsets)[1:], whole.end]
    for _ in range(CUTS):
        size = rng.randrange(len(MAGIC), len(recorded))
        path.write_bytes(recorded[:size])
        journal = read_journal(path)
        kept = sum(end <= size for end in ends)
        assert plain(journal) == plain(whole[:kept])
        assert all("torn tail" in damage.reason for damage in journal.damage)
        end = Seals().end(journal)  # a seal whose summary was cut off goes with it
        kept -= end < journal.end
        with JournalWriter.reopen(path, None, Seals()) as writer:
            assert writer.torn_bytes == size - end
            writer.append(Kind.SUMMARY, 1, b"{}")
        again = read_journal(path, strict=True)
        assert plain(again[:kept]) == plain(whole[:kept])
        assert broken(blocks(again)) == []
        path.with_name("journal.torn").unlink(missing_ok=True)


def test_a_power_cut_takes_nothing_that_was_synced(recorded: bytes, path: Path) -> None:
    """Of what was written after the last sync, any page may be there, or zeros, and the file may end anywhere."""
    rng, page = random.Random(8), 4096
    path.write_bytes(recorded)
    whole = read_journal(path, strict=True)
    for _ in range(CUTS):
        synced = rng.choice(whole.offsets)
        left = bytearray(recorded[: rng.randrange(synced, len(recorded))])
        for at in range(synced // page * page, len(left), page):
            if rng.random() < 0.5:
                begin, end = max(at, synced), min(at + page, len(left))
                left[begin:end] = bytes(end - begin)
        path.write_bytes(bytes(left))
        found = read_journal(path)
        wanted = [one for one in whole if one.offset < synced]
        assert list(found)[: len(wanted)] == wanted
        assert {one.offset for one in found} <= {*whole.offsets}
        JournalWriter.reopen(path, None).close()
        assert list(read_journal(path))[: len(wanted)] == wanted
        path.with_name("journal.torn").unlink(missing_ok=True)


# A session whose disk fills.


@contextmanager
def _little_room(folder: Path, room_bytes: int) -> Iterator[str]:
    """So much room in this folder: on a file system of its own, or where none can be mounted, by a limit."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={room_bytes}", "tmpfs", str(folder)]
    root = sys.platform == "linux" and os.geteuid() == 0
    if root and not subprocess.run(command, capture_output=True, check=False).returncode:
        try:
            yield "No space left on device"
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, before[1]))
    try:
        yield "File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _board_was_told(link: SimLink) -> int:
    """Events below this number were acknowledged: the board has forgotten them."""
    link.write(wire.frame(wire.encode("hello_ask", {"nonce": 99})))
    splitter = wire.FrameSplitter()
    for _ in range(1000):
        for payload in splitter.feed(link.read(10_000_000)):
            found = wire.decode(payload)
            if found.name == "hello" and found.fields["nonce"] == 99:
                return int(found.fields["oldest_event"])  # type: ignore[arg-type]
    raise AssertionError("the board does not answer")


def _session_until_full(order: Order, why: str) -> SimLink:
    """The board of a session that the full disk has ended."""
    links = list[Link]()

    def run() -> None:
        with launched(intend(order)) as session:
            links.append(session.board.link)
            session.run()

    with pytest.raises(RecordError, match=why):
        run()
    (link,) = links
    assert isinstance(link, SimLink)
    return link


def test_a_disk_that_fills_costs_no_acknowledged_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session ends, the board is safe, and every event that it was told to forget is in the journal."""
    monkeypatch.setenv("RIG_NEEDED_BYTES", "0")
    rng = random.Random(9)
    for n in range(FILLS):
        data = tmp_path / f"disk{n}"
        with _little_room(data, 4096 * rng.randrange(12, 150)) as why:
            path = rig_folder(tmp_path, data=str(data))
            order = Order(load_config(path), path, rules=Rules(minutes=30), seed=n)
            link = _session_until_full(order, why)
            assert link._lib.host_outputs(link._host) == 0
            (path,) = data.glob(f"*/*/{JOURNAL}")
            journal = read_journal(path, strict=True)
            events = [wire.EVENT_HEADER.unpack_from(one.payload) for one in journal if one.kind == Kind.EVENT]
            assert [number for _, number, _ in events] == list(range(len(events)))
            assert 0 < _board_was_told(link) <= len(events)
            assert broken(blocks(journal)) == []
