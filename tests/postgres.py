"""A PostgreSQL server of the tests' own: started once, on a socket in a folder of its own, and gone afterwards."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_numbers = itertools.count(1)


def _binaries() -> Path:
    """Where initdb and its kin are: Debian keeps them off the path, a folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    if path is None:
        pytest.fail("these tests need PostgreSQL's server: apt-get install postgresql (`make tests` does)")
    return Path(path).resolve().parent


def _unprivileged() -> dict[str, int]:
    """PostgreSQL refuses to run as root: then it runs as Debian's user for it, or as nobody."""
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name: user for user in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[str], str]]:
    """Runs an SQL command on the server and returns what it prints; ``server("")`` is the socket's folder."""
    binaries, who = _binaries(), _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="rigpg-", dir="/tmp"))  # a socket's path must be short
    if who:
        os.chown(folder, who["user"], who["group"])

    def call(program: str, *words: str) -> str:
        command = [str(binaries / program), *words]
        done = subprocess.run(command, **who, cwd=folder, capture_output=True, text=True, check=False)  # type: ignore[call-overload]
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return str(done.stdout)

    try:
        call("initdb", "-D", str(folder / "db"), "-U", "rig", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        call("pg_ctl", "-D", str(folder / "db"), "-w", "-o", options, "-l", str(folder / "log"), "start")
        yield (
            lambda sql: (
                call("psql", "-h", str(folder), "-U", "rig", "-d", "postgres", "-c", sql) if sql else str(folder)
            )
        )
    finally:
        subprocess.run(
            [str(binaries / "pg_ctl"), "-D", str(folder / "db"), "-m", "immediate", "stop"],
            **who,  # type: ignore[call-overload]
            cwd="/",
            capture_output=True,
            check=False,
        )
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: Callable[[str], str]) -> str:
    """An empty database's URL."""
    name = f"rig_{os.getpid()}_{next(_numbers)}"
    postgres_server(f"CREATE DATABASE {name}")
    return f"postgresql://rig@/{name}?host={postgres_server('')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty archive's URL, once for each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'archive.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))
