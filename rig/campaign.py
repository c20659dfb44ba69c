"""A whole study, rehearsed: every session of every mouse on every day, run by the code that runs a real one.

Floor 2. A session depends on the study's seed, its mouse and its day and on nothing else, so they run in any order, in
processes of this computer or on a Dask cluster, and the records are the same to the byte. Prints nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rig.config import Config, from_plain
from rig.errors import ConfigError, RigError
from rig.plan import Calendar, Light, Plan
from rig.plan.draw import derived_seed
from rig.plan.make import PlanSpec, make_plan
from rig.plan.today import Today
from rig.record.derived import derive
from rig.record.entry import Entry
from rig.session.launch import Order, intend, launched
from rig.session.summary import Rules
from rig.subject.history import History

START = date(2025, 3, 3)  # day 1 of a simulated study, if nothing else is said: a Monday
HOUR = time(12, tzinfo=UTC)
SCRATCH = ".running"
BATCH_SAMPLES = 20  # nobody watches a rehearsal live: full messages, the same samples, an eighth less to do


@dataclass(frozen=True)
class Study:
    """What is rehearsed.

    Args:
        config: of the rig; its body must be the simulator.
        light_days: days with light, 1 is the first.
        light_effect: the share of an expert's skill that light takes away; none of it through a blocked window, or from
            an animal of a group called "control".
        given: a light plan of the study's own; its animals and days are then the study's.
    """

    config: Config
    mice: int = 8
    days: int = 16
    seed: int = 1
    light_days: tuple[int, ...] = ()
    protocol: str | None = None
    changes: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = Rules(minutes=30)
    start: date = START
    light_effect: float = 0.75
    light: Light = Light()
    given: Plan | None = None

    def subject(self, number: int) -> str:
        """The name of a mouse, 1 being the first: M01."""
        if self.given:
            return list(self.given.animals)[number - 1]
        return f"M{number:0{max(2, len(str(self.mice)))}d}"

    def plan(self) -> Plan | None:
        """The light plan: as given, or light for every mouse on the light days, on the usual share of trials."""
        if self.given:
            return self.given
        if not self.light_days:
            return None
        subjects = tuple(self.subject(number) for number in range(1, self.mice + 1))
        return make_plan(
            PlanSpec(
                subjects,
                {"opsin": subjects},
                study=f"simulated {self.seed}",
                days=self.days,
                light_days=self.light_days,
                windows=(),
                rules=self.light,
                calendar=Calendar(self.start),
            ),
            self.seed,
        )

    def jobs(self) -> list[Job]:
        """Every session, in the order of days."""
        self.check()
        return [Job(self, number, day) for day in range(1, self.days + 1) for number in range(1, self.mice + 1)]

    def plain(self) -> dict[str, Any]:
        """What the study is, as JSON can hold it: two that say the same hold the same records."""
        return {
            "mice": self.mice,
            "days": self.days,
            "seed": self.seed,
            "light_days": list(self.light_days),
            "protocol": self.protocol,
            "changes": dict(self.changes),
            "rules": asdict(self.rules),
            "start": self.start.isoformat(),
            "light_effect": self.light_effect,
            "light": asdict(self.light),
            **({"plan": self.given.digest} if self.given else {}),
            "config": self.config.digest(),
        }

    def check(self) -> None:
        """Raises ConfigError for a study that cannot be."""
        if self.given and (len(self.given.animals), self.given.days) != (self.mice, self.days):
            has = f"{len(self.given.animals)} animals and {self.given.days} days"
            raise ConfigError(f"the plan has {has}: leave out --mice and --days")
        if self.config.body != "simulator":
            raise ConfigError(f"config.yaml: body is {self.config.body}: a study is rehearsed on body: simulator")
        for name, value in (("mice", self.mice), ("days", self.days)):
            if not 1 <= value <= 999:
                raise ConfigError(f"--{name} {value}: expected 1 to 999")
        for day in self.light_days:
            if not 1 <= day <= self.days:
                raise ConfigError(f"--light-days: {day} is not one of the days 1 to {self.days}")


@dataclass(frozen=True)
class Job:
    """One session of a study."""

    study: Study
    number: int
    day: int

    @property
    def subject(self) -> str:
        """Who."""
        return self.study.subject(self.number)

    @property
    def date(self) -> date:
        """When."""
        if self.study.given and self.study.given.calendar:
            return self.study.given.dates(self.subject)[self.day - 1]
        return self.study.start + timedelta(days=self.day - 1)

    @property
    def folder(self) -> Path:
        """Where, below the study's folder."""
        return Path(self.subject) / f"{self.date.isoformat()}_1"

    def light_effect(self) -> float:
        """What light does to this animal today: nothing where it cannot reach the opsin, or there is none."""
        given = self.study.given
        if given:
            animal = given.animals[self.subject]
            light = animal.light.get(self.day)
            if animal.group == "control" or (light and light.window == "blocked"):
                return 0.0
        return self.study.light_effect

    def order(self, place: Path) -> Order:
        """What is asked of the session, recorded below ``place``. The record itself does not say where that is."""
        study = self.study
        plan = study.plan()
        plain = study.config.plain() | {"stream": None, "stream_keys": None, "data": ".", "archive": None, "plan": None}
        plain["lever"]["batch_samples"] = BATCH_SAMPLES
        return Order(
            from_plain(plain),
            place / "config.yaml",
            subject=self.subject,
            protocol=study.protocol,
            changes=dict(study.changes),
            rules=study.rules,
            seed=derived_seed(study.seed, "session", self.number, self.day) % (1 << 31),
            animal=f"mouse:study={study.seed},number={self.number},day={self.day},light={self.light_effect():g}",
            began=datetime.combine(self.date, HOUR),
            no_plan=plan is None,
            plan=plan,
            past=History(self.subject),  # sessions are run in any order: what came before does not matter
            today=Today(plan.row(self.subject, self.day)) if plan else None,
        )


