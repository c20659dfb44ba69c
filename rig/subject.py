"""An animal's history: what its sessions were, what it weighed and drank, where in training it stands.

Floor 2: reads the records below a data folder, and keeps one file of its own, ``<data>/<subject>/ledger.ndjson``, for
what people do outside of sessions. A session's ``brief.json`` is made from its journal and may be deleted at any time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from rig import events, wire
from rig.config import from_plain
from rig.errors import ConfigError, RecordError, RigError
from rig.events import Kind
from rig.journal import Record
from rig.light import LightSum
from rig.plan import Plan
from rig.plan.read import plan_from_data
from rig.plan.today import Done
from rig.proof import TrialLight
from rig.record import JOURNAL, manifest_of, read_entries, sessions, summary_of
from rig.setup import RigBench
from rig.training import Attended, Move, Training

LEDGER, BRIEF = "ledger.ndjson", "brief.json"
BRIEF_VERSION = 2
_TRIAL_BEGIN, _STATE, _OUTPUT, _LOST = (
    wire.BY_NAME[name].number for name in ("trial_begin", "state", "output", "lost")
)
_VALVE = 1 << wire.OUTPUTS.index("valve")


# --- sessions ---------------------------------------------------------------------------------------------------------


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


# --- what people did --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Deed:
    """One line of the ledger: ``weight`` (g), ``baseline`` (g), ``water`` (µL), ``stage``, ``set`` or ``unset``."""

    what: str
    on: date
    utc: str
    value: Any = None
    name: str = ""
    who: str = ""
    why: str = ""


def add_deed(data: Path, subject: str, deed: Deed) -> None:
    """Write a line into the ledger, to the disk. Raises RecordError."""
    folder = data / subject
    line = json.dumps({key: str(value) if key == "on" else value for key, value in asdict(deed).items()})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / LEDGER, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RecordError(f"{folder / LEDGER}: cannot be written: {error.strerror}") from None


def read_ledger(data: Path, subject: str) -> tuple[Deed, ...]:
    """The lines of an animal's ledger, oldest first. Raises RecordError naming file and line."""
    path = data / subject / LEDGER
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):  # where a folder cannot be, the session will say so
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: cannot be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
            found.append(Deed(**{**said, "on": date.fromisoformat(said["on"])}))
        except (ValueError, TypeError, KeyError):
            raise RecordError(f"{path}:{number}: not a line of a ledger: correct it or take it out") from None
    return tuple(found)


# --- an animal --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class History:
    """Everything known of one animal, oldest first."""

    subject: str
    briefs: tuple[Brief, ...] = ()
    deeds: tuple[Deed, ...] = ()

    def done(self) -> list[Done]:
        """Its sessions, as the light plan asks for them."""
        return [Done(one.on, one.day, one.last_trial) for one in self.briefs if one.day is not None]

    def weights(self) -> list[tuple[date, float]]:
        """``(day, g)``, in order of time."""
        found = [(one.utc, one.on, one.weight_g) for one in self.briefs if one.weight_g]
        found += [(deed.utc, deed.on, float(deed.value)) for deed in self.deeds if deed.what == "weight"]
        return [(on, float(weight_g)) for _, on, weight_g in sorted(found)]

    @property
    def weight_g(self) -> float | None:
        """The last weight."""
        return self.weights()[-1][1] if self.weights() else None

    @property
    def baseline_g(self) -> float | None:
        """What it weighed before restriction: as somebody said, else its first weight."""
        said = [float(deed.value) for deed in self.deeds if deed.what == "baseline"]
        return said[-1] if said else (self.weights()[0][1] if self.weights() else None)

    def water_ul(self, on: date) -> tuple[float, float]:
        """Water of a day, µL: in sessions, by hand."""
        drunk = sum(one.water_ul for one in self.briefs if one.on == on)
        return drunk, sum(float(deed.value) for deed in self.deeds if deed.what == "water" and deed.on == on)

    def own(self) -> dict[str, str]:
        """Parameters that somebody set for this animal."""
        found: dict[str, str] = {}
        for deed in self.deeds:
            if deed.what == "set":
                found[deed.name] = str(deed.value)
            elif deed.what == "unset":
                found.pop(deed.name, None)
        return found

    def energy_mj(self) -> dict[str, float]:
        """Light so far, mJ by site; NaN where a session's power is not known."""
        found: dict[str, float] = {}
        for one in self.briefs:
            if one.light and one.light["trials"]:
                energy = one.light["energy_mj"]
                site = one.light["site"]
                found[site] = found.get(site, 0.0) + (float("nan") if energy is None else energy)
        return found

    def stage(self, training: Training) -> tuple[str, Move | None]:
        """The stage its next session begins in, and the move that led there since the last one. Raises ConfigError."""
        trained = [one for one in self.briefs if one.stage]
        last, last_utc = (trained[-1].stage, trained[-1].utc) if trained else (training.stages[0].name, "")
        moved = [deed for deed in self.deeds if deed.what == "stage"]
        if moved and moved[-1].utc > last_utc:
            deed = moved[-1]
            training.index(str(deed.value))
            if deed.value == last:
                return last, None
            reason = f"by hand ({deed.who or 'unknown'}: {deed.why or 'no reason given'})"
            return str(deed.value), Move(last, str(deed.value), reason)
        names = [stage.name for stage in training.stages]
        if last not in names:
            raise ConfigError(
                f"{self.subject} is in stage {last}, which the training does not have any more:"
                f" say rig subject {self.subject} --stage {names[0]}"
            )
        since = moved[-1].utc if moved else ""
        attended = [Attended(one.stage, one.stage_trials, one.stage_rewarded) for one in trained if one.utc > since]
        move = training.after_sessions(last, attended)
        return (move.after, move) if move else (last, None)


def history(data: Path, subject: str) -> History:
    """What is known of an animal. Raises RecordError for a damaged ledger."""
    briefs = [found for folder in sessions(data, subject) if (found := brief(folder)) is not None]
    return History(subject, tuple(sorted(briefs, key=lambda one: one.utc)), read_ledger(data, subject))


def first_plan(data: Path, study: str) -> Plan | None:
    """The plan that the study's first record below this folder holds; None before there is one."""
    found: Brief | None = None
    for folder in sessions(data):
        one = brief(folder)
        if one and one.plan and one.plan["study"] == study and (found is None or one.utc < found.utc):
            found = one
    return plan_from_data(found.plan, f"{found.subject}/{found.session}") if found else None


def subjects(data: Path) -> list[str]:
    """Every animal with a record or a ledger."""
    recorded = {path.parent.parent.name for path in data.glob(f"*/*_*/{JOURNAL}")}
    return sorted(recorded | {path.parent.name for path in data.glob(f"*/{LEDGER}")})


def with_brief(before: History, one: Brief) -> History:
    """The history with one session more."""
    return replace(before, briefs=(*before.briefs, one))
