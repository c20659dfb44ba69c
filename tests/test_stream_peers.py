"""Whom the end of a session waits for: the rules alone, without sockets (those are in test_stream.py)."""

from __future__ import annotations

import pytest
from stream_rig import SESSION

from rig.stream.peers import CREDIT_BYTES, CREDIT_BYTES_S, FIRST_S, PEERS, RECENT_S, RETURN_S, Peer, Peers
from rig.stream.schema import Ping, Pong

OTHER = "M07/2026-03-01_1"


def pinged(peer: Peer, now_s: float, have: int, state: str, *, session: str = SESSION) -> None:
    """It asks, holding so much of 100 records, and is answered."""
    about = session or SESSION
    peer.pinged(Ping(1, session, have), Pong(1, None, SESSION, about, state, 100, ""), now_s)


def one(*, who: bytes = b"1") -> tuple[Peers, Peer]:
    peers, peer = Peers(), Peer("imaging", 0.0)
    peers.add(who, peer)
    return peers, peer


def over(peers: Peers, now_s: float, linger_s: float = 1000.0) -> bool:
    return peers.waited_for(now_s, linger_s, 2000.0)


def test_a_listener_is_done_when_it_has_put_its_copy_away_and_not_before() -> None:
    peers, peer = one()
    pinged(peer, 0, 50, "live")
    assert not over(peers, 1)
    pinged(peer, 2, 100, "complete")
    pinged(peer, 3, 100, "complete")  # this may have left before the answer to the last one came
    assert not over(peers, 100)
    pinged(peer, 101, 0, "complete", session="")
    assert over(peers, 101)


def test_one_that_asks_which_session_is_on_has_not_thereby_heard_of_its_end() -> None:
    peers, peer = one()
    pinged(peer, 0, 10, "complete", session=OTHER)
    pinged(peer, 1, 0, "live", session="")
    pinged(peer, 2, 20, "complete")
    pinged(peer, 3, 0, "complete", session="")
    assert not over(peers, 4), "told, but it lacked eighty records"


def test_one_that_was_cut_off_may_come_back() -> None:
    peers, peer = one()
    pinged(peer, 10, 50, "live")
    done = Peer("another", 0.0)
    peers.add(b"2", done)
    pinged(done, 11, 100, "complete")
    pinged(done, 11, 0, "complete", session="")
    assert peers.unsure() == [(b"1", peer)]
    peer.gone = True
    assert peers.unsure() == []
    assert not over(peers, 10 + RETURN_S - 0.1)
    assert over(peers, 10 + RETURN_S + 0.1)


def test_one_that_is_connected_and_silent_is_waited_for_as_long_as_anybody_comes_nearer() -> None:
    peers, peer = one()
    pinged(peer, 0, 50, "live")
    assert not over(peers, 100, linger_s=5)
    assert not over(peers, 104, linger_s=5)
    pinged(peer, 104, 60, "complete")
    assert not over(peers, 108, linger_s=5)
    assert over(peers, 114, linger_s=5)


def test_who_copies_nothing_is_not_waited_for_long() -> None:
    peers, peer = one()
    pinged(peer, 10, 0, "live", session="")
    assert not over(peers, 10 + RECENT_S - 0.1)
    assert over(peers, 10 + RECENT_S + FIRST_S)
    pinged(peer, 20, 5, "unknown", session=OTHER)
    assert over(peers, 20 + RECENT_S + FIRST_S)


def test_somebody_knocked_and_is_given_time_to_speak() -> None:
    assert not over(peers := Peers(), 0)
    assert not over(peers, FIRST_S - 0.1)
    assert over(peers, FIRST_S)


def test_many_strangers_do_not_make_it_forget_a_listener() -> None:
    peers, peer = one()
    pinged(peer, 0, 50, "live")
    for n in range(2 * PEERS):
        peers.add(b"stranger %d" % n, Peer("stranger", 0.0))
    assert peers.get(b"1") is peer
    assert peers.of(SESSION) == [peer]


def test_nobody_may_ask_for_more_than_the_credit() -> None:
    peer = Peer("greedy", 0.0)
    assert peer.spend(0, CREDIT_BYTES)
    assert not peer.spend(0, 1)
    assert peer.spend(1, CREDIT_BYTES_S)
    assert peer.credit == pytest.approx(0)
