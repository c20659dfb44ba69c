"""Show a session: what it was, how it went, trial by trial.

examples:
  rig show data/M07/2026-03-02_1
  rig show data/M07/2026-03-02_1 --out session.png     the figure; PNG, SVG or PDF by the ending
  rig show data/M07/2026-03-02_1 --json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rig.errors import RecordError
from rig.events import Event, Kind, read_json
from rig.imaging.frames import FAULTS
from rig.record.brief import moves_of
from rig.record.derived import read_session
from rig.record.entry import session_entry
from rig.record.folder import events_of, journal_path, manifest_of, read_entries, summary_of
from rig.record.journal import Record
from rig.record.view import SessionView, session_view, view_lines
from rig.session.timing import sentence

_LINK = {"resends": "frames sent again", "damaged_frames": "damaged frames"}
_WAYS = {  # how an onset is known
    "sync": "sync pulse",
    "pin": "the board's tone pin",
    "dac": "converter time",
    "simulated": "the simulated card",
    "none": "nothing: unsounded",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("session", type=Path, help="a session folder, or its journal")
    parser.add_argument("--out", type=Path, metavar="FILE", help="draw it: trials, lever, light; .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true", help="manifest, summary and trials as one JSON object")


@dataclass
class TrialLine:
    """One trial, as people look at it."""

    trial: int
    begin_us: int
    outcome: str | None = None
    cue_to_press_s: float | None = None
    presses: int = 0
    gap_us: int = 0
    ended: str = ""


def trial_lines(events: list[Event]) -> list[TrialLine]:
    """The trials of a session, from its events."""
    rows: list[TrialLine] = []
    cue_us: int | None = None
    for event in events:
        if event.name == "trial_begin":
            rows.append(TrialLine(event.fields["trial"], event.board_us, gap_us=event.fields["gap_us"]))
            cue_us = None
        elif not rows:
            continue
        elif event.name == "state":
            rows[-1].outcome = event.fields["outcome"] or rows[-1].outcome
            cue_us = event.board_us if event.fields["state"] == "cue" else cue_us
        elif event.name == "rule" and event.fields["decision"] == "press":
            rows[-1].presses += 1
            if cue_us is not None and rows[-1].cue_to_press_s is None:
                rows[-1].cue_to_press_s = (event.board_us - cue_us) / 1e6
        elif event.name == "trial_end":
            rows[-1].ended = event.fields["reason"]
    return rows


def run(args: argparse.Namespace) -> int:
    """The command."""
    view = _view(args)
    entries, damage = read_entries(args.session)
    manifest, summary = manifest_of(entries), summary_of(entries)
    rows = trial_lines(list(events_of(entries)))
    timing = timing_at_end(manifest, entries)
    if args.json:
        del manifest["protocol"]["source"]
        trials = [asdict(row) for row in rows]
        found = {"manifest": manifest, "summary": summary, "trials": trials, "timing": timing}
        print(json.dumps({**found, "damaged": len(damage)}))
        return 0
    before = len((manifest.get("course") or {}).get("moves", ()))  # what led to its beginning is among what was said
    _print(Console(), manifest, summary, rows, timing, moves_of(entries)[before:])
    for line in view_lines(view) if view else ():
        print(line)
    return 0


def _view(args: argparse.Namespace) -> SessionView | None:
    """What there is to draw, drawn where that is asked. Raises RecordError for a figure of nothing."""
    try:
        session = read_session(journal_path(args.session).parent)
        view = session_view(session, session_entry(session, measured=False))
    except RecordError:
        if args.out is not None:
            raise
        return None
    if args.out is not None:
        from rig.figures.session import draw_session  # noqa: PLC0415 (drawing takes a second to load)

        draw_session(view, args.out)
    return view


def timing_at_end(manifest: dict[str, Any], entries: list[Record]) -> dict[str, Any]:
    """What the session's times were worth, with the last that a host-timed body said of itself."""
    timing: dict[str, Any] = dict(manifest.get("timing") or {})
    for entry in entries:
        if entry.kind == Kind.NOTE and (found := read_json(entry.payload)).pop("note", "") == "timing":
            timing.update(found)
    return timing


def _print(
    console: Console,
    manifest: dict[str, Any],
    summary: dict[str, Any] | None,
    rows: list[TrialLine],
    timing: dict[str, Any],
    moves: list[str],
) -> None:
    protocol, board = manifest["protocol"], manifest["board"]
    console.print(f"[bold]{manifest['subject']} {manifest['session']}[/]  {protocol['name']} ({protocol['digest']})")
    console.print(
        f"body {manifest['config']['body']}, board {board['board']}, seed {manifest['seed']}, {manifest['utc']}"
    )
    console.print(sentence(timing))
    for line in (*manifest.get("said", ()), *moves):
        console.print(line)
    for line in params_lines(manifest):
        console.print(line, style="dim")
    table = Table("trial", "outcome", "cue → press, s", "presses", "gap, us", "ended")
    for row in rows:
        delay = "" if row.cue_to_press_s is None else f"{row.cue_to_press_s:.3f}"
        table.add_row(str(row.trial), row.outcome or "–", delay, str(row.presses), str(row.gap_us), row.ended)
    console.print(table)
    if summary is None:
        console.print("interrupted: the session has no summary", style="yellow")
        return
    for line in summary_lines(summary):
        console.print(line)


