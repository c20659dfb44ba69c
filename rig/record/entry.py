"""What the archive keeps of one session: its row, its trials, its measures and its pushes, all from its journal.

Floor 0: a journal's bytes in, plain rows out. Nothing here knows of databases or files, so an entry made on a laptop,
on a cluster or twenty years later is the same. The lever is looked at only where measures are asked for.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rig import wire
from rig.errors import RecordError
from rig.events import Kind, read_json
from rig.record.columns import Columns, even_trace

if TYPE_CHECKING:  # the measures need scipy, which takes a second to come
    from rig.curves.measures import Measures, SessionMeasures

MEASURES_VERSION = 1  # counts up when a definition changes, so that stored measures are made again
WHICH = ("all", "off", "on")  # all trials, those without light, those with
MICRONS = 1000.0
_DECISION = wire.BY_NAME["rule"].names.index("decision")  # its place in the body: what comes before it is a byte each
_ENDS = {int(reason): reason.name.lower() for reason in wire.EndReason}


@dataclass(frozen=True)
class TrialRow:
    """One trial. Times are board µs; what the lever showed is None until measured, or where there was none."""

    trial: int
    begin_us: int
    cue_us: int | None = None
    end_us: int | None = None
    reward_us: int | None = None
    outcome: str | None = None
    light: bool = False
    catch: bool = False
    presses: int = 0
    ended: str = ""
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether the measures count it: a cue was heard and the answer is known."""
        return self.cue_us is not None and self.outcome is not None and not self.catch


@dataclass(frozen=True)
class SessionRow:
    """One session. ``uid`` is a digest of its manifest: a copy has the same, two rigs' sessions never do."""

    uid: str
    subject: str
    session: str
    date: str
    utc: str
    rig: str
    body: str
    protocol: str
    protocol_digest: str
    program: str
    seed: str
    day: int | None
    stage: str | None
    light_window: str | None
    n_trials: int
    n_rewarded: int
    n_light: int
    water_ul: float | None
    minutes: float | None
    ended: str | None
    damaged: int
    journal_bytes: int
    params: dict[str, Any]


@dataclass(frozen=True)
class Found:
    """What the lever showed: measures of all trials, those without and those with light; pushes of cued trials.

    ``pushes`` is (cued trials, samples) in µm as int16, 100 samples a second from movement onset; ``pushes_lit`` says
    which of them were made with light. ``trials`` holds one list a column, one element a trial that counts
    (:attr:`TrialRow.counts`); times in it are s after the cue.
    """

    measures: dict[str, dict[str, float | int | None]]
    trials: dict[str, list[float | None]]
    pushes: bytes
    pushes_lit: bytes
    samples: int
    version: int = MEASURES_VERSION


@dataclass(frozen=True)
class Entry:
    """All of it. ``found`` is None for a session whose lever or trials do not allow measures; ``why`` says why."""

    session: SessionRow
    trials: tuple[TrialRow, ...]
    found: Found | None
    why: str = ""


