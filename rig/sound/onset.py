"""When each sound was really heard: the best of the ways there are, which one it was, and how far it can be off.

Floor 0: events and times in, records out. Three ways, best first:

- ``pin``   the board made the tone itself: its own event, exact on the board clock;
- ``sync``  a pulse on the second channel came back into a board input: exact but for the cable;
- ``dac``   PortAudio's converter time mapped to the host clock (``rig.sound.dacclock``): a bound, not a
  proof.

``simulated``: a simulated card said so. ``none`` says that nothing sounded. Times are host nanoseconds; where the board
saw the onset, ``board_us`` is kept as well, because the board's clock is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np

SETTLE_NS = 50_000_000  # an underrun this long after a start may still have moved it


class Method(StrEnum):
    """How an onset is known."""

    PIN = "pin"
    SYNC = "sync"
    DAC = "dac"
    SIMULATED = "simulated"
    NONE = "none"


class Onset(NamedTuple):
    """One sound's onset. ``error_ns`` bounds ``host_ns``; ``asked_ns`` is 0 where no time was asked for. ``prompt``: it
    was told too late to keep that time, and started as soon as it could.
    """

    token: int
    sound: str
    host_ns: int
    board_us: int | None
    error_ns: int
    method: Method
    asked_ns: int
    prompt: bool = False


class SyncMissed(NamedTuple):
    """The sound was given to the converter, its sync edge did not come in time: a fault."""

    token: int
    sound: str
    dac_host_ns: int
    waited_ns: int


class SyncStray(NamedTuple):
    """A sync edge that belongs to no sound: a fault of wiring or threshold."""

    host_ns: int
    board_us: int


class _Edge(NamedTuple):
    host_ns: int
    board_us: int
    error_ns: int


Outcome = Onset | SyncMissed | SyncStray


@dataclass
class OnsetTruth:
    """Joins converter times, sync edges and pin events into one onset a sound, and keeps the residuals.

    ``sync_wait_ns`` is how far from the converter time the edge may come; 0 says that no sync pulse is wired. ``given``
    is how the card's own word for an onset is called.
    """

    sync_wait_ns: int = 0
    given: Method = Method.DAC
    _pending: list[Onset] = field(default_factory=list)
    _edges: list[_Edge] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)
    _off_ns: list[int] = field(default_factory=list)  # onset − asked, scheduled sounds
    _prompt_ns: list[int] = field(default_factory=list)  # onset − asked, those that could only follow
    _sync_ns: list[int] = field(default_factory=list)  # edge − converter time

    def started(
        self, token: int, sound: str, dac_ns: int, error_ns: int, asked_ns: int = 0, *, prompt: bool = False
    ) -> None:
        """A sound was handed to the converter, its first sample to leave at ``dac_ns``."""
        self._pending.append(Onset(token, sound, dac_ns, None, error_ns, self.given, asked_ns, prompt))

    def edge(self, board_us: int, host_ns: int, error_ns: int) -> None:
        """The board saw the sync input rise; ``error_ns`` is the clock fit's bound. May come before ``started``."""
        self._edges.append(_Edge(host_ns, board_us, error_ns))

    def pin(self, token: int, sound: str, board_us: int, host_ns: int, error_ns: int) -> Onset:
        """The board's own tone pin started: nothing is better, so the onset is settled at once."""
        return self._settled(Onset(token, sound, host_ns, board_us, error_ns, Method.PIN, 0))

    def unsounded(self, token: int, sound: str, host_ns: int) -> Onset:
        """The sound was asked for and no device was there to play it."""
        return self._settled(Onset(token, sound, host_ns, None, 0, Method.NONE, 0))

    def underrun(self, host_ns: int, span_ns: int) -> None:
        """A gap at ``host_ns``: sounds not yet through the converter left later, by ``span_ns`` at most."""
        self._pending = [
            o._replace(error_ns=o.error_ns + span_ns) if o.host_ns >= host_ns - span_ns else o for o in self._pending
        ]

    def settle(self, now_ns: int) -> list[Outcome]:
        """What is certain by now, oldest first. Call it with the session's poll."""
        out: list[Outcome] = []
        for edge in list(self._edges):
            near = min(self._pending, key=lambda o: abs(o.host_ns - edge.host_ns), default=None)
            if near is not None and abs(near.host_ns - edge.host_ns) <= self.sync_wait_ns:
                self._edges.remove(edge)
                self._pending.remove(near)
                self._sync_ns.append(edge.host_ns - near.host_ns)
                out.append(self._settled(_by_edge(near, edge)))
            elif edge.host_ns + self.sync_wait_ns + SETTLE_NS < now_ns:
                self._edges.remove(edge)
                self._count("stray")
                out.append(SyncStray(edge.host_ns, edge.board_us))
        wait_ns = max(self.sync_wait_ns, SETTLE_NS)
        for onset in [o for o in self._pending if o.host_ns + wait_ns < now_ns]:
            self._pending.remove(onset)
            if self.sync_wait_ns:
                self._count("missed")
                out.append(SyncMissed(onset.token, onset.sound, onset.host_ns, wait_ns))
            out.append(self._settled(onset))
        return out

    def report(self) -> dict[str, int | float]:
        """The session's residuals in µs: onset − asked of scheduled sounds and of prompt ones, sync edge − converter
        time; counts.
        """
        out: dict[str, int | float] = {f"{name}_count": n for name, n in sorted(self._counts.items())}
        for name, residuals_ns in (
            ("scheduled", self._off_ns),
            ("prompt", self._prompt_ns),
            (f"sync_minus_{self.given}", self._sync_ns),
        ):
            if residuals_ns:
                us = np.array(residuals_ns, dtype=np.float64) / 1000
                out[f"{name}_residual_count"] = len(us)
                out[f"{name}_median_us"] = float(np.median(us))
                out[f"{name}_median_abs_us"] = float(np.median(np.abs(us)))
                out[f"{name}_p99_abs_us"] = float(np.percentile(np.abs(us), 99))
                out[f"{name}_worst_abs_us"] = float(np.abs(us).max())
        return out

    def _settled(self, onset: Onset) -> Onset:
        self._count(onset.method.value)
        if onset.asked_ns:
            (self._prompt_ns if onset.prompt else self._off_ns).append(onset.host_ns - onset.asked_ns)
        return onset

    def _count(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1


def _by_edge(onset: Onset, edge: _Edge) -> Onset:
    return onset._replace(host_ns=edge.host_ns, board_us=edge.board_us, error_ns=edge.error_ns, method=Method.SYNC)
