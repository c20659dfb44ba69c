"""Was the plan obeyed? Every trial on record against the plan's own sequence, by the laser's read-back alone.

Floor 2: reads records. What the session believed of itself – its notes, its summary, what it was given – plays no part:
the row comes from the plan at hand, the light from the edges of the read-back that the board stamped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig import wire
from rig.events import Kind
from rig.light.proof import BACK
from rig.plan import Plan, light_trials
from rig.record.folder import manifest_of, read_entries, sessions
from rig.record.journal import Record

_BEGIN, _END, _INPUT = (wire.BY_NAME[name].number for name in ("trial_begin", "trial_end", "input"))
_HEADER = wire.EVENT_HEADER.size


@dataclass
class Obeyed:
    """What the records say of a plan. ``wrong``: a line for each trial whose light was not the plan's."""

    sessions: int = 0
    trials: int = 0
    planned: int = 0  # trials to have light
    seen: int = 0  # trials that had it
    wrong: list[str] = field(default_factory=list)
    deviations: list[str] = field(default_factory=list)  # that the records own up to; their sessions are not judged
    missing: list[str] = field(default_factory=list)  # days of the plan without a session
    elsewhere: int = 0  # sessions that no plan speaks of, or another one

    @property
    def good(self) -> bool:
        """Every trial as planned, every deviation told."""
        return not self.wrong

    def lines(self) -> Iterator[str]:
        """For people."""
        yield (
            f"{self.sessions} sessions, {self.trials} trials: light planned on {self.planned}, seen by read-back on"
            f" {self.seen}, {len(self.wrong)} trials not as planned"
        )
        yield from self.wrong
        yield from (f"deviation: {line}" for line in self.deviations)
        if self.missing:
            yield f"no session yet: {', '.join(self.missing)}"
        if self.elsewhere:
            yield f"{self.elsewhere} sessions outside of this plan"


def obeyed(plan: Plan, data: Path) -> Obeyed:
    """Hold every record of the plan's animals below ``data`` against it. Raises RecordError."""
    found, done = Obeyed(), set[tuple[str, int]]()
    for folder in (one for subject in plan.animals for one in sessions(data, subject)):
        entries, _ = read_entries(folder)
        manifest = manifest_of(entries)
        today = (manifest.get("course") or {}).get("today")
        if not today or (manifest.get("plan") or {}).get("study") != plan.study:
            found.elsewhere += 1
            continue
        row = today["row"]
        done.add((row["subject"], row["day"]))
        if today["deviations"]:
            found.deviations += [f"{folder.name}: {_words(one)}" for one in today["deviations"]]
        else:
            _hold(found, plan, today, light_seen(entries), f"{row['subject']} {folder.name}")
    days = ((subject, day) for subject in plan.animals for day in range(1, plan.days + 1))
    found.missing = [f"{subject} day {day}" for subject, day in days if (subject, day) not in done]
    return found


def _hold(found: Obeyed, plan: Plan, today: dict[str, Any], seen: Sequence[tuple[int, bool]], name: str) -> None:
    row, first = plan.row(today["row"]["subject"], today["row"]["day"]), today["first_trial"]
    n = max((trial for trial, _ in seen), default=0)
    lights = light_trials(row, first + n)[first:] if row.light else [False] * n
    found.sessions += 1
    for trial, light in seen:
        planned = bool(lights[trial - 1])
        found.trials += 1
        found.planned += planned
        found.seen += light
        if light != planned:
            found.wrong.append(
                f"{name} trial {trial}: {'light' if planned else 'no light'} planned, not so by read-back"
            )


def light_seen(entries: Sequence[Record]) -> list[tuple[int, bool]]:
    """Of each trial that came to its end: its number, and whether the read-back rose or was up in it."""
    found: list[tuple[int, bool]] = []
    trial, up, lit = 0, False, False
    for entry in entries:
        if entry.kind != Kind.EVENT:
            continue
        number = entry.payload[0]
        if number == _BEGIN:
            trial, lit = wire.BY_NUMBER[number].body.unpack_from(entry.payload, _HEADER)[0], up
        elif number == _INPUT:
            up = bool(wire.BY_NUMBER[number].body.unpack_from(entry.payload, _HEADER)[0] & BACK)
            lit = lit or up
        elif (
            number == _END and wire.BY_NUMBER[number].body.unpack_from(entry.payload, _HEADER)[1] == wire.EndReason.DONE
        ):
            found.append((trial, lit))
    return found


def _words(deviation: dict[str, Any]) -> str:
    reason = deviation["why"] or "no reason given"
    return (
        f"{deviation['subject']} day {deviation['day']}: planned {deviation['planned']}; done {deviation['done']}"
        f" ({deviation['who'] or 'unknown'}: {reason})"
    )