class SessionBytes:
    """A journal read for its entry.

    Args:
        data: the journal, header included.
    """

    def __init__(self, data: bytes) -> None:
        self.columns = Columns(data)
        self.damaged = self.columns.damaged
        manifests, summaries = (np.flatnonzero(self.columns.kind == kind) for kind in (Kind.MANIFEST, Kind.SUMMARY))
        if not len(manifests):
            raise RecordError("the journal holds no manifest: run `rig verify` on it")
        manifest = self.columns.payload(manifests[0])
        self.manifest = read_json(manifest)
        self.uid = hashlib.sha256(manifest).hexdigest()[:32]
        self.summary = read_json(self.columns.payload(summaries[-1])) if len(summaries) else None

    def trials(self) -> tuple[TrialRow, ...]:
        """The trials that began."""
        rows: list[dict[str, Any]] = []
        notes: dict[int, dict[str, Any]] = {}
        names: dict[str, Any] = {}
        for name, board_us, payload in self._marks():
            if name == "trial":
                note = read_json(payload)
                notes[note["trial"]] = note
                continue
            body = wire.BY_NAME[name].body.unpack_from(payload, wire.EVENT_HEADER.size)
            if name == "trial_begin":
                rows.append({"trial": body[0], "begin_us": board_us})
                names = notes.get(body[0], {})
            elif rows:
                _add(rows[-1], name, board_us, body, names)
        return tuple(TrialRow(**row, **_info(notes.get(row["trial"], {}))) for row in rows)

    def _marks(self) -> Iterator[tuple[str, int, bytes]]:
        """In order, what tells of trials: (name, board µs, payload) of notes that begin one, and of its events."""
        columns = self.columns
        events = np.concatenate([columns.rows("trial_begin", "state", "trial_end"), press_rows(columns)])
        rows = np.sort(np.concatenate([events, columns.note_rows("trial")]))
        numbers, times = columns.message[rows].tolist(), columns.board_us[rows].tolist()
        for row, number, board_us in zip(rows.tolist(), numbers, times, strict=True):
            yield wire.BY_NUMBER[number].name if number else "trial", board_us, columns.payload(row)

    def session_row(self, trials: Sequence[TrialRow]) -> SessionRow:
        """The session's row."""
        manifest, summary = self.manifest, self.summary or {}
        course = manifest.get("course") or {}
        row = (course.get("today") or {}).get("row") or {}
        name = str(manifest["session"])
        return SessionRow(
            uid=self.uid,
            subject=str(manifest["subject"]),
            session=name,
            date=name.rpartition("_")[0],
            utc=str(manifest["utc"]),
            rig=str(manifest["config"].get("rig", "")),
            body=str(manifest["config"].get("body", "")),
            protocol=str(manifest["protocol"]["name"]),
            protocol_digest=str(manifest["protocol"]["digest"]),
            program=str(manifest["program"]),
            seed=str(manifest["seed"]),
            day=row.get("day"),
            stage=course.get("stage") or None,
            light_window=row.get("window"),
            n_trials=len(trials),
            n_rewarded=sum(trial.outcome == "rewarded" for trial in trials),
            n_light=sum(trial.light for trial in trials),
            water_ul=summary.get("water_ul"),
            minutes=summary.get("minutes"),
            ended=summary.get("ended"),
            damaged=self.damaged,
            journal_bytes=len(self.columns.data),
            params=manifest["params"],
        )

    def lever_mm(self) -> tuple[int, NDArray[np.float64], float]:
        """The lever, push positive: its first time (board µs), mm (n,), and samples a second."""
        lever = self.manifest["config"]["lever"]
        hz = float(lever["sample_hz"])
        begin_us, counts = even_trace(self.columns.lever, round(1e6 / hz))
        mm_per_count = float(lever["mm_per_count"]) * (-1 if lever["invert"] else 1)
        return begin_us, counts.astype(np.float64) * mm_per_count, hz


def session_entry(session: SessionBytes, found: Found | None = None, *, measured: bool = True) -> Entry:
    """The entry of a session. ``found``: measures made before, instead of making them again."""
    trials = session.trials()
    why = ""
    if found is None and measured:
        try:
            found = measure(session, trials)
        except RecordError as error:
            why = str(error)
    return Entry(session.session_row(trials), trials, found, why)


# --- trials from events -----------------------------------------------------------------------------------------------


def press_rows(columns: Columns) -> NDArray[np.int64]:
    """The events in which a lever rule decided: this was a press."""
    rows = columns.rows("rule")
    pressed: NDArray[np.bool_] = columns.bodies("rule", rows)[:, _DECISION] == wire.Decision.PRESS
    return rows[pressed]


def _info(note: dict[str, Any]) -> dict[str, Any]:
    """What a trial's note tells of it."""
    info = note.get("info") or {}
    return {"info": info, "light": bool(info.get("light")), "catch": bool(info.get("catch"))}


