"""When host and board have lost sight of each other: the cable was pulled, the host slept, events found no room.

A session holds on to the record. It waits for the board, takes what that kept, and states why the trial ended; then it
stops whatever may still run, arms anew – the host's explicit word, and in the record – and gives the next trial.
May not: arm after any fault but the host's own silence.
"""

from __future__ import annotations

from typing import Any, Protocol

from rig import wire
from rig.board import Board, Hello
from rig.errors import LinkError

TRY_NS = 1_000_000_000
PATIENCE_NS = 120_000_000_000
_ARM = wire.BY_NAME["arm"].number


class Patient(Protocol):
    """What is asked of a session."""

    board: Board
    finished: bool

    def note(self, name: str, **fields: Any) -> None:
        """Keep something only the host knows."""

    def order(self, name: str, values: dict[str, int] | None = None) -> bytes:
        """Record and send a command."""

    def drop_staged(self) -> None:
        """The trial to come is none any more, though it may have begun."""

    def end(self, reason: str) -> None:
        """It is over."""

    def give_up(self) -> bool:
        """Does somebody want it to end, rather than to wait?"""


class Recovery:
    """Keeps a session going, or ends it. ``ready``: the board has been set up, and is armed as far as is known."""

    def __init__(self, session: Patient) -> None:
        self._session = session
        self._arming: int | None = None  # the number of the `arm` that is waited for
        self._upset = ""
        self._lost = self._half_set_up = False
        self.ready = False
        self.unsure = False  # events are missing: a trial may run that nobody knows of

    @property
    def under_way(self) -> bool:
        """The board is not armed again yet: no trial can be given."""
        return bool(self._upset) or self._arming is not None

    def resumed(self) -> None:
        """Another process goes on: whatever was under way is over."""
        self._arming, self._upset = None, "the program was started again"

    def upset(self, reason: str, *, lost: bool = False) -> None:
        """Something came between host and board. Acted on in :meth:`settle`."""
        if lost or self._arming is None:  # else the word that arms it again is already on its way
            self._upset = self._upset or reason
        self._lost = self._lost or lost
        self.unsure = self.unsure or lost
        self._half_set_up = self._half_set_up or (lost and not self.ready)

    def applied(self, sequence: int, command: int) -> bool:
        """A command was answered. False: it was meant for a board that was still armed, so a refusal means nothing."""
        if command == _ARM and sequence == self._arming:
            self._arming, self.unsure = None, False
            return True
        if command == _ARM and not self.ready:
            self.ready = True
            return True
        return not self.under_way

    def was_ordered(self, payload: bytes) -> bool:
        """An `arm` of the record, in its place. True: it was said because something had come between."""
        if not self._upset:
            return False
        self._upset, self._lost, self._arming = "", False, payload[1]
        return True

    def settle(self) -> None:
        """Act on what came between, if something did. Raises LinkError, RestartedError."""
        reason, session = self._upset, self._session
        if not reason or session.finished:
            return
        if session.give_up():
            session.end("")
            return
        if self._half_set_up:
            session.end("events were lost while the board was set up")
            return
        if self._lost and (fault := fault_of(session.board.status())):
            session.end(f"fault: {fault}")
            return
        self._upset, self._lost = "", False
        session.drop_staged()
        session.note("again", why=reason)
        session.order("stop", {"at_end": 0})
        self._arming = session.order("arm")[1]

    def come_back(self, error: LinkError) -> None:
        """Wait for the board. Raises LinkError when it does not come, RestartedError when it is in another life."""
        session = self._session
        link = session.board.link
        since_ns = link.now_ns()
        session.note("link_lost", why=str(error))
        while True:
            try:
                session.board.come_back(TRY_NS)
                break
            except LinkError as still:
                if session.give_up() or link.now_ns() - since_ns > PATIENCE_NS:
                    raise LinkError(f"{still}; what the board still holds comes with `rig run --resume`") from None
        session.note("link_back", after_s=round((link.now_ns() - since_ns) / 1e9, 3))


def fault_of(hello: Hello) -> str:
    """A fault that the board has had since it was armed, other than the host's silence."""
    named = [fault.name.lower() for fault in wire.Fault if hello.faults >> fault & 1 and fault != wire.Fault.DEADMAN]
    return named[0] if named else ""