def run_job(job: Job, place: Path) -> Entry:
    """Run a session, derive its files, and only then let it appear below ``place``."""
    scratch = place / SCRATCH / f"{job.subject}-{job.day}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    with launched(intend(job.order(scratch))) as session:
        session.summary.session = job.folder.name  # not where it lies: the record is the same wherever it was made
        session.run()
    entry = derive(scratch / job.folder)
    final = place / job.folder
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(scratch / job.folder, final)
    shutil.rmtree(scratch, ignore_errors=True)
    return entry


def run_apart(job: Job) -> tuple[Entry, dict[str, bytes]]:
    """The same where this computer's folders cannot be reached: the files come back as bytes."""
    with tempfile.TemporaryDirectory(prefix="rig-") as scratch:
        entry = run_job(job, Path(scratch))
        folder = Path(scratch) / job.folder
        return entry, {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def run_study(
    study: Study,
    place: Path,
    *,
    workers: int | None = None,
    dask: str | None = None,
    done: Callable[[Job, Entry], None] | None = None,
) -> int:
    """Run every session that is not there yet. Returns how many were run; ``done`` is called after each.

    Raises RigError with the session's name where one fails.
    """
    jobs = [job for job in study.jobs() if not (place / job.folder).exists()]
    place.mkdir(parents=True, exist_ok=True)
    runner = _on_dask(dask, place) if dask else _here(workers, place)
    with runner as submit:
        for job, entry in _as_done(jobs, submit):
            if done:
                done(job, entry)
    shutil.rmtree(place / SCRATCH, ignore_errors=True)
    return len(jobs)


Submit = Callable[[Job], "Future[Any]"]


def _as_done(jobs: list[Job], submit: Submit) -> Iterator[tuple[Job, Entry]]:
    """Results as they come, a bounded number of sessions under way."""
    waiting, under_way = jobs[::-1], dict[Any, Job]()
    while waiting or under_way:
        while waiting and len(under_way) < 4 * (os.cpu_count() or 1):
            job = waiting.pop()
            under_way[submit(job)] = job
        finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in finished:
            job = under_way.pop(future)
            try:
                yield job, future.result()
            except RigError as error:
                raise type(error)(f"{job.subject} day {job.day}: {error}") from error


@contextmanager
def _here(workers: int | None, place: Path) -> Iterator[Submit]:
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("forkserver")) as pool:
        try:
            yield partial(_submit, pool, place)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _submit(pool: Executor, place: Path, job: Job) -> Future[Entry]:
    return pool.submit(run_job, job, place)


@contextmanager
def _on_dask(address: str, place: Path) -> Iterator[Submit]:
    """Sessions on a Dask cluster; their files are written here as they come back."""
    try:
        from distributed import Client  # noqa: PLC0415
    except ImportError:
        raise ConfigError("--dask: needs Dask; run: pip install 'rig[dask]'") from None
    connect: Any = Client  # distributed has no types
    try:
        client = connect(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(f"--dask {address}: no scheduler answers ({error})") from None
    with client, client.get_executor(pure=False, retries=2) as pool:

        def submit(job: Job) -> Future[Entry]:
            return _then(pool.submit(run_apart, job), partial(_place_files, place / job.folder))

        yield submit


def _then(before: Future[Any], act: Callable[[Any], Entry]) -> Future[Entry]:
    """A future of what ``act`` makes of another one's result."""
    after: Future[Entry] = Future()

    def act_on(future: Future[Any]) -> None:
        try:
            after.set_result(act(future.result()))
        except BaseException as error:  # whatever it is, it belongs to whoever waits
            after.set_exception(error)

    before.add_done_callback(act_on)
    return after


def _place_files(folder: Path, result: tuple[Entry, dict[str, bytes]]) -> Entry:
    entry, files = result
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name, data in files.items():
        (scratch / name).write_bytes(data)
    os.replace(scratch, folder)
    return entry
