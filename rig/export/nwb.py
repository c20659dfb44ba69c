"""A session as NWB: the lever, every event, the trials, the light, the animal and the rig, all from its journal.

Floor 1: writes the file it is given; pynwb and ndx-optogenetics (``pip install 'rig[nwb]'``) are imported only here.
Times in the file are seconds since its first event by the board's clock, and every event keeps its board_us as well.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from rig import wire
from rig.errors import ConfigError, RecordError
from rig.export.about import About
from rig.export.light import add_light
from rig.export.tables import TIMES, event_tables
from rig.record.columns import even_trace
from rig.record.derived import trial_columns
from rig.record.entry import Entry, SessionBytes

_MEANT = {message.name: message.doc for message in wire.MESSAGES}
_TRIAL_WORDS = {
    "trial": "number of the trial",
    "cue_time": "when the cue began, s",
    "reward_time": "when the reward began, s; NaN: none",
    "outcome": "what the protocol calls what became of it",
    "light": "whether light was planned on it",
    "catch": "whether it was a catch trial, without a cue",
    "presses": "how often the lever was pressed in it",
    "ended": "how it ended: done, or cut short",
    "still": "whether the lever was still in the 100 ms before the cue",
    "cued": "whether it was rewarded, still before the cue, and the rewarded movement starts after it",
}
_YES_NO = ("still", "cued")


@dataclass
class Subject:
    """What goes into one file."""

    session: SessionBytes
    entry: Entry
    about: About

    @cached_property
    def begin_us(self) -> int:
        """Board time of the first event or lever sample: zero in the file."""
        columns = self.session.columns
        first = int(columns.board_us[columns.events].min())
        return min(first, int(columns.lever.t_us[0])) if len(columns.rows("lever")) else first

    def seconds(self, board_us: Any) -> NDArray[np.float64]:
        """Board times as times in the file; None as NaN."""
        return np.array(
            [np.nan if t is None else (int(t) - self.begin_us) / 1e6 for t in np.asarray(board_us).tolist()]
        )


def write_nwb(session: SessionBytes, entry: Entry, path: Path, about: About) -> None:
    """Write the file. Raises ConfigError where pynwb is missing, RecordError where it cannot be written."""
    try:
        from pynwb import NWBHDF5IO  # noqa: PLC0415 (a second and more, for those who export)
    except ImportError:
        raise ConfigError("NWB needs pynwb; run: pip install 'rig[nwb]'") from None
    nwb = make_nwb(Subject(session, entry, about))
    scratch = path.with_name(f".{path.stem}.{os.getpid()}.nwb")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NWBHDF5IO(str(scratch), "w") as io:
            io.write(nwb)
        os.replace(scratch, path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        scratch.unlink(missing_ok=True)


def make_nwb(of: Subject) -> Any:
    """The file in memory."""
    from pynwb import NWBFile  # noqa: PLC0415

    row, manifest, about = of.entry.session, of.session.manifest, of.about
    begin = datetime.fromisoformat(row.utc).astimezone(UTC)
    nwb = NWBFile(
        session_description=f"{row.protocol} ({row.protocol_digest}), {row.n_trials} trials, "
        f"{row.n_rewarded} rewarded{', ' + str(row.n_light) + ' with light' if row.n_light else ''}",
        identifier=row.uid,
        session_start_time=begin,
        session_id=row.session.replace("_", "-"),
        lab=about.lab,
        institution=about.institution,
        experimenter=about.experimenter or None,
        experiment_description=about.experiment or manifest["protocol"]["source"].split('"""')[1].strip(),
        keywords=about.keywords or ["motor learning", "lever press", "head-fixed mouse"],
        protocol=row.protocol,
        source_script=manifest["protocol"]["source"],
        source_script_file_name=Path(manifest["protocol"]["file"]).name,
        notes=msgspec.json.encode(
            {"zero_board_us": of.begin_us, "params": row.params, "seed": row.seed, "ended": row.ended}
        ).decode(),
    )
    _add_subject(nwb, of)
    _add_devices(nwb, of)
    _add_lever(nwb, of)
    _add_events(nwb, of)
    _add_trials(nwb, of)
    add_light(nwb, of.session, of.entry, about.light, of.seconds)
    return nwb


def _add_subject(nwb: Any, of: Subject) -> None:
    from pynwb.file import Subject as Animal  # noqa: PLC0415

    row, known = of.entry.session, of.about.animal(of.entry.session.subject)
    weight_g = of.session.manifest.get("weight_g")
    birth = known.date_of_birth
    nwb.subject = Animal(
        subject_id=row.subject,
        species=known.species,
        sex=known.sex,
        date_of_birth=datetime.combine(birth, time(), UTC) if birth else None,
        strain=known.strain,
        genotype=known.genotype,
        description=known.description or f"animal {row.subject}",
        weight=f"{weight_g / 1000:.4f} kg" if weight_g else None,
    )


def _add_devices(nwb: Any, of: Subject) -> None:
    manifest = of.session.manifest
    row = of.entry.session
    nwb.create_device(
        name="rig",
        description=f"rig controller {row.program} on {row.rig} ({row.body}); firmware {manifest['firmware']},"
        f" wire {manifest['wire']}; clock: {manifest.get('timing', {}).get('clock', 'board')}",
    )
    lever = manifest["config"]["lever"]
    nwb.create_device(name="lever", description=f"{lever['source']}, {lever['mm_per_count']} mm at the paw a count")


