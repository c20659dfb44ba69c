"""Events for other computers: the session's side, which only rings a bell.

The journal is what is streamed. :mod:`rig.stream.tell` publishes its records as they are written, and
:mod:`rig.stream.answer` gives those that somebody missed; both are processes of their own, begun when the first
listener knocks. So a session without listeners pays a look at one byte, and one with listeners a byte into a pipe,
however many there are and whatever they do. May not: know what a record says, or wait.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from rig.stream.address import answers_at, claim, split_address
from rig.stream.job import BY_BELL, MOST_S, NOT_AT_ALL, Job, Page

LINGER_S = 10.0  # when a session ends, listeners that come no nearer are waited for so long
TOLD_S = 10.0  # and after that the last live messages
AGAIN_S = 0.3  # before a process that ended by itself is begun anew
SIMULATED_NS = 1_000_000  # clocks further apart than this are not the same clock
EAGER_CORES = 4  # of so many, one may be kept busy with waiting: session, view and both ends of a listener have theirs
_ROLES = ("tell", "answer")


class Publisher:
    """The stream of one session. Call :meth:`committed` whenever the journal has grown.

    Args:
        address: tcp://host:port, or None for no stream; the port after it answers. A port of * takes any two.
        session: <subject>/<date>_<n>.
        data: the rig's data folder, where ``session`` lies.
        keys: the folder of CURVE keys, or None (for this computer alone).
        now_ns: the session's host clock.
        eager: keep a core of this computer busy with waiting, so that events leave some 0.1 ms sooner.
    """

    def __init__(
        self,
        address: str | None,
        session: str,
        data: Path,
        keys: Path | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
        linger_s: float = LINGER_S,
        eager: bool = False,
    ) -> None:
        self.address: str | None = None
        self.status: dict[str, dict[str, Any]] = {}
        self._flags: Any = bytearray(1)
        self._simulated = False
        self._bell = -1
        if address is None:
            return
        host, port = split_address(address)
        self._listening = claim(host, port)
        self.address = f"tcp://{host}:{self._listening[0].getsockname()[1]}"
        self._page = Page.make()
        self._flags = self._page.flags
        self._simulated = abs(time.monotonic_ns() - now_ns()) > SIMULATED_NS
        log = str(data / session / "stream.log")
        self._jobs = [
            Job(
                session,
                str(data),
                address=where,
                handle=one.fileno() if os.name == "posix" else None,
                page=str(self._page.path),
                keys=str(keys) if keys else None,
                log=log,
                eager=eager,
                linger_s=linger_s,
            )
            for one, where in zip(self._listening, (self.address, answers_at(self.address)), strict=True)
        ]
        self._children: list[subprocess.Popen[bytes] | None] = [None, None]
        self._end, self._end_there = os.pipe()
        self._keeper = threading.Thread(target=self._keep, name="stream", daemon=True)
        self._keeper.start()

    def coming(self) -> None:
        """Something has come and will be in the journal in a moment: whoever sleeps may begin to wake up."""
        if self._flags[0] == BY_BELL:
            self._ring()

    def committed(self, host_ns: int) -> None:
        """The journal has new records; ``host_ns`` is the session's host clock now."""
        if how := self._flags[0]:
            self._call(how, host_ns)

    def _call(self, how: int, host_ns: int) -> None:
        if self._simulated:
            self._page.offset_ns = time.monotonic_ns() - host_ns
        if how == BY_BELL:
            self._ring()
        else:
            self._flags[0] = NOT_AT_ALL

    def _ring(self) -> None:
        self._flags[0] = NOT_AT_ALL
        with contextlib.suppress(OSError):  # the process has just ended; the keeper begins another
            os.write(self._bell, b"!")  # never full: it is rung once each time somebody asks for it

    # --- the processes -----------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        """A thread that sleeps until the first listener knocks, then keeps two processes alive."""
        if os.name == "posix" and self._end in _readable([*self._listening, self._end]):
            return
        while True:
            for i, child in enumerate(self._children):
                if child is None or child.poll() is not None:
                    self._begin(i)
            said = [child.stdout for child in self._children if child is not None]
            if self._end in _readable([*said, self._end]):
                return
            time.sleep(AGAIN_S)  # one of them ended: not faster than this

    def _begin(self, i: int) -> None:
        job = self._jobs[i]
        self._page.wanted = NOT_AT_ALL
        with (Path(job.data) / job.session / "stream.log").open("ab") as errors:
            child = subprocess.Popen(
                [sys.executable, "-m", f"rig.stream.{_ROLES[i]}", job.words()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=() if job.handle is None else (job.handle,),
            )
        before, self._children[i] = self._children[i], child
        if before is not None:
            _let_go(before)
        if i == 0 and child.stdin:
            self._bell = child.stdin.fileno()

    # --- the end -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """The session is over: give its listeners time to fetch what they lack, then end."""
        if self.address is None:
            return
        self.address = None
        self._page.ended = True
        os.write(self._end_there, b"!")
        self._keeper.join()
        self._flags = bytearray(1)
        self._ring()
        tell, answer = self._children
        until_s = time.monotonic() + MOST_S + 3
        while answer is not None:
            self.status["answer"] = _farewell(answer, until_s - time.monotonic(), wait_first=True)
            if self.status["answer"] or time.monotonic() > until_s:
                break
            self._begin(1)  # it died, and somebody may lack something still
            answer = self._children[1]
        if tell is not None:
            self.status["tell"] = _farewell(tell, TOLD_S, wait_first=False)
        for one in self._listening:
            one.close()
        os.close(self._end)
        os.close(self._end_there)
        self._page.close(remove=True)

    def words(self) -> str:
        """How the stream went, in one line; empty where nobody listened."""
        answer = self.status.get("answer", {})
        listeners, count = answer.get("listeners", []), answer.get("count", 0)
        whole = sum(one["have"] >= count for one in listeners)
        refused = sum(n for status in self.status.values() for n in status.get("refused", {}).values())
        if not self.status:
            return ""
        return f"stream: {whole} of {len(listeners)} listeners hold all {count} records; {refused} refused (stream.log)"


def open_publisher(
    address: str | None,
    session: str,
    data: Path,
    keys: Path | None = None,
    now_ns: Callable[[], int] = time.monotonic_ns,
    eager: Literal["auto"] | bool = False,
) -> Publisher:
    """The stream of a session. Raises ConfigError where the address is taken or the keys are missing."""
    if keys is not None and address is not None:
        from rig.stream.keys import read_pair  # noqa: PLC0415 - ZMQ is not loaded where it is not needed

        read_pair(keys)
    return Publisher(address, session, data, keys, now_ns, eager=is_eager(eager))


def is_eager(wish: Literal["auto"] | bool) -> bool:
    """``stream_eager`` of config.yaml, on this computer: what cores this very process may use counts, not how many
    there are."""
    if wish != "auto":
        return wish
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores >= EAGER_CORES


def _readable(sources: list[Any]) -> list[Any]:
    """Wait for one of them. Windows cannot wait for pipes: there, processes that end are not begun anew."""
    return select.select(sources, [], [])[0] if os.name == "posix" else sources


def _farewell(child: subprocess.Popen[bytes], patience_s: float, *, wait_first: bool) -> dict[str, Any]:
    """Let a process end by itself (``answer``) or when told (``tell``); its last words."""
    if not wait_first and child.stdin:
        child.stdin.close()
    try:
        child.wait(max(0.0, patience_s))
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    said = child.stdout.read() if child.stdout else b""
    _let_go(child)
    try:
        found = json.loads(said.splitlines()[-1])
    except (IndexError, ValueError):
        return {}
    return dict(found)


def _let_go(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe:
            pipe.close()
