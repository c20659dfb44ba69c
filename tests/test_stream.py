"""The stream, over real sockets and with its real processes: whatever happens, every listener ends with every event."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import zmq
from stream_peers import (
    Hostile,
    Listening,
    listen_process,
    messages,
    paced,
    running_rig,
    subscriber,
    until,
    whole,
)
from stream_rig import SESSION, StreamRig

from rig.errors import ConfigError
from rig.stream import is_eager, open_publisher, schema
from rig.stream.address import answers_at, split_address
from rig.stream.copy import Proof
from rig.stream.guard import LINES_OF_A_KIND
from rig.stream.peers import PEERS, RECENT_S


@contextlib.contextmanager
def asking(rig: StreamRig) -> Iterator[tuple[zmq.Socket[bytes], Callable[[schema.Request], schema.Answer]]]:
    """A socket that asks a rig, and a call that waits for the answer."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as ask:
        ask.linger = 1000
        ask.connect(answers_at(rig.address))

        def answer(request: schema.Request) -> schema.Answer:
            ask.send(schema.encode(request))
            while True:
                assert ask.poll(100_000)
                found: schema.Answer = schema.read_answer(ask.recv())
                if found.id == request.id:  # 0: nobody asked
                    return found

        yield ask, answer


def pong_of(answer: schema.Answer) -> schema.Pong:
    assert isinstance(answer, schema.Pong)
    return answer


def good(proof: Proof, events: int) -> None:
    assert proof.good, proof
    assert (proof.events, proof.missing, proof.double) == (events, 0, 0)
    assert f"{events} of {events} events, 0 missing" in str(proof)


def test_no_address_is_no_stream(tmp_path: Path) -> None:
    with open_publisher(None, "M07/2026-03-02_1", tmp_path) as publisher:
        publisher.coming()
        publisher.committed(0)
        assert publisher.address is None


def test_a_taken_address_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.stream.address.RETRY_S", 0.1)
    with open_publisher("tcp://127.0.0.1:*", "M07/2026-03-02_1", tmp_path) as publisher:
        assert publisher.address is not None
        with pytest.raises(ConfigError, match="cannot be bound"):
            open_publisher(publisher.address, "M07/2026-03-02_2", tmp_path)


@pytest.mark.parametrize(("cores", "eager"), [(1, False), (3, False), (4, True), (64, True)])
def test_auto_keeps_a_core_busy_only_where_there_are_enough(
    cores: int, eager: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(cores)))
    assert is_eager("auto") is eager
    assert is_eager(True)
    assert not is_eager(False)


@pytest.mark.parametrize("eager", [False, True])
def test_early_and_late_listeners_get_the_whole_session(tmp_path: Path, eager: bool) -> None:
    rig = StreamRig(tmp_path / "data", eager=eager)
    with Listening(rig.address, tmp_path / "early") as early:
        rig.pace(2000, 1.5)
        with Listening(rig.address, tmp_path / "late") as late:
            until(lambda: rig.pace(2000, 1.0) and early.records and late.records)
            rig.end()
            until(lambda: early.proofs and late.proofs)
            assert early.listener.status.bound_us is None or early.listener.status.bound_us < 1e6
    for who, proofs in (("early", early.proofs), ("late", late.proofs)):
        good(proofs[0], rig.made)
        whole(tmp_path / "data", tmp_path / who)
        kept = json.loads((tmp_path / who / SESSION / "proof.json").read_text(encoding="utf-8"))
        assert (kept["good"], kept["events"]) == (True, rig.made)
    assert rig.publisher.words() == f"stream: 2 of 2 listeners hold all {rig.made + 3} records; 0 refused (stream.log)"


def test_a_listener_stalled_and_killed_again_and_again(tmp_path: Path) -> None:
    rig = StreamRig(tmp_path / "data", linger_s=60)
    thread, stop = paced(rig, 5000)
    copy = tmp_path / "out" / SESSION / "journal"

    def grown(before: int) -> bool:
        return copy.exists() and copy.stat().st_size > before

    for _ in range(3):
        before = copy.stat().st_size if copy.exists() else 0
        with listen_process(rig.address, tmp_path / "out") as listener:
            until(partial(grown, before))
            listener.kill()
    with listen_process(rig.address, tmp_path / "out") as listener:
        until(partial(grown, copy.stat().st_size))
        listener.send_signal(signal.SIGSTOP)
        time.sleep(2)
        listener.send_signal(signal.SIGCONT)
        stop.set()
        thread.join()
        rig.end()
        said, _ = listener.communicate(timeout=120)
    assert listener.returncode == 0
    assert f"{rig.made} of {rig.made} events, 0 missing, 0 double" in said
    whole(tmp_path / "data", tmp_path / "out")