def _add_lever(nwb: Any, of: Subject) -> None:
    """Counts, with the factor that makes them mm: nothing is rounded. Evenly sampled wherever no sample is missing."""
    from hdmf.backends.hdf5.h5_utils import H5DataIO  # noqa: PLC0415
    from pynwb.behavior import SpatialSeries  # noqa: PLC0415

    columns, rule = of.session.columns, of.session.manifest["config"]["lever"]
    if not len(columns.rows("lever")):
        return
    lever, hz = columns.lever, float(rule["sample_hz"])
    begin_us, even = even_trace(lever, round(1e6 / hz))
    whole = len(even) == len(lever.counts) and bool((np.diff(lever.t_us) == round(1e6 / hz)).all())
    when = (
        {"rate": hz, "starting_time": (begin_us - of.begin_us) / 1e6}
        if whole
        else {"timestamps": H5DataIO((lever.t_us - of.begin_us) / 1e6, compression="gzip")}
    )
    nwb.add_acquisition(
        SpatialSeries(
            name="lever",
            description="lever at the paw, as if it had never been zeroed; data are counts, conversion makes them mm",
            data=H5DataIO(lever.counts.astype(np.int32), compression="gzip"),
            conversion=float(rule["mm_per_count"]) * (-1 if rule["invert"] else 1),
            unit="millimeters",
            reference_frame="where it stood when the board was switched on; a push is positive",
            **when,
        )
    )


def _add_events(nwb: Any, of: Subject) -> None:
    """One table a kind of event; numbers and board_us as the journal has them."""
    from pynwb.event import EventsTable  # noqa: PLC0415

    words = {
        "number": "the event's number by the board",
        "board_us": "its time by the board's clock, µs",
        "host_ns": "when the computer had it, ns by its own clock",
        "trial": "the trial it falls into; 0: before the first",
    }
    for name, table in event_tables(of.session.columns).items():
        times = {"timestamp": of.seconds(table["board_us"])}
        columns = {key: table[key] for key in TIMES} | {k: v for k, v in table.items() if k not in TIMES}
        nwb.add_events_table(
            EventsTable(
                name=name,
                description=_MEANT[name],
                source_description="the board's own events, stamped by its clock",
                columns=_columns(times | columns, words | {"timestamp": "s since the file's zero"}, events=True),
            )
        )


def _columns(table: dict[str, Any], words: dict[str, str], *, events: bool = False) -> list[Any]:
    from hdmf.common import VectorData  # noqa: PLC0415
    from pynwb.event import TimestampVectorData  # noqa: PLC0415

    made = []
    for key, values in table.items():
        data = list(values) if np.asarray(values).dtype.kind == "O" else values
        kind = TimestampVectorData if events and key == "timestamp" else VectorData
        made.append(kind(name=key, description=words.get(key, key.replace("_", " ")), data=data))
    return made


def _add_trials(nwb: Any, of: Subject) -> None:
    from pynwb.epoch import TimeIntervals  # noqa: PLC0415

    entry = of.entry
    if not entry.trials:
        return
    told = trial_columns(entry)
    table: dict[str, Any] = {
        "start_time": of.seconds(told.pop("begin_us")),
        "stop_time": of.seconds(_ends_us(of)),
        "trial": np.array(told.pop("trial")),
        "cue_time": of.seconds(told.pop("cue_us")),
        "reward_time": of.seconds(told.pop("reward_us")),
    }
    del told["end_us"], told["info"]  # the end of the wait, which the events tell; and what is spread out below
    told |= {f"info_{key}": [trial.info.get(key) for trial in entry.trials] for key in _info_keys(entry)}
    table |= {key: _trial_column(key, values) for key, values in told.items()}
    words = _TRIAL_WORDS | {"start_time": "when it began, s", "stop_time": "when it ended, s"}
    description = "every trial; what the lever showed is NaN where it was not measured"
    nwb.trials = TimeIntervals(name="trials", description=description, columns=_columns(table, words))


def _info_keys(entry: Entry) -> list[str]:
    """What the protocol noted of its trials, but for what has a column of its own."""
    return [key for key in dict.fromkeys(k for t in entry.trials for k in t.info) if key not in ("light", "catch")]


def _trial_column(key: str, values: list[Any]) -> NDArray[Any]:
    if all(isinstance(value, bool) for value in values) or (key in _YES_NO and None not in values):
        return np.array(values, np.bool_)
    if any(isinstance(value, str | list | dict) for value in values):
        plain = [value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values]
        return np.array(["" if value is None else text for value, text in zip(values, plain, strict=True)], object)
    return np.array([np.nan if value is None else float(value) for value in values])


def _ends_us(of: Subject) -> list[int]:
    """When each trial ended: at its own end, or where the record breaks off."""
    columns = of.session.columns
    begins = columns.rows("trial_begin")
    ends = columns.board_us[columns.rows("trial_end")]
    last = int(columns.board_us[columns.events].max())
    after = np.searchsorted(ends, columns.board_us[begins], "right")
    return [int(ends[i]) if i < len(ends) else last for i in after.tolist()]
