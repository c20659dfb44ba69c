"""Test a connected board, without an animal: hello, clock, link, round trips; outputs and interlock where asked.

examples:
  rig check                              the board of config.yaml; moves no pin
  rig check --outputs                    each output for 0.2 s in turn, asking you each time (disconnect the laser)
  rig check --jumper scan_start:lick     a wire from that output to that input: how long the loop takes
  rig check --body simulator             what it looks like
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import numpy as np

from rig import wire
from rig.board import Board, Hello
from rig.config import Config
from rig.config.file import load_config
from rig.doors.run import _with_body
from rig.errors import BoardError
from rig.link import Link
from rig.session.setup import board_setup, check_board, open_link

PULSE_US = 200_000
LOOPS = 20
_EVENTS_NS = 2_000_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
    add("--body", choices=("simulator", "pty", "emulator", "serial"), help="instead of the one in config.yaml")
    add("--seconds", type=float, default=3.0, help="how long to listen to clock and link (default: 3)")
    add("--outputs", action="store_true", help="pulse every output in turn")
    add("--yes", action="store_true", help="do not ask after each output")
    add("--jumper", metavar="OUTPUT:INPUT", help="a wire joins these: measure the loop")
    add("--interlock", action="store_true", help="ask for the interlock to be opened, and see that everything stops")


class Bench:
    """A board on its bench: set up as the rig's config.yaml says, one short trial at a time."""

    def __init__(self, config: Config, link: Link) -> None:
        self.config, self.link = config, link
        self.board = Board(link)
        self.hello: Hello = self.board.begin_anew()
        check_board(config, self.hello)
        self.told: list[wire.Decoded] = []
        self._trial = 0

    def listen(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Hear and acknowledge for so long, or until something has come."""
        end_ns = self.link.now_ns() + round(seconds * 1e9)
        while self.link.now_ns() < end_ns and not until():
            events = self.board.poll(_EVENTS_NS)
            self.told += [wire.decode(payload) for payload in events]
            if events:
                self.board.acknowledge()

    def setup(self) -> None:
        """Limits, inputs, samples, lock and arm. Raises BoardError where the board refuses."""
        for name, values in board_setup(self.config):
            self.board.send(name, values)
        self.listen(5.0, lambda: self.board.idle)
        self.listen(0.1)
        self._accepted()

    def _accepted(self) -> None:
        for event in self.told:
            if event.name == "applied" and event.fields["status"] != wire.Status.OK:
                name = wire.BY_NUMBER[int(str(event.fields["command"]))].name
                raise BoardError(f"the board refused {name}: {wire.Status(int(str(event.fields['status']))).name}")

    def pulse(self, output: int, width_us: int) -> list[wire.Decoded]:
        """One trial that has an output on for so long; what was told of it."""
        self._trial += 1
        begin = len(self.told)
        row = dict.fromkeys((name for name, _ in wire.STATE_FIELDS), 0)
        row |= {"outputs": 1 << output, "after_us": width_us, "after_to": wire.END}
        self.board.send("table_begin", {"trial": self._trial, "states": 1, "rules": 0, "generators": 0})
        self.board.send("table_state", {"index": 0, **row})
        self.board.send("table_commit", {})
        self.listen(2.0, lambda: any(e.name == "trial_end" for e in self.told[begin:]))
        self.listen(0.05)
        self._accepted()
        return self.told[begin:]


def clock_and_link(bench: Bench, seconds: float) -> Iterator[str]:
    """Hello, the clock's fit, the line's errors and round trips, a line each."""
    hello, board = bench.hello, bench.board
    kind = wire.BoardKind(hello.board).name.lower()
    yield f"hello: {kind}, life {hello.boot}, {hello.states} states, {hello.queue_bytes} bytes of events"
    bench.listen(seconds)
    trips_us = np.array(board.round_trips_ns) / 1000
    if len(trips_us) < 3:
        raise BoardError(f"the board answered {len(trips_us)} pings in {seconds:g} s: check the cable")
    p50, p99 = np.percentile(trips_us, (50, 99))
    yield f"round trip: {p50:.0f} us (p50), {p99:.0f} (p99), {trips_us.max():.0f} (worst) of {len(trips_us)}"
    yield f"clock: {board.clock.drift_ppm:+.1f} ppm against this computer, known to {board.clock.error_us():.0f} us"
    yield f"link: {board.damaged} damaged frames, {board.resends} sent again, {board.duplicates} told twice"


def outputs_in_turn(bench: Bench, ask: Callable[[str], str]) -> Iterator[str]:
    """Each output on for a moment."""
    for o, name in enumerate(wire.OUTPUTS[: bench.hello.outputs]):
        bench.pulse(o, min(PULSE_US, round(900 * bench.config.safety.outputs[name].max_on_ms)))
        answer = ask(f"{name} was on for a moment: did it act? [y/n] ")
        yield f"output {name}: {'confirmed' if answer.strip().lower().startswith('y') else 'NOT SEEN'}"


def loop(bench: Bench, jumper: str) -> str:
    """How long an output's edge takes to come back in over a wire, by the board's own stamps."""
    output, _, name = jumper.partition(":")
    if output not in wire.OUTPUTS or name not in wire.INPUTS:
        raise BoardError(f"--jumper {jumper}: expected OUTPUT:INPUT, such as scan_start:lick")
    bit, found = 1 << wire.INPUTS.index(name), []
    for _ in range(LOOPS):
        told = bench.pulse(wire.OUTPUTS.index(output), 5_000)
        on = next(e.board_us for e in told if e.name == "output")
        back = [e.board_us for e in told if e.name == "input" and int(str(e.fields["changed"])) & bit]
        if not back:
            raise BoardError(f"{name} did not follow {output}: is the wire there, and {name} in config.yaml's inputs?")
        found.append(back[0] - on & 0xFFFFFFFF)
    return f"loop {output} to {name}: {np.median(found):.0f} us (median), {max(found)} (worst) of {LOOPS}"


def interlock(bench: Bench, ask: Callable[[str], str]) -> str:
    """Open the interlock: every output must go off."""
    if not bench.config.safety.interlock:
        return "interlock: none in config.yaml"
    ask("open the interlock, then press Enter ")
    bench.listen(1.0)
    open_now = any(e.name == "fault" and e.fields["fault"] == wire.Fault.INTERLOCK for e in bench.told)
    return f"interlock: {'stops everything' if open_now else 'NOT SEEN: the board goes on'}"


def _asked(args: argparse.Namespace) -> Callable[[str], str]:
    def ask(question: str) -> str:
        if args.yes:
            return "y"
        print(question, end="", flush=True)
        return sys.stdin.readline()

    return ask


def run(args: argparse.Namespace) -> int:
    """The command."""
    config = load_config(args.config)
    if args.body:
        config = _with_body(config, args.body)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    link = open_link(config, animal="none", pace=None) if config.body != "serial" else open_link(config)
    try:
        bench = Bench(config, link)
        for line in clock_and_link(bench, args.seconds):
            say(line)
        if args.outputs or args.jumper or args.interlock:
            bench.setup()
        if args.outputs:
            for line in outputs_in_turn(bench, _asked(args)):
                say(line)
        if args.jumper:
            say(loop(bench, args.jumper))
        if args.interlock:
            say(interlock(bench, _asked(args)))
        bench.board.begin_anew()  # the limits were this check's, not a session's
    finally:
        link.close()
    return 1 if any("NOT SEEN" in line for line in lines) else 0
