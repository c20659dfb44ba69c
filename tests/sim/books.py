"""The judge of water: drops given = drops recorded = volume. And the program's own judge, `rig verify`.

May not: know how the session counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from rig.doors.verify import check
from sim.records import NUMBER, Session
from sim.safety import FOREVER, spans

VALVE = 1


def openings(session: Session) -> list[int]:
    """How long the valve was open, each time, as the record tells it (µs)."""
    found: list[int] = []
    since_us: int | None = None
    for told in session.told:
        if told.message == NUMBER["lost"]:
            since_us = None  # what was open then is not known
        if told.message != NUMBER["output"]:
            continue
        is_open = bool(told.payload[9] & VALVE)
        if is_open and since_us is None:
            since_us = told.t_us
        elif not is_open and since_us is not None:
            found.append(told.t_us - since_us)
            since_us = None
    return found


def water(session: Session) -> Iterator[str]:
    """What the pins did is what the record says, and what the summary adds up."""
    assert session.life is not None
    given = [end - begin for begin, end in spans(session.life.pins, 0) if end != FOREVER]
    recorded = openings(session)
    lost = bool(session.life.dropped)
    if (
        session.summary and "started again" in session.summary["ended"]
    ):  # what it had not told is gone, and that is stated
        given = given[: len(recorded)]
    if given != recorded and not lost:
        yield f"{len(given)} drops of {sum(given)} us were given, {len(recorded)} of {sum(recorded)} us recorded"
    summary = session.summary
    if summary is None:
        return
    weighed_us = [1000 * drop["open_ms"] for drop in session.manifest["config"]["valve"]["drops"]]
    known = [open_us for open_us in recorded if min(weighed_us) <= open_us <= max(weighed_us)]
    if len(recorded) - len(known) > summary["uncounted_openings"]:
        yield f"{len(recorded) - len(known)} openings were never weighed, {summary['uncounted_openings']} are stated"
    volume_ul = sum(_volume_ul(session, open_us) for open_us in known)
    if abs(volume_ul - summary["water_ul"]) > 0.02 * max(1, len(recorded)):
        yield f"the drops recorded are {volume_ul:.2f} ul, the summary says {summary['water_ul']:.2f} ul"


def _volume_ul(session: Session, open_us: int) -> float:
    """By the drops weighed: straight lines between them, and from nothing at 0 to the first."""
    weighed = session.manifest["config"]["valve"]["drops"]
    drops = [(0.0, 0.0)] + [(drop["open_ms"] * 1000, drop["ul"]) for drop in weighed]
    for (t0, v0), (t1, v1) in itertools.pairwise(drops):
        if open_us <= t1:
            return float(v0 + (v1 - v0) * (open_us - t0) / (t1 - t0))
    return float(drops[-1][1] * open_us / drops[-1][0])


def verify(folder: Path) -> Iterator[str]:
    """Every decision re-executes."""
    report = check(folder)
    yield from report.faults