def test_a_listener_starved_of_its_processor_is_waited_for_at_the_end(tmp_path: Path) -> None:
    rig = StreamRig(tmp_path / "data", linger_s=60)
    with Listening(rig.address, tmp_path / "out") as listening:
        rig.pace(2000, 0.5)
        until(lambda: listening.records > 0)
        listening.awake.clear()
        rig.pace(2000, 0.5)
        with zmq.Context() as context:  # many strangers do not make the rig forget it
            for _ in range(PEERS + 10):
                with context.socket(zmq.DEALER) as ask:
                    ask.connect(answers_at(rig.address))
                    ask.send(b"nonsense")
        ending = threading.Thread(target=rig.end)
        ending.start()
        time.sleep(2 * RECENT_S)
        assert ending.is_alive()
        listening.awake.set()
        until(lambda: listening.proofs)
        ending.join()
    good(listening.proofs[0], rig.made)


def test_who_only_asks_which_session_is_on_is_not_waited_for_long(tmp_path: Path) -> None:
    rig = StreamRig(tmp_path / "data", linger_s=1000)
    with zmq.Context() as context:
        ask = context.socket(zmq.DEALER)
        ask.linger = 0
        ask.connect(answers_at(rig.address))
        ask.send(schema.encode(schema.Ping(1, "", 0)))
        assert ask.poll(100_000)
        rig.end()
        ask.close()


def test_a_listener_is_waited_for_until_it_has_heard_that_it_is_whole(tmp_path: Path) -> None:
    """That it holds everything is not enough: its next question may have left before our answer came."""
    rig = StreamRig(tmp_path / "data", linger_s=60)
    rig.make(100)
    with asking(rig) as (ask, answer):
        assert pong_of(answer(schema.Ping(1, SESSION, 0))).state == "live"
        ending = threading.Thread(target=rig.end)
        ending.start()
        until(lambda: pong_of(answer(schema.Ping(2, SESSION, rig.made + 3))).state == "complete")
        ask.send(schema.encode(schema.Ping(3, SESSION, rig.made + 3)))
        time.sleep(1)
        assert ending.is_alive()
        ask.send(schema.encode(schema.Ping(4, "", 0)))  # only one that copies nothing any more asks like this
        ending.join()
    assert rig.publisher.words().startswith("stream: 1 of 1 listeners hold all")


def test_answering_that_died_as_the_session_ended_is_begun_anew(tmp_path: Path) -> None:
    rig = StreamRig(tmp_path / "data", linger_s=60)
    with Listening(rig.address, tmp_path / "out") as listening:
        rig.pace(2000, 0.5)
        until(lambda: listening.records > 0)
        listening.awake.clear()
        rig.pace(2000, 0.5)
        ending = threading.Thread(target=rig.end)
        ending.start()
        time.sleep(0.5)
        child = rig.publisher._children[1]
        assert child is not None
        child.kill()
        listening.awake.set()
        until(lambda: listening.proofs)
        ending.join()
    good(listening.proofs[0], rig.made)


