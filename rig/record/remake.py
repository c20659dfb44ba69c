"""Were the trials in a record the ones that plan, training, protocol and seed make? And was their light what was seen?

Every trial is made again from what stands in the record: its table must be the one the board was given, its light the
plan's, its parameters its stage's. The light is held against the read-back again, from the events alone. May not: read
files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rig import events, wire
from rig.clock import Unwrapper
from rig.config import Config, from_plain
from rig.errors import RigError
from rig.events import Kind
from rig.experiment.params import Values
from rig.experiment.protocol import Protocol, load_source
from rig.experiment.table import Row, compile_trial
from rig.experiment.task import Past, Result
from rig.light.proof import LOST
from rig.light.watch import LightGuard
from rig.plan import DayPlan
from rig.plan.read import plan_from_data
from rig.plan.today import Today
from rig.record.journal import Record
from rig.session.course import Course, trial_chance
from rig.session.setup import RigBench, limits_of
from rig.sound.book import SoundBook
from rig.sound.events import Body
from rig.sound.events import Kind as Sounded
from rig.training import training_of

Given = dict[int, list[tuple[str, dict[str, Any]]]]  # by trial: the commands that carried its table
_BODIES = (Sounded.NO_DEVICE, Sounded.DEVICE_LOST, Sounded.DEVICE_BACK)
_LIGHT = {wire.BY_NAME[name].number: name for name in LightGuard.hears}
_TRIAL_BEGIN, _STATE, _LOST = (wire.BY_NAME[name].number for name in ("trial_begin", "state", "lost"))


def remake(entries: Sequence[Record], manifest: Mapping[str, Any]) -> list[str]:
    """Faults, as sentences; none: the record is what it says."""
    try:
        config = from_plain(manifest["config"], "the record's config")
        experiment = load_source(manifest["protocol"]["source"], Path(manifest["protocol"]["file"]))
        values = experiment.params.values_with(manifest["params"])
        faults = _of_the_plan(manifest)
        faults += _of_the_trials(entries, manifest, config, experiment, values)
        return faults or _of_the_light(entries, manifest, config, experiment, values)
    except (KeyError, TypeError, ValueError, RigError) as error:
        return [f"the protocol in the record cannot be made again: {error}"]


def course_of(manifest: Mapping[str, Any], experiment: Protocol, values: Values) -> Course:
    """The course that a session began with, from its manifest."""
    said = manifest.get("course") or {}
    today, training = said.get("today"), said.get("training")
    return Course(
        experiment.params,
        values,
        Today(DayPlan(**today["row"]), today["first_trial"]) if today else None,
        training_of(training) if training else None,
        said.get("stage", ""),
        said.get("base", {}),
        frozenset(said.get("by_hand", ())),
        experiment.name,
    )


def book_of(manifest: Mapping[str, Any]) -> SoundBook:
    """The sounds that a session began with, from its manifest; records of before had the tone pin alone."""
    said = manifest.get("sound") or {"tone_pin": True, "sounds": []}
    return SoundBook.from_plain(said["sounds"], pin=said["tone_pin"])


# --- the plan ---------------------------------------------------------------------------------------------------------


def _of_the_plan(manifest: Mapping[str, Any]) -> list[str]:
    """Is today's row the plan's own, or told as a deviation from it?"""
    today, data = (manifest.get("course") or {}).get("today"), manifest.get("plan")
    if not today or not data:
        return []
    plan, row = plan_from_data(data, "the record's plan"), today["row"]
    if plan.digest != row["plan_digest"]:
        return ["the plan in the record is not the one that its row was taken from"]
    if plan.row(row["subject"], row["day"]).data() != row and not today["deviations"]:
        return [f"day {row['day']}: the row is not the plan's, and no deviation says why"]
    return []


# --- trials -----------------------------------------------------------------------------------------------------------


def _of_the_trials(
    entries: Sequence[Record], manifest: Mapping[str, Any], config: Config, experiment: Protocol, values: Values
) -> list[str]:
    book = book_of(manifest)
    to_pin = book.pin
    bench, limits = RigBench.of(config, sounds=book), limits_of(config, manifest["board"])
    course, tables = course_of(manifest, experiment, values), tables_of(entries)
    notes = list(_notes(entries, "trial", "light_mismatch", "stage", "sound_card"))
    named = {found["trial"]: found for found in notes if found["note"] == "trial"}
    begun, outcomes = _outcomes(entries, named)
    before = len((manifest.get("course") or {}).get("moves", ()))  # what led to where the session began
    results = list[Result]()  # of the trials that began
    moves = [found for found in notes if found["note"] == "stage"][before:]
    for found in notes:
        if found["note"] == "light_mismatch" and found["ends_light"]:
            course.end_light(found["what"])
        if found["note"] == "sound_card" and found["what"] in _BODIES:
            book.pin = to_pin or found["by"] == Body.TONE_PIN
        if found["note"] != "trial":
            continue
        number = found["trial"]
        results += [Result(n, outcomes.get(n), named[n]["info"]) for n in begun[len(results) : found["past"]]]
        past = results[: found["past"]]
        if past:
            past[-1] = past[-1]._replace(outcome=found["last"])
        step = course.step(number, Past(past))
        if step.given != found.get("given", {}):
            return [f"trial {number}: the record gave it {found.get('given')}, plan and training say {step.given}"]
        for move in step.moves:
            if not moves or {**asdict(move), "note": "stage"} != moves.pop(0):
                return [f"trial {number}: {move.say()} does not stand in the record"]
        trial = experiment.trial(step.values, Past(past), trial_chance(manifest["seed"], number))
        table = compile_trial(course.allowed(trial), bench, limits)
        given = tables.get(number, [])
        if number not in begun and (not given or given[-1][0] != "table_commit"):
            continue  # cut short while it was sent
        if table.commands(number) != given:
            return [f"trial {number}: the table on the board is not the one the protocol makes"]
    return [f"the record moves to stage {moves[0]['after']}, training does not"] if moves else []


def _notes(entries: Sequence[Record], *names: str) -> Iterator[dict[str, Any]]:
    for entry in entries:
        if entry.kind == Kind.NOTE:
            found = events.read_json(entry.payload)
            if found.get("note") in names:
                yield found


def _outcomes(
    entries: Sequence[Record], named: Mapping[int, Mapping[str, Any]]
) -> tuple[list[int], dict[int, str | None]]:
    """The trials that began, in order, and how each went, from the states it entered."""
    found: dict[int, str | None] = {}
    trial = 0
    for entry in entries:
        if entry.kind != Kind.EVENT:
            continue
        if entry.payload[0] == _TRIAL_BEGIN:
            trial = wire.BY_NAME["trial_begin"].body.unpack_from(entry.payload, 9)[0]
            found[trial] = None
        elif entry.payload[0] == _LOST:  # from here on states may be another trial's
            trial = 0
        elif entry.payload[0] == _STATE and trial in named:
            found[trial] = named[trial]["outcomes"][entry.payload[9]] or found[trial]
    return list(found), found


def tables_of(entries: Sequence[Record]) -> Given:
    """What each trial's table was built from, as the commands say."""
    tables: Given = {}
    rows: list[tuple[str, dict[str, Any]]] = []
    for entry in entries:
        if entry.kind != Kind.COMMAND:
            continue
        command = wire.decode(entry.payload)
        if command.name == "table_begin":
            rows = tables.setdefault(int(command.fields["trial"]), [])  # type: ignore[arg-type]
        if command.name.startswith("table_"):
            rows.append((command.name, dict(command.fields)))
    return tables


