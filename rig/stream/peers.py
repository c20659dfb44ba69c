"""Who asks a rig, how far each listener is, and whom the end of a session has to wait for.

May not: know of sockets or read a clock; whoever answers says what time it is, and who has gone.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from rig.stream import schema

PEERS = 256  # remembered
CREDIT_BYTES = 32 << 20  # one peer may ask for so much at once ...
CREDIT_BYTES_S = 4 << 20  # ... and for so much a second: six times what 5,000 events a second are
RECENT_S = 3.0  # one that copies nothing is waited for so long after its last words
RETURN_S = 8.0  # one that was copying and has gone: so long, since it may have been cut off, and be on its way back
FIRST_S = 3.0  # somebody has connected, or there would be no answering: he is given so long to say something


@dataclass
class Peer:
    """One listener, as far as its requests tell."""

    who: str
    since_s: float
    session: str = ""
    have: int = 0
    seen_s: float = 0.0
    told: bool = False  # has it been sent how the session ended?
    sure: bool = False  # and has it put its copy away since? Only then did that answer reach it
    named: bool = False  # has it named the session it copies, and not only asked which is on?
    gone: bool = False  # at the end: it is not connected any more
    credit: float = CREDIT_BYTES

    def spend(self, now_s: float, cost: int) -> bool:
        """Take from what it may still ask for; False where it has asked for too much."""
        self.credit = min(CREDIT_BYTES, self.credit + (now_s - self.since_s) * CREDIT_BYTES_S)
        self.since_s = now_s
        if self.credit <= 0:
            return False
        self.credit -= cost
        return True

    def pinged(self, ping: schema.Ping, pong: schema.Pong, now_s: float) -> None:
        """It has asked, and is answered so. One that names no session copies none: not yet or, told of the end, not
        any more.

        What it holds says less: its next ping may leave before the answer to the last one is there.
        """
        self.seen_s = now_s
        if not ping.session:
            self.session = self.session or pong.now
            self.sure = self.sure or self.told
            return
        self.session, self.have, self.named = ping.session, ping.have, pong.state != "unknown"
        self.told = pong.state != "live" and pong.session == pong.now and ping.have >= pong.count
        self.sure = False

    def may_lack(self, now_s: float) -> bool:
        """Is this one to be waited for, unless it is sure?"""
        if self.named:
            return not self.gone or now_s - self.seen_s < RETURN_S
        return now_s - self.seen_s < RECENT_S


class Peers:
    """All of them, by the name that ZMQ has given each connection."""

    def __init__(self) -> None:
        self._all: OrderedDict[bytes, Peer] = OrderedDict()
        self._held = -1
        self._grown_s = self._ended_s = math.inf

    def get(self, identity: bytes) -> Peer | None:
        """One that has spoken before."""
        return self._all.get(identity)

    def add(self, identity: bytes, peer: Peer) -> None:
        """A new one. Of too many, whoever copies nothing is forgotten first."""
        self._all[identity] = peer
        if len(self._all) > PEERS:
            self._all.pop(next((who for who, one in self._all.items() if not one.named), next(iter(self._all))))

    def of(self, session: str) -> list[Peer]:
        """Those who listen to this session."""
        return [peer for peer in self._all.values() if peer.session == session]

    def unsure(self) -> list[tuple[bytes, Peer]]:
        """Listeners that may not know yet that the session is over."""
        return [(who, peer) for who, peer in self._all.items() if peer.named and not peer.sure and not peer.gone]

    def waited_for(self, now_s: float, linger_s: float, most_s: float) -> bool:
        """The session is over: has everybody everything, or been waited for long enough? Ask again and again."""
        if self._ended_s == math.inf:
            self._ended_s = now_s
        held = sum(peer.have for peer in self._all.values())
        if held > self._held:  # as long as somebody comes nearer, all are waited for
            self._grown_s, self._held = now_s, held
        if now_s > min(self._grown_s + linger_s, self._ended_s + most_s):
            return True
        peers = [peer for peer in self._all.values() if peer.may_lack(now_s)]
        if not peers and now_s - self._ended_s < FIRST_S:
            return False
        return all(peer.sure for peer in peers)
