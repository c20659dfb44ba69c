"""What the times of a session are worth, body by body: in the manifest, in notes while it runs, in words for people.

Floor 2: asks a link what it knows of itself. May not: measure, or know how a session runs.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from rig.config import Config
from rig.link import Link
from rig.session.watcher import Watcher


@runtime_checkable
class HostTimed(Protocol):
    """What a link tells whose trial machine runs on this computer (:class:`rig.firmata.FirmataLink`)."""

    cautions: list[str]
    status: dict[str, Any]
    about: dict[str, Any]


ON_BOARD: dict[str, Any] = {
    "clock": "board",
    "uncertainty_us": 12,  # stamps against pins on the emulated Mega at 10,000 edges/s: tests/avr/test_firmware_time.py
    "decided": "on the board, in the interrupt of the edge itself; docs/timing.md has the figures of each board",
}


def timing_of(config: Config, link: Link) -> dict[str, Any]:
    """The manifest's ``timing``: whose clock stamps, where things are decided, how far that is off."""
    if isinstance(link, HostTimed):
        about = {"firmata": link.about.get("firmware"), "cautions": link.cautions}
        return {"decided": "on this computer, from what StandardFirmata reports", **about, **link.status}
    if config.body in ("simulator", "pty"):
        decided = "at the very microsecond: the simulated board takes no time"
        return {"clock": "simulated", "uncertainty_us": 0, "decided": decided}
    return dict(ON_BOARD)


def sentence(timing: dict[str, Any]) -> str:
    """The same in one line; a record that says nothing is a board's."""
    timing = timing or ON_BOARD
    said = f"timing: {timing['clock']} clock, decided {timing['decided']}"
    if "uncertainty_us" in timing:
        said += f"; times are good to {timing['uncertainty_us']} us"
    if timing["clock"] != "host":
        return said
    return (
        f"{said}; loop {timing['loop_p50_us']:g} us (p50),"
        f" {timing['loop_p99_us']:g} (p99), {timing['loop_worst_us']:g} (worst); {timing['scheduling']}"
    )


class TimingNotes(Watcher):
    """Keeps what a host-timed body measures of itself, as often as it says it (each second)."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self._told: Any = None

    def passed(self, board_us: int, host_ns: int) -> None:
        """Note what is new."""
        status = getattr(self._link, "status", None)
        if status and status is not self._told:
            self._told = status
            self.note("timing", **status)