def test_a_rig_that_dies_and_comes_again(tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    first, _ = running_rig(tmp_path / "data", 2000, 600, address=address)
    with first, Listening(address, tmp_path / "out") as listening:
        until(lambda: listening.records > 500)
        first.kill()
        first.communicate()
        second = StreamRig(tmp_path / "data", address, "M07/2026-03-02_2", linger_s=60)
        until(lambda: second.pace(2000, 0.1) and len(listening.proofs) == 1 and listening.records > 500)
        second.end()
        until(lambda: len(listening.proofs) == 2)
    killed, then = listening.proofs
    assert (killed.state, killed.same, killed.missing, killed.double) == ("interrupted", True, 0, 0)
    good(then, second.made)
    whole(tmp_path / "data", tmp_path / "out", "M07/2026-03-02_2")
    whole(tmp_path / "data", tmp_path / "out")


def test_processes_of_the_stream_that_die_are_begun_anew(tmp_path: Path) -> None:
    rig = StreamRig(tmp_path / "data")
    with Listening(rig.address, tmp_path / "out") as listening:
        for role in (0, 1):
            rig.pace(2000, 0.5)
            until(lambda: listening.records > 0)
            child = rig.publisher._children[role]
            assert child is not None
            child.kill()
            rig.pace(2000, 1.0)
        rig.end()
        until(lambda: listening.proofs)
    good(listening.proofs[0], rig.made)


def test_one_topic_for_a_plain_subscriber(tmp_path: Path) -> None:
    """Whoever wants some topics only sees by `nth` that none is missing; numbers and stamps are the journal's."""
    rig = StreamRig(tmp_path / "data")
    thread, stop = paced(rig, 1000)
    with zmq.Context() as context:
        trial = subscriber(context, rig.address, b"trial ", b"beat ")
        every = subscriber(context, rig.address, b"")
        found = messages(trial, lambda found: {"trial", "beat"} <= {one.topic for one in found})
        all_of_them = messages(every, lambda found: len(found) > 500)
        trial.close()
        every.close()
    stop.set()
    thread.join()
    rig.end()
    assert {one.topic for one in found} == {"trial", "beat"}
    states = [one for one in found if one.topic == "trial"]
    assert [one.nth for one in states] == list(range(states[0].nth, states[0].nth + len(states)))
    assert {one.name for one in states} == {"state"}
    assert {one.topic for one in all_of_them} >= {"lever", "trial", "reward", "frame"}
    numbers = [one.number for one in all_of_them if one.kind]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_strangers_are_refused_and_logged_and_listeners_complete(tmp_path: Path) -> None:
    rig = StreamRig(tmp_path / "data")
    log = tmp_path / "data" / SESSION / "stream.log"

    def lines(why: str) -> int:
        return sum(" refused " in line and why in line for line in log.read_text(encoding="utf-8").splitlines())

    with Listening(rig.address, tmp_path / "out") as listening:
        until(lambda: listening.listener.status.connected and listening.records)
        hostile = Hostile(rig.address)
        reasons = ("a subscription to no topic of ours", "a malformed request")
        until(lambda: rig.pace(2000, 0.5) and min(map(lines, reasons)) >= LINES_OF_A_KIND)
        hostile.stop()
        rig.end()
        until(lambda: listening.proofs)
    good(listening.proofs[0], rig.made)
    assert hostile.flooded > 100
    for role in ("tell", "answer"):  # one in some hundreds looks like the protocol's beginning, and gets a line at once
        assert rig.publisher.status[role]["refused"]["never said who it was, in any protocol of ours"] > 0
    assert "× never said who it was" in log.read_text(encoding="utf-8")
    assert len(log.read_text(encoding="utf-8").splitlines()) < 400, "a flood must not fill the disk"


def test_requests_that_ask_for_the_wrong_thing(tmp_path: Path) -> None:
    rig = StreamRig(tmp_path / "data")
    rig.make(2000)
    with asking(rig) as (ask, answer):
        pong = answer(schema.Ping(1, "", 0))
        assert isinstance(pong, schema.Pong)
        assert (pong.now, pong.session, pong.state, pong.count) == (SESSION, SESSION, "live", 2002)
        first = answer(schema.From(2, SESSION, 0, 0))
        assert isinstance(first, schema.Records)
        assert [one.number for one in first.messages] == list(range(len(first.messages)))
        last = first.messages[-1]
        then = answer(schema.From(3, SESSION, last.number + 1, schema.check(last.kind, last.host_ns, last.payload)))
        assert isinstance(then, schema.Records)
        assert then.messages[0].number == last.number + 1
        assert isinstance(answer(schema.From(4, SESSION, last.number + 1, 12345)), schema.Differs)
        assert isinstance(answer(schema.From(5, SESSION, 10**9, 1)), schema.Differs)
        unknown = answer(schema.Ping(6, "M99/2026-01-01_1", 0))
        assert isinstance(unknown, schema.Pong)
        assert unknown.state == "unknown"
        for nonsense in (b"", b"\x00", b"x" * 500, schema.encode(schema.From(7, "../../etc", 0, 0))):
            ask.send(nonsense)
        ask.send(schema.encode(("stop", 8, SESSION)))
        ask.send_multipart([schema.encode(schema.Ping(9, "", 0))] * 2)
        last_pong = answer(schema.Ping(10, "", 0))
        assert isinstance(last_pong, schema.Pong)
        assert last_pong.id == 10, "none of these was answered"
        ask.send(bytes(schema.MAX_REQUEST_BYTES + 1))  # oversized: sent away, and it may come again
        until(lambda: ask.poll(0) or _asks(ask))
    rig.end()
    assert rig.publisher.status["answer"]["refused"]["a malformed request"] == 5
    assert rig.publisher.status["answer"]["refused"]["a request for what is not there"] == 1


def _asks(ask: zmq.Socket[bytes]) -> bool:
    ask.send(schema.encode(schema.Ping(11, "", 0)))
    return bool(ask.poll(200))


def free_port() -> int:
    """One that is free now, and so is the next."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@pytest.mark.parametrize("address", ["127.0.0.1:5555", "tcp://:5", "tcp://rig:x", "udp://rig:5"])
def test_addresses(address: str) -> None:
    with pytest.raises(ConfigError, match="expected tcp"):
        split_address(address)
