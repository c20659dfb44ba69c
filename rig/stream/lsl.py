"""What a listener hears, as Lab Streaming Layer streams: `pip install '.[lsl]'`, then `rig listen … --lsl`.

Two outlets a session: its events (one string, JSON) and its lever (counts, one sample each). Each sample bears the time
of the event itself on this computer's LSL clock; what was fetched late bears it as well. May not: know of sockets.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from rig.errors import ConfigError
from rig.stream.schema import Message

try:
    import pylsl
except (ImportError, RuntimeError):  # the second where its library is not found
    pylsl = None

READINGS = 20
EVENTS, LEVER = "rig-events", "rig-lever"


class Outlets:
    """The two streams, made anew for each session."""

    def __init__(self) -> None:
        if pylsl is None:
            raise ConfigError("--lsl: pylsl is not installed here: pip install 'rig[lsl]'")
        self._session = ""
        self._events: Any = None
        self._lever: Any = None
        self._offset_s = 0.0
        self.left_out = 0  # events of which nobody knows yet when they were

    def take(self, message: Message, here_ns: int | None) -> None:
        """An event, and when it was on this computer's monotonic clock."""
        if here_ns is None:
            self.left_out += 1
            return
        if message.session != self._session:
            self._begin(message.session)
        at_s = here_ns / 1e9 + self._offset_s
        if message.name == "lever":
            self._push_lever(message, at_s)
        else:
            said = {"number": message.number, "topic": message.topic, "event": message.name, **message.fields}
            self._events.push_sample([msgspec.json.encode(said).decode()], at_s)

    def _begin(self, session: str) -> None:
        self._session, self._offset_s = session, clock_offset_s()
        kinds = ((EVENTS, "Markers", pylsl.cf_string), (LEVER, "Position", pylsl.cf_int32))
        self._events, self._lever = (
            pylsl.StreamOutlet(pylsl.StreamInfo(name, kind, 1, pylsl.IRREGULAR_RATE, form, f"{name} {session}"))
            for name, kind, form in kinds
        )

    def _push_lever(self, message: Message, at_s: float) -> None:
        """A batch: the stamp is its last sample's."""
        first, offsets = message.fields["first_counts"], message.fields["offsets"]
        step_s, last = message.fields["period_us"] / 1e6, len(offsets) - 1
        for i, offset in enumerate(offsets):
            self._lever.push_sample([first + offset], at_s - (last - i) * step_s)


def clock_offset_s() -> float:
    """LSL's clock less the monotonic one, by the closest of some readings."""
    best = (1.0, 0.0)
    for _ in range(READINGS):
        before_s = time.monotonic_ns() / 1e9
        lsl_s = pylsl.local_clock()
        took_s = time.monotonic_ns() / 1e9 - before_s
        best = min(best, (took_s, lsl_s - before_s - took_s / 2))
    return best[1]
