"""Journals into the archive: one after a session, all that are missing, or everything anew.

Floor 2. A session that cannot be archived now is safe in its journal, and the next ``sync`` finds it: by day or by
week, from a rig that was off the network, or after a kill at any moment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from rig.archive import Archive, folder_below
from rig.config import Config
from rig.config.file import beside
from rig.errors import RigError
from rig.record.derived import MEASURES, derive, entry_or_why
from rig.record.entry import MEASURES_VERSION, Entry
from rig.record.folder import JOURNAL, sessions

FILE = "archive.sqlite"
BATCH = 32  # sessions in one transaction of a rebuild


@dataclass
class Synced:
    """What a sync did."""

    new: int = 0
    grown: int = 0
    known: int = 0
    copies: list[str] = field(default_factory=list)  # folders that hold a session which is archived from elsewhere
    damaged: list[str] = field(default_factory=list)  # folders whose journal is torn, or was changed
    failed: list[str] = field(default_factory=list)  # one line each
    gone: list[str] = field(default_factory=list)  # archived from here, and here no longer


def open_archive(config: Config, config_path: Path | str = "config.yaml") -> Archive | None:
    """The archive of this rig, or None where config.yaml says none."""
    if config.archive is None:
        return None
    if config.archive == "auto":
        data = beside(config_path, config.data)
        data.mkdir(parents=True, exist_ok=True)
        return Archive(f"sqlite:///{data / FILE}")
    url = make_url(config.archive) if config.archive.startswith("sqlite:") else None
    if url is not None and url.database:
        return Archive(f"sqlite:///{beside(config_path, url.database)}")
    return Archive(config.archive)


def archive_session(config: Config, config_path: Path | str, folder: Path) -> str:
    """Archive the session just run. Returns what to tell the person, in one line; it raises nothing it foresees."""
    data = beside(config_path, config.data)
    try:
        entry = derive(folder)
        archive = open_archive(config, config_path)
        if archive is None:
            return ""
        with archive:
            archive.add(entry, folder_below(folder, data))
    except RigError as error:
        return f"not archived yet: {error}"
    return ""


# --- many -------------------------------------------------------------------------------------------------------------


def sync(
    archive: Archive,
    data: Path,
    *,
    workers: int | None = None,
    parquet: bool = True,
    told: Callable[[int, int], None] | None = None,
) -> Synced:
    """Bring every session below ``data`` into the archive that it does not hold yet, or holds less of.

    ``told``: called with how many are done and how many there are.
    """
    synced = Synced()
    held = {row["folder"]: row for row in archive.known().values()}
    folders = sessions(data)
    todo = [folder for folder in folders if not _up_to_date(folder, held.get(folder_below(folder, data)))]
    synced.known = len(folders) - len(todo)
    here = {folder_below(folder, data) for folder in folders}
    synced.gone = sorted(name for name in held if name not in here)
    for done, (folder, entry) in enumerate(_prepared(todo, workers, parquet=parquet), 1):
        name = folder_below(folder, data)
        if isinstance(entry, str):
            synced.failed.append(entry)
        else:
            synced.damaged += [name] * (entry.session.damaged > 0)
            _count(synced, archive.add(entry, name), name)
        if told:
            told(done, len(todo))
    return synced


def rebuild(
    archive: Archive,
    data: Path,
    *,
    workers: int | None = None,
    anew: bool = False,
    told: Callable[[int, int], None] | None = None,
) -> Synced:
    """Make the rows of every session below ``data`` anew from its journal. Sessions of other rigs stay.

    Measures are taken from beside the journal where they were made from its very bytes; ``anew``: they are not.
    """
    synced = Synced()
    folders = sessions(data)
    if anew:
        for folder in folders:
            (folder / MEASURES).unlink(missing_ok=True)
    most: dict[str, int] = {}  # bytes of the fullest journal met so far, by session
    waiting: dict[str, tuple[Entry, str]] = {}
    for done, (folder, entry) in enumerate(_prepared(folders, workers, parquet=False), 1):
        name = folder_below(folder, data)
        if not isinstance(entry, str):
            synced.damaged += [name] * (entry.session.damaged > 0)
        if isinstance(entry, str):
            synced.failed.append(entry)
        elif entry.session.journal_bytes > most.get(entry.session.uid, 0):
            synced.new += entry.session.uid not in most
            most[entry.session.uid] = entry.session.journal_bytes
            waiting[entry.session.uid] = (entry, name)
        else:
            synced.copies.append(name)
        if len(waiting) >= BATCH or done == len(folders):
            archive.replace(list(waiting.values()))
            waiting = {}
        if told:
            told(done, len(folders))
    return synced


def _count(synced: Synced, said: str, name: str) -> None:
    if said == "known":
        synced.copies.append(name)
    else:
        setattr(synced, said, getattr(synced, said) + 1)


def _up_to_date(folder: Path, held: Mapping[str, Any] | None) -> bool:
    if held is None or held["journal_bytes"] != (folder / JOURNAL).stat().st_size:
        return False
    return held["version"] == MEASURES_VERSION or bool(held["why"])


def call_workers() -> None:
    """Let them begin to load what they need, which takes as long as opening an archive: numpy and all that, once."""
    forkserver.set_forkserver_preload([entry_or_why.__module__])
    forkserver.ensure_running()


def _prepared(folders: Sequence[Path], workers: int | None, *, parquet: bool) -> Iterator[tuple[Path, Entry | str]]:
    """Entries in the order of the folders, made by several processes where it pays; a string says why there is none."""
    jobs = [(folder, parquet, after) for folder, after in zip_longest(folders, folders[1:])]
    workers = workers or os.cpu_count() or 1
    if len(jobs) < 4 or workers == 1:
        yield from zip(folders, map(entry_or_why, jobs), strict=True)
        return
    call_workers()
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        yield from zip(folders, pool.map(entry_or_why, jobs, chunksize=2), strict=True)


def clashes(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Different sessions that go by one name, as two rigs may give it that never met."""
    seen: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        seen.setdefault((row["subject"], row["session"]), []).append(row)
    return [
        f"{subject} {session}: {len(same)} different sessions go by this name ({', '.join(r['rig'] for r in same)})"
        for (subject, session), same in seen.items()
        if len(same) > 1
    ]