def summary_lines(summary: dict[str, Any]) -> Iterator[str]:
    """How a session went, in words."""
    rate = "–" if summary["success_rate"] is None else f"{100 * summary['success_rate']:.0f} %"
    yield (
        f"{summary['trials']} trials, {summary['rewarded']} rewarded ({rate}), {summary['water_ul']:.1f} µL water,"
        f" {summary['minutes']:.1f} min; ended by {summary['ended']}"
    )
    others = [f"{n} {outcome}" for outcome, n in summary["outcomes"].items() if outcome != "rewarded"]
    if others:
        yield f"of the other trials: {', '.join(others).replace('None', 'undecided')}"
    if summary["uncounted_openings"]:
        yield f"{summary['uncounted_openings']} valve openings outside the calibration: not counted as water"
    yield from light_lines(summary.get("light"))
    yield from sound_lines(summary.get("sound"))
    yield from frame_lines(summary.get("frames"))
    link = [f"{summary[what]} {said}" for what, said in _LINK.items() if summary[what]]
    yield (
        f"{summary['events']} events, {summary['lost_events']} lost; longest gap between trials"
        f" {summary['gap_us_max']} us; clock error below {summary['clock_error_us']:.0f} us"
        + "".join(f"; {words}" for words in link)
    )


def frame_lines(frames: dict[str, Any] | None) -> list[str]:
    """The microscope's frames in words: what each file should hold."""
    if not frames:
        return []
    faults = ", ".join(f"{frames[what]} {what}" for what in FAULTS)
    files = [
        f"file {n} (scan {one['scan']}): {one['frames']} frames, {one['missing']} of them without a pulse"
        for n, one in enumerate(frames["files"], 1)
    ]
    return [f"frames: {frames['frames']} at {frames['rate_hz']} Hz; pulses: {faults}", *files]


def sound_lines(sound: dict[str, Any] | None) -> list[str]:
    """The sounds of a session in words: how many by which way, how well they kept their time, and every fault."""
    if not sound:
        return []
    events, onsets = sound["events"], sound["onsets"]
    ways = [f"{onsets[f'{way}_count']} by {said}" for way, said in _WAYS.items() if f"{way}_count" in onsets]
    line = f"sound ({sound['by']}): onsets " + (", ".join(ways) or "none")
    for name, said in (("scheduled", "to a time"), ("prompt", "at once")):
        if f"{name}_residual_count" in onsets:
            median_us, worst_us = onsets[f"{name}_median_abs_us"], onsets[f"{name}_worst_abs_us"]
            line += f"; {said}: off by {median_us:.0f} us (median), {worst_us:.0f} us (worst)"
    wrong = {what: n for what, n in events.items() if what not in ("started", "ended", "cancelled")}
    for what in ("missed", "stray"):
        if f"{what}_count" in onsets:
            wrong[f"{what} sync edges"] = onsets[f"{what}_count"]
    return [line, *(f"SOUND: {n} {what.replace('_', ' ')}" for what, n in wrong.items())]


def params_lines(manifest: dict[str, Any]) -> list[str]:
    """The parameters, by where each comes from: the defaults of the protocol last."""
    origin, found = manifest.get("params_from") or {}, dict[str, list[str]]()
    for name, value in manifest["params"].items():
        found.setdefault(origin.get(name, ""), []).append(f"{name} {value}")
    default = found.pop("", [])
    lines = [f"from {where}: {'  '.join(words)}" for where, words in found.items()]
    return [*lines, f"at their defaults: {'  '.join(default)}"] if default else lines


def light_lines(light: dict[str, Any] | None) -> list[str]:
    """The light of a session in words; nothing where there was none to speak of."""
    if not light or not (light["planned_trials"] or light["trials"] or light["mismatches"]):
        return []
    energy = "power not measured" if light["energy_mj"] is None else f"{light['energy_mj']:.1f} mJ"
    site = f" at {light['site']}" if light["site"] else ""
    lines = [
        f"light: {light['trials']} trials ({light['planned_trials']} planned), {light['proven_trials']} proven by"
        f" read-back, {light['on_s']:.2f} s, {energy}{site}; onset within {light['worst_onset_us']} us,"
        f" duration within {abs(light['worst_duration_us'])} us"
    ]
    lines += [f"LIGHT MISMATCH: {what}" for what in light["mismatches"]]
    return [*lines, f"light ended: {light['ended']}"] if light["ended"] else lines
