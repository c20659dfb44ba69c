"""Sessions for others to read: NWB, Parquet, CSV. All of it can be made again from the journals.

Floor 1: reads session folders, writes below the folder it is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rig.errors import RecordError
from rig.export.about import About
from rig.record.derived import EVENTS, LEVER, TRIALS, derive, read_session, session_entry_of

FORMATS = ("nwb", "parquet", "csv")


def export_session(folder: Path, out: Path, form: str, about: About | None = None) -> list[Path]:
    """Write one session below ``out``; returns the files. Raises RecordError, and ConfigError for a missing pynwb."""
    if form == "nwb":
        from rig.export.nwb import write_nwb  # noqa: PLC0415 (pynwb is an extra)

        session = read_session(folder)
        entry = session_entry_of(folder, session)
        path = out / nwb_name(entry.session.subject, entry.session.session, light=entry.session.n_light > 0)
        write_nwb(session, entry, path, about or About())
        return [path]
    entry = derive(folder)
    place = out / entry.session.subject / entry.session.session
    return [_table(folder / name, place, form) for name in (LEVER, EVENTS, TRIALS) if (folder / name).exists()]


def nwb_name(subject: str, session: str, *, light: bool) -> Path:
    """As the DANDI archive names files."""
    kind = "behavior+ogen" if light else "behavior"
    return Path(f"sub-{subject}") / f"sub-{subject}_ses-{session.replace('_', '-')}_{kind}.nwb"


def export_index(rows: Iterable[dict[str, Any]], out: Path, form: str) -> Path:
    """One row a session (:class:`rig.record.entry.SessionRow`) as ``sessions.parquet`` or ``sessions.csv``."""
    import pyarrow as pa  # noqa: PLC0415

    table = pa.Table.from_pylist([{key: value for key, value in row.items() if key != "params"} for row in rows])
    return _write(table, out / f"sessions.{form}", form)


def _table(source: Path, place: Path, form: str) -> Path:
    from pyarrow import parquet  # noqa: PLC0415

    return _write(parquet.read_table(source), place / source.with_suffix(f".{form}").name, form)


def _write(table: Any, path: Path, form: str) -> Path:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv, parquet  # noqa: PLC0415

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if form == "parquet":
            parquet.write_table(table, path)
        else:
            plain = [
                field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in table.schema
            ]
            csv.write_csv(table.cast(pa.schema(zip(table.column_names, plain, strict=True))), path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path
