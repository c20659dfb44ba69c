"""All checkers on one played case."""

from __future__ import annotations

from sim import books, checkers, safety
from sim.play import Played
from sim.records import read


def judge(played: Played, *, verify: bool = True) -> list[str]:
    """What is wrong, as sentences: ``checker: folder: finding``. At most three of each checker and session."""
    found = [f"acks: {text}" for text in played.acks[:3]]
    if not played.clean:
        found.append(f"ends: the day did not end: {played.ends}")
    sessions = [read(folder, played.truth) for folder in played.folders]
    restarts = sum("started again" in (one.summary or {}).get("ended", "") for one in sessions)
    resets = sum(text.split()[2] in ("reset", "unplug_power") for text in played.happened)
    if restarts > resets:
        found.append(f"ends: {restarts} sessions say that the board had started again, it did so {resets} times")
    for folder, session in zip(played.folders, sessions, strict=True):
        checks = {
            "events": checkers.events(session),
            "complete": checkers.complete(session, played),
            "time": checkers.time(session),
            "clock": checkers.clock(session, played),
            "samples": checkers.samples(session),
            "damage": checkers.damage(session),
        }
        if session.life is not None:
            checks |= {
                "ceilings": safety.ceilings(session),
                "faults": safety.faults(session),
                "arming": safety.arming(session),
                "transitions": safety.transitions(session),
                "water": books.water(session),
            }
        if verify and (
            session.records or "killed" not in played.ends
        ):  # one that was killed before it began holds none
            checks["verify"] = books.verify(folder)
        for name, texts in checks.items():
            for _, text in zip(range(3), texts, strict=False):
                found.append(f"{name}: {folder.name}: {text}")
    return found