def _add(row: dict[str, Any], name: str, board_us: int, body: tuple[Any, ...], names: dict[str, Any]) -> None:
    """What an event tells of the trial it falls into. ``names``: what the trial's note calls its states."""
    if name == "rule":
        row["presses"] = row.get("presses", 0) + 1
    elif name == "trial_end":
        row["ended"] = _ENDS.get(body[1], str(body[1]))
    elif name == "state":
        states, outcomes = names.get("states", ()), names.get("outcomes", ())
        if body[0] < len(states) and states[body[0]] == "cue":
            row.setdefault("cue_us", board_us)
        elif "cue_us" in row:
            row.setdefault("end_us", board_us)  # the first state after the cue ends the wait
        outcome = outcomes[body[0]] if body[0] < len(outcomes) else None
        if outcome is not None:
            row["outcome"] = outcome
            if outcome == "rewarded":
                row.setdefault("reward_us", board_us)


# --- measures ---------------------------------------------------------------------------------------------------------


def measure(session: SessionBytes, trials: Sequence[TrialRow]) -> Found:
    """Movements, measures and pushes of a session. Raises RecordError where there is nothing to measure."""
    counted = [trial for trial in trials if trial.counts]
    if not counted:
        raise RecordError("no trial with a cue and an outcome")
    return _as_found(measured_trials(counted, *session.lever_mm()))


def measured_trials(
    trials: Sequence[TrialRow], begin_us: int, lever_mm: NDArray[np.float64], lever_hz: float
) -> SessionMeasures:
    """The measures of these trials; times in s from the trace's begin."""
    from rig.curves.measures import measure_session  # noqa: PLC0415
    from rig.curves.trials import make_trials  # noqa: PLC0415

    def seconds(times_us: list[int | None]) -> NDArray[np.float64]:
        return np.array([np.nan if t is None else (t - begin_us) / 1e6 for t in times_us])

    made = make_trials(
        seconds([t.cue_us for t in trials]),
        seconds([t.reward_us for t in trials]),
        [t.outcome == "rewarded" and t.reward_us is not None for t in trials],
        light=[t.light for t in trials],
        end_s=seconds([t.reward_us or t.end_us or t.cue_us for t in trials]),
    )
    return measure_session(made, lever_mm, lever_hz)


def _as_found(measured: SessionMeasures) -> Found:
    times = measured.times
    after_cue = ("movement_s", "movement_end_s", "first_movement_s", "first_active_s", "reward_s")
    others = ("still", "cued", "early_presses", "amplitude_mm", "peak_speed_mm_per_s", "rise_s")
    columns = {name: getattr(times, name) - times.cue_s for name in after_cue}
    columns |= {name: getattr(times, name).astype(np.float64) for name in others}
    whole = np.isfinite(measured.segments).all(axis=1)
    pushes = np.clip(np.rint(measured.segments[whole] * MICRONS), -32768, 32767).astype("<i2")
    return Found(
        measures={
            which: _plain(part)
            for which, part in zip(WHICH, (measured.all, measured.light_off, measured.light_on), strict=True)
        },
        trials={name: [_number(value) for value in column.tolist()] for name, column in columns.items()},
        pushes=pushes.tobytes(),
        pushes_lit=times.light[times.cued][whole].astype(np.uint8).tobytes(),
        samples=int(measured.segments.shape[1]),
    )


def _plain(measures: Measures) -> dict[str, float | int | None]:
    return {one.name: _number(getattr(measures, one.name)) for one in fields(measures)}


def _number(value: Any) -> Any:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value


def pushes_mm(pushes: bytes, samples: int) -> NDArray[np.float64]:
    """Stored pushes as (pushes, samples) mm."""
    return np.frombuffer(pushes, "<i2").reshape(-1, samples) / MICRONS
