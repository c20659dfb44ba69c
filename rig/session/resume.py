"""Going on with a session that was cut short: which one it is, how far its record goes, and what it was to be.

Where the board still lives the life that the record tells of, the session goes on in the same journal. Where it was
without power, that record is closed, and another session of the same day takes over what is left of it. Floor 2: reads
records, and writes none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from rig import wire
from rig.errors import ConfigError, RecordError
from rig.events import Kind
from rig.experiment.protocol import load_source
from rig.plan.draw import derived_seed
from rig.record.folder import manifest_of, read_entries, sessions, summary_of
from rig.record.journal import Record
from rig.record.remake import course_of
from rig.session.intent import Intent, Order, intend
from rig.session.summary import Rules, Summary

CLEAN = ("trials", "minutes", "water", "Ctrl-C")  # how a session ends that is over
PLUGS = ("port", "stream", "stream_keys", "stream_eager")
_APPLIED = wire.BY_NAME["applied"].number


def interrupted(data: Path, subject: str, on: date) -> Path:
    """The folder of this animal's session of this day that is not over. Raises RecordError where there is none."""
    today = [folder for folder in sessions(data, subject) if folder.name.startswith(f"{on.isoformat()}_")]
    for folder in reversed(today):
        entries, _ = read_entries(folder)
        if not any(entry.kind == Kind.MANIFEST for entry in entries):
            continue  # cut short before anything had begun
        ended = (summary_of(entries) or {}).get("ended", "")
        if ended in CLEAN:
            raise RecordError(f"{folder}: nothing to resume, the session was over ({ended}): run without --resume")
        return folder
    raise RecordError(f"{data / subject}: no session of {on.isoformat()} to resume: run without --resume")


class Reached(NamedTuple):
    """How far a record goes. ``taken``: commands that the board has answered; ``unanswered``: those it may not have."""

    boot: int
    next_event: int
    taken: int
    unanswered: tuple[bytes, ...]


def reached(entries: Sequence[Record]) -> Reached:
    """Where a record ends. The last answer says which commands were taken, even where others were lost."""
    commands = [entry.payload for entry in entries if entry.kind == Kind.COMMAND]
    told = [entry.payload for entry in entries if entry.kind == Kind.EVENT]
    next_event = wire.EVENT_HEADER.unpack_from(told[-1])[1] + 1 if told else 0
    answered = next((payload[9] for payload in reversed(told) if payload[0] == _APPLIED), None)
    taken = 0
    if answered is not None:
        taken = next(i for i in range(len(commands) - 1, -1, -1) if commands[i][1] == answered) + 1
    boot = manifest_of(list(entries))["board"]["boot"]
    return Reached(boot, next_event, taken, tuple(commands[taken:]))


def intent_of(intent: Intent, entries: Sequence[Record], folder: Path) -> Intent:
    """What the session was to be, as its own record says. Raises ConfigError where the rig is not the same any more."""
    manifest, order = manifest_of(list(entries)), intent.order
    if _apart_from_plugs(manifest["config"]) != _apart_from_plugs(json.loads(json.dumps(order.config.plain()))):
        raise ConfigError(
            f"{order.config_path}: changed since {folder} began: put it back to resume, or run without --resume"
        )
    experiment = load_source(manifest["protocol"]["source"], Path(manifest["protocol"]["file"]))
    values = experiment.params.values_with(manifest["params"])
    course = course_of(manifest, experiment, values)
    found = {"experiment": experiment, "values": values, "seed": manifest["seed"], "course": course}
    return replace(intent, **found, rules=_rules(order, manifest), moves=())


def _apart_from_plugs(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration but for where things are plugged in: a board may come back under another name."""
    return {name: value for name, value in config.items() if name not in PLUGS}


def _rules(order: Order, manifest: dict[str, Any]) -> Rules:
    """What is said now, or what was said then."""
    return order.rules if order.rules != Rules() else Rules(**manifest["rules"])


def rest_of(order: Order, manifest: dict[str, Any], done: Summary) -> Intent:
    """What is left of a session, for another one. Raises RecordError where that is nothing."""
    rules = _rules(order, manifest)
    left = Rules(
        None if rules.trials is None else rules.trials - done.trials,
        None if rules.minutes is None else rules.minutes - done.minutes,
        None if rules.water_ul is None else rules.water_ul - done.water_ul,
    )
    if any(amount is not None and amount <= 0 for amount in (left.trials, left.minutes, left.water_ul)):
        raise RecordError(f"{done.session}: nothing is left of it: run without --resume")
    by_hand = {name: manifest["params"][name] for name, by in manifest["params_from"].items() if by == "--set"}
    return intend(
        replace(
            order,
            resume=False,
            no_weight=True,
            rules=left,
            protocol=order.protocol or manifest["protocol"]["file"],
            changes={**by_hand, **order.changes},
            weight_g=order.weight_g or manifest["weight_g"],
            no_plan=order.no_plan or bool(manifest["course"]["outside_plan"]),
            seed=derived_seed(manifest["seed"], "resumed", manifest["session"]) % (1 << 31),
        )
    )