# --- light ------------------------------------------------------------------------------------------------------------


def guard_of(config: Config, course: Course, values: Mapping[str, Any]) -> LightGuard:
    """What watches the light of a session on this rig."""
    return LightGuard(
        course,
        RigBench.of(config).laser,
        go_on=config.laser.on_mismatch == "go_on",
        proven="laser_back" in config.inputs,
        site=str(values.get("site", "")),
    )


def _of_the_light(
    entries: Sequence[Record], manifest: Mapping[str, Any], config: Config, experiment: Protocol, values: Values
) -> list[str]:
    """The light in the events, judged again, against what the record says of it."""
    guard = guard_of(config, course_of(manifest, experiment, values), values)
    unwrap, tables, again = Unwrapper(), tables_of(entries), list[dict[str, Any]]()
    for entry in entries:
        if entry.kind != Kind.EVENT:
            continue
        message, _, stamp_us = wire.EVENT_HEADER.unpack_from(entry.payload)
        board_us = unwrap.unwrap(stamp_us)
        if message not in _LIGHT:
            continue
        body = wire.BY_NUMBER[message].body.unpack_from(entry.payload, wire.EVENT_HEADER.size)
        generators = _generators(tables, body[0]) if message == _TRIAL_BEGIN else ()
        guard.hear(_LIGHT[message], board_us, body, generators)
        again += guard.notes()
    guard.finish()
    again += guard.notes()
    told = {found["trial"]: found for found in _notes(entries, "light")}
    for found in again:
        if found["name"] == "light" and found["trial"] in told:
            for key in ("planned", "pulses", "seen", "on_us", "seen_us", "faults"):
                if _but_lost(found[key]) != _but_lost(told[found["trial"]][key]):
                    return [
                        f"trial {found['trial']}: the record says light {key} {told[found['trial']][key]},"
                        f" its events say {found[key]}"
                    ]
        elif found["name"] == "light" and (found["pulses"] or found["seen"]) and _is_whole(entries):
            return [f"trial {found['trial']}: its events show light, the record says nothing of it"]
    return []


def _is_whole(entries: Sequence[Record]) -> bool:
    return any(entry.kind == Kind.SUMMARY for entry in entries)


def _but_lost(value: Any) -> Any:
    """Whether a trial was judged before events were lost hangs on when the session looked, which no event tells."""
    return [fault for fault in value if fault != LOST] if isinstance(value, list) else value


def _generators(tables: Given, trial: int) -> list[Row]:
    return [fields for name, fields in tables.get(trial, []) if name == "table_generator"]
