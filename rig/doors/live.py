"""The live session in the terminal: trials, outcomes, lever, water, clock, link."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rig import wire
from rig.session.loop import Session
from rig.session.summary import Rules

REFRESH_S = 0.1
STRIP = 60
MARKS = {"rewarded": ("█", "green"), "missed": ("▂", "red")}
_LEVER = wire.BY_NAME["lever"]


class Live:
    """A view that looks at the session a few times a second. Without a terminal it says a line every ten seconds."""

    def __init__(self, args: argparse.Namespace, rules: Rules, folder: Path) -> None:
        self._title = f"{args.subject} · {args.protocol or ''} · {folder}"
        self._rules = rules
        self._console = Console(stderr=True)
        self._live = RichLive(console=self._console, auto_refresh=False, transient=True)
        self._next_s = 0.0
        self._every_s = REFRESH_S if self._console.is_terminal else 10.0

    def __enter__(self) -> Live:
        if self._console.is_terminal:
            self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.__exit__(None, None, None)

    def look(self, session: Session) -> None:
        """Called by the session, often."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._every_s
        if self._console.is_terminal:
            self._live.update(self._draw(session), refresh=True)
        elif session.summary.trials:
            print(f"{self._share(session):4.0%}  {session.summary.trials} trials", file=sys.stderr)

    def _share(self, session: Session) -> float:
        rules, shares = self._rules, [0.0]
        if rules.trials:
            shares.append(session.summary.trials / rules.trials)
        if rules.minutes:
            shares.append(session.minutes / rules.minutes)
        if rules.water_ul:
            shares.append(session.summary.water_ul / rules.water_ul)
        return min(1.0, max(shares))

    def _draw(self, session: Session) -> Group:
        summary, board = session.summary, session.board
        strip = Text()
        for result in session.trials.past.last(STRIP):
            mark, colour = MARKS.get(str(result.outcome), ("·", "yellow"))
            strip.append(mark, colour)
        grid = Table.grid(padding=(0, 2))
        rate = "" if summary.success_rate is None else f"{100 * summary.success_rate:.0f} % rewarded"
        grid.add_row("trial", f"{summary.trials + 1}  {session.trials.state}", rate)
        grid.add_row("outcomes", strip)
        grid.add_row("lever", _bar(lever_counts(session.last_lever)))
        grid.add_row("water", f"{summary.water_ul:.0f} µL", f"{session.minutes:.1f} min")
        round_trips = sorted(board.round_trips_ns)
        middle = f"{round_trips[len(round_trips) // 2] / 1e6:.2f} ms" if round_trips else "–"
        grid.add_row("clock", f"± {board.clock.error_us():.0f} µs", f"drift {board.clock.drift_ppm:+.1f} ppm")
        grid.add_row("link", f"round trip {middle}", f"{board.damaged} damaged, {summary.lost_events} lost")
        status = getattr(board.link, "status", None)
        if status:
            times = f"{status['loop_p50_us']:.0f} / {status['loop_p99_us']:.0f} / {status['loop_worst_us']:.0f} µs"
            grid.add_row("host loop", f"{times} (p50 / p99 / worst)", f"times ± {status['uncertainty_us']:.0f} µs")
            for warning in status["warnings"]:
                grid.add_row("warning", Text(warning, "yellow"))
        for watcher in session.watchers:
            if watcher.line:
                grid.add_row(watcher.name, watcher.line)
            if watcher.warning:
                grid.add_row("WARNING", Text(watcher.warning, "bold red"))
        return Group(Text(self._title, "bold"), ProgressBar(total=1.0, completed=self._share(session), width=72), grid)


def lever_counts(payload: bytes | None) -> int:
    """The newest position in a lever message."""
    if payload is None:
        return 0
    fields = wire.decode(payload).fields
    first, offsets = fields["first_counts"], fields["offsets"]
    return first + offsets[-1] if isinstance(first, int) and isinstance(offsets, tuple) and offsets else 0


def _bar(counts: int, width: int = 40, full: int = 800) -> Text:
    at = max(0, min(width - 1, int(width * counts / full)))
    return Text("─" * at + "●" + "─" * (width - 1 - at) + f" {counts:+d}")
