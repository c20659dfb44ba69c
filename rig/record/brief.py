"""One session in short, from its journal: what an animal's history is made of.

Floor 2: reads records. A session's ``brief.json`` is made from its journal and may be deleted at any time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rig import events, wire
from rig.config import from_plain
from rig.errors import ConfigError, RecordError, RigError
from rig.events import Kind
from rig.light.proof import TrialLight
from rig.light.watch import LightSum
from rig.record.folder import JOURNAL, manifest_of, read_entries, summary_of
from rig.record.journal import Record
from rig.session.setup import RigBench
from rig.training import Move

BRIEF = "brief.json"
BRIEF_VERSION = 2
_TRIAL_BEGIN, _STATE, _OUTPUT, _LOST = (
    wire.BY_NAME[name].number for name in ("trial_begin", "state", "output", "lost")
)
_VALVE = 1 << wire.OUTPUTS.index("valve")


@dataclass(frozen=True)
class Brief:
    """One session in short. ``day``, ``plan``: None outside of a light plan. ``ended``: empty where it was killed."""

    session: str
    subject: str
    on: date
    utc: str
    protocol: str
    trials: int = 0
    rewarded: int = 0
    last_trial: int = 0
    minutes: float = 0.0
    water_ul: float = 0.0
    uncounted_openings: int = 0
    weight_g: float | None = None
    stage: str = ""
    stage_trials: int = 0
    stage_rewarded: int = 0
    moves: Sequence[str] = ()  # from stage to stage, with their reasons
    day: int | None = None
    plan: dict[str, Any] | None = None
    light: dict[str, Any] | None = None
    ended: str = ""

    @property
    def success(self) -> float | None:
        """Rewarded of all trials."""
        return self.rewarded / self.trials if self.trials else None


def brief_of(entries: Sequence[Record]) -> Brief:
    """A session in short, from its journal; of one that was killed, as far as it got. Raises RecordError."""
    manifest, summary = manifest_of(list(entries)), summary_of(list(entries)) or {}
    stages, outcomes = _trials(entries)
    course = manifest.get("course") or {}
    stage = stages.get(max(outcomes, default=0), course.get("stage", ""))
    decided = {number: outcome for number, outcome in outcomes.items() if outcome is not None}
    here = [outcome for number, outcome in decided.items() if stages.get(number, "") == stage]
    today = course.get("today")
    return Brief(
        session=manifest["session"],
        subject=manifest["subject"],
        on=date.fromisoformat(manifest["session"].rpartition("_")[0]),
        utc=manifest["utc"],
        protocol=manifest["protocol"]["name"],
        trials=summary.get("trials", len(decided)),
        rewarded=summary.get("rewarded", sum(outcome == "rewarded" for outcome in decided.values())),
        last_trial=max(outcomes, default=0),
        minutes=summary.get("minutes", 0.0),
        water_ul=summary["water_ul"] if summary else _water_ul(entries, manifest),
        uncounted_openings=summary.get("uncounted_openings", 0),
        weight_g=manifest.get("weight_g"),
        stage=stage,
        stage_trials=len(here),
        stage_rewarded=sum(outcome == "rewarded" for outcome in here),
        moves=moves_of(entries),
        day=today["row"]["day"] if today else None,
        plan=manifest.get("plan"),
        light=summary["light"] if "light" in summary else _light(entries, manifest),
        ended=summary.get("ended", ""),
    )


def _trials(entries: Iterable[Record]) -> tuple[dict[int, str], dict[int, str | None]]:
    """Of each trial that began: its stage, and its outcome so far."""
    named: dict[int, dict[str, Any]] = {}
    outcomes: dict[int, str | None] = {}
    trial = 0
    for entry in entries:
        if entry.kind == Kind.NOTE:
            found = events.read_json(entry.payload)
            if found.get("note") == "trial":
                named[found["trial"]] = found
        elif entry.kind == Kind.EVENT and entry.payload[0] == _TRIAL_BEGIN:
            trial = wire.BY_NAME["trial_begin"].body.unpack_from(entry.payload, 9)[0]
            outcomes[trial] = None
        elif entry.kind == Kind.EVENT and entry.payload[0] == _LOST:
            trial = 0
        elif entry.kind == Kind.EVENT and entry.payload[0] == _STATE and trial in named:
            outcomes[trial] = named[trial]["outcomes"][entry.payload[9]] or outcomes[trial]
    return {number: found.get("stage", "") for number, found in named.items()}, outcomes


def moves_of(entries: Iterable[Record]) -> list[str]:
    """From stage to stage, before the first trial and under way."""
    notes = (events.read_json(entry.payload) for entry in entries if entry.kind == Kind.NOTE)
    return [Move(note["before"], note["after"], note["reason"]).say() for note in notes if note.get("note") == "stage"]


def _water_ul(entries: Iterable[Record], manifest: Mapping[str, Any]) -> float:
    """What the valve gave in a session that could not say so itself."""
    try:
        bench = RigBench.of(from_plain(manifest["config"], "the record's config"))
    except RigError:  # another version's configuration: the session counts all the same
        return 0.0
    since_us, water_ul = 0, 0.0
    for entry in entries:
        if entry.kind == Kind.EVENT and entry.payload[0] == _OUTPUT:
            _, _, board_us = wire.EVENT_HEADER.unpack_from(entry.payload)
            if wire.BY_NAME["output"].body.unpack_from(entry.payload, 9)[0] & _VALVE:
                since_us = since_us or board_us
            elif since_us:
                with suppress(ConfigError):  # cut short, or a flush: outside of what was weighed
                    water_ul += bench.volume_ul((board_us - since_us) & 0xFFFFFFFF)
                since_us = 0
        elif entry.kind == Kind.EVENT and entry.payload[0] == _LOST:
            since_us = 0
    return water_ul


def _light(entries: Iterable[Record], manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """The light of a session that could not sum it up itself, from the notes of its trials."""
    found = LightSum(site=str(manifest["params"].get("site", "")))
    for entry in entries:
        note = events.read_json(entry.payload) if entry.kind == Kind.NOTE else {}
        if note.pop("note", "") == "light":
            proven = note.pop("proven")
            found.add(TrialLight(**note), proven=proven)
    return found.plain() if found.trials else None


def brief(session: Path) -> Brief | None:
    """The brief of a session's folder, made anew where its journal has grown; None where nothing can be read."""
    size = (session / JOURNAL).stat().st_size
    try:
        found = json.loads((session / BRIEF).read_text(encoding="utf-8"))
        if (found.pop("version"), found.pop("journal_bytes")) == (BRIEF_VERSION, size):
            return Brief(**{**found, "on": date.fromisoformat(found["on"])})
    except (OSError, ValueError, TypeError, KeyError):
        pass  # not there, or another version's: made from the journal below
    try:
        made = brief_of(read_entries(session)[0])
    except (RecordError, KeyError, ValueError):
        return None
    text = json.dumps({**asdict(made), "on": str(made.on), "version": BRIEF_VERSION, "journal_bytes": size})
    try:
        scratch = session / f".{BRIEF}"
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(session / BRIEF)
    except OSError:
        pass  # a folder that cannot be written is read again next time
    return made
