"""Random trials for the trial machine: tables that make sense, and a mouse, a host and a clock to go with them.

Everything is drawn from one ``random.Random``: a seed gives a long scenario for a long run, and hypothesis' own
``randoms()`` gives short ones that it can shrink. Sizes are chosen so that decisions really occur; test_core.py counts
them. May not: run anything.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bodies import Command, Edge, Happening, Heard, Input, command

from rig import wire
from rig.wire import Decision, Generator, InputEdge, Rule

Row = dict[str, int]
WRAP = 1 << 32


@dataclass(frozen=True)
class Scenario:
    """What happens to one board from its start to ``end_us`` (unwrapped)."""

    start_us: int
    happenings: list[Happening]
    end_us: int


@dataclass
class Table:
    """Rows as the wire wants them, without their index."""

    trial: int
    states: list[Row]
    rules: list[Row] = field(default_factory=list)
    generators: list[Row] = field(default_factory=list)

    def commands(self, t_us: int, commit: bool = True) -> list[Command]:
        counts = {"states": len(self.states), "rules": len(self.rules), "generators": len(self.generators)}
        made = [command(t_us, "table_begin", trial=self.trial, **counts)]
        for kind, rows in (("state", self.states), ("rule", self.rules), ("generator", self.generators)):
            made += [command(t_us, f"table_{kind}", index=i, **row) for i, row in enumerate(rows)]
        return [*made, command(t_us, "table_commit")] if commit else made


def state(when: list[tuple[int, int]] | None = None, **fields: int) -> Row:
    """A state's row; what is not said is off, and it ends the trial by its timer."""
    row = dict.fromkeys((name for name, _ in wire.STATE_FIELDS), 0) | {"after_to": wire.END} | fields
    for i, (on, to) in enumerate(when or []):
        row[f"on{i}"], row[f"to{i}"] = on, to
    return row


def rule(kind: Rule, lo: int, hi: int, **fields: int) -> Row:
    base = {"gate": wire.NO_INPUT, "hysteresis_counts": 0, "time_us": 0, "refractory_us": 0}
    return {"kind": int(kind), "lo_counts": lo, "hi_counts": hi, **base, **fields}


def generator(kind: Generator, **fields: int) -> Row:
    base = dict.fromkeys((name for name, _ in wire.GENERATOR_FIELDS), 0)
    return base | {"kind": int(kind), "level": 255, "width_us": 1000} | fields


def on_rule(r: int, decision: Decision) -> int:
    return wire.ON_RULE + 4 * r + decision


def on_input(i: int, edge: InputEdge) -> int:
    return wire.ON_INPUT + 4 * i + edge


@dataclass
class Maker:
    """Draws scenarios. ``grid_us``: all times are multiples of it, so that things meet on one microsecond."""

    rng: random.Random
    grid_us: int = 1
    trial: int = 0

    def time(self, low_us: int, high_us: int) -> int:
        return max(low_us, self.rng.randint(low_us, high_us) // self.grid_us * self.grid_us)

    def one_in(self, n: int) -> bool:
        return self.rng.randrange(n) == 0

    # --- tables -----------------------------------------------------------------------------------------------------

    def rule(self) -> Row:
        margin = self.rng.choice((0, 0, 1, 3))
        if self.one_in(2):
            lo = self.rng.randint(-12, 8)
            hold_us = self.rng.choice((0, self.time(100, 6000)))
            hi = lo + self.rng.randint(1, 14)
            return rule(Rule.WINDOW, lo, hi, hysteresis_counts=margin, time_us=hold_us)
        lo = self.rng.choice((-4, 0, 2, 2, 3, 6))
        hi = lo + self.rng.choice((1, 1, -1)) * self.rng.randint(1, 10)
        return rule(
            Rule.PRESS,
            lo,
            hi,
            hysteresis_counts=margin,
            time_us=self.time(500, 30_000),
            refractory_us=self.rng.choice((0, self.time(1000, 60_000))),
            gate=self.rng.choice((wire.NO_INPUT, wire.NO_INPUT, 0)),
        )

    def generator(self) -> Row:
        kind = self.rng.choice(list(Generator))
        row = generator(
            kind,
            output=self.rng.randrange(4),
            level=self.rng.choice((255, 255, 100, 31)),
            sound=self.rng.randrange(3),
            delay_us=self.rng.choice((0, 0, self.time(50, 3000))),
            width_us=self.time(100, 6000),
            tone_hz=self.rng.choice((6000, 12_000)),
        )
        if kind in (Generator.PULSE, Generator.TRAIN):
            row["ramp_us"] = self.rng.choice((0, 0, 3200, self.time(3200, 9000)))
        if kind == Generator.TRAIN:
            row["period_us"] = row["width_us"] + self.time(50, 4000)
            row["count"] = self.rng.choice((0, 1, 2, 5))
        if kind == Generator.CODE:
            row["count"] = self.rng.choice((1, 4, 12, 32))
            row["ramp_us"] = self.rng.getrandbits(row["count"])
        return row

    def _code(self, rules: list[Row], generators: list[Row]) -> int:
        kind = self.rng.randrange(10)
        if kind < 6 and rules:
            r = self.rng.randrange(len(rules))
            press = rules[r]["kind"] == Rule.PRESS
            return on_rule(r, Decision.PRESS if press else self.rng.choice(list(Decision)[:3]))
        if kind < 7:
            return wire.ON_HOST + self.rng.randrange(3)
        if kind < 8 and generators:
            return wire.ON_GENERATOR + self.rng.randrange(len(generators))
        return on_input(self.rng.randrange(3), self.rng.choice(list(InputEdge)))

    def _mask(self, count: int, one_in: int) -> int:
        return sum(1 << i for i in range(count) if self.one_in(one_in))

    def _state(self, states: int, rules: list[Row], generators: list[Row]) -> Row:
        targets = [*range(states), wire.END]
        when = [(self._code(rules, generators), self.rng.choice(targets)) for _ in range(self.rng.randrange(5))]
        return state(
            when,
            outputs=self._mask(4, 4),
            start=self._mask(len(generators), 4),
            stop=self._mask(len(generators), 5),
            rules=self._mask(len(rules), 2),
            flags=int(self.one_in(8)),
            after_us=self.rng.choice((0, self.time(200, 900), *(self.time(500, 40_000) for _ in range(4)))),
            after_to=self.rng.choice(targets),
        )

    def table(self, like: Table | None = None) -> Table:
        """A table; some of its rules are the same as in ``like``, at the same place."""
        self.trial += 1
        rules = [self.rule() for _ in range(self.rng.randint(0, 4))]
        if like is not None:
            rules = [old if self.one_in(2) else new for old, new in zip(like.rules, rules, strict=False)]
        generators = [self.generator() for _ in range(self.rng.randint(0, 5))]
        states = self.rng.randint(1, 6)
        rows = [self._state(states, rules, generators) for _ in range(states)]
        return Table(self.trial, rows, rules, generators)

    # --- what happens -----------------------------------------------------------------------------------------------

    def setup(self, t_us: int) -> list[Command]:
        made = [
            command(t_us, "set_inputs", enabled=self.rng.choice((0xFF, 0x0F)), invert=self.rng.choice((0, 0, 2))),
            command(
                t_us,
                "set_lever",
                source=0,
                period_us=self.rng.choice((500, 1000, 2000)),
                batch=self.rng.choice((1, 7, 20)),
            ),
        ]
        for output in range(self.rng.randrange(5)):
            window_us = self.rng.choice((0, 0, self.time(8000, 60_000)))
            limit = {
                "max_on_us": self.rng.choice((self.time(1000, 40_000), 2_000_000)),
                "window_us": window_us,
                "max_duty_us": self.time(500, max(500, window_us // 2)),
            }
            made.append(command(t_us, "set_output", output=output, safe=self.rng.randrange(2), **limit))
        deadman_us = self.time(20_000, 200_000)
        interlock = self.rng.choice((wire.NO_INPUT, wire.NO_INPUT, 3))
        made.append(command(t_us, "set_safety", deadman_us=deadman_us, interlock=interlock))
        made += [command(t_us, "arm")] if self.one_in(8) else []  # too early
        return [*made, command(t_us, "lock"), *([] if self.one_in(8) else [command(t_us, "arm")])]

    def lever(self, t_us: int, pushes: int) -> list[Edge]:
        """Pushes and returns at many speeds, with jitter in between."""
        made: list[Edge] = []
        at = 0
        for _ in range(pushes):
            t_us += self.rng.choice((0, self.time(10, 15_000)))
            goal = self.rng.choice((-9, -4, 12, 16)) if at in (0, 2) else self.rng.choice((0, 0, 2))
            gap_us = self.rng.choice((0, 40, 300, 1500))
            while at != goal and len(made) < 30 * pushes:
                delta = (1 if goal > at else -1) * (-1 if self.one_in(8) else 1)
                at += delta
                t_us += self.time(gap_us // 2, gap_us + 1)
                t_us += 0 if len(made) % 8 else self.grid_us  # no more than 8 in a microsecond
                made.append(Edge(t_us, delta))
        return made

    def inputs(self, t_us: int, changes: int) -> list[Input]:
        made, levels = [Input(t_us, levels := self.rng.choice((8, 9, 15)))], 0
        for _ in range(changes):
            t_us += self.time(1, 30_000)
            levels ^= 1 << self.rng.randrange(3)
            levels = levels ^ 8 if self.one_in(40) else levels | 8
            made.append(Input(t_us, levels))
        return made

    def host(self, t_us: int, end_us: int, talk: int) -> list[Happening]:
        """Uploads while trials run, the odd stop, silence, and words no board should take."""
        last = self.table()
        made: list[Happening] = [*last.commands(t_us)]
        for _ in range(talk):
            t_us += self.time(1, max(2, (end_us - t_us) // 3))
            kind = self.rng.randrange(16)
            if kind < 10:
                last = self.table(last)
                made += [command(t_us, "arm")] if self.one_in(2) else []
                made += last.commands(t_us, commit=not self.one_in(12))
            elif kind < 12:
                made.append(command(t_us, "host_event", code=self.rng.choice((0, 1, 2, 2, 16))))
            elif kind < 13:
                made.append(command(t_us, "zero_lever"))
            elif kind < 14:
                made.append(command(t_us, "stop", at_end=self.rng.randrange(2)))
            else:
                made.append(self.nonsense(t_us))
        return made

    def nonsense(self, t_us: int) -> Command:
        number = self.rng.choice([m.number for m in wire.MESSAGES if m.kind is wire.Kind.COMMAND] + [0x0F, 0x1F])
        size = wire.BY_NUMBER[number].body.size if number in wire.BY_NUMBER and not self.one_in(3) else 3
        return Command(t_us, number, bytes(self.rng.choice((0, 1, 2, 9, 255)) for _ in range(size)))

    def scenario(self, pushes: int = 30, changes: int = 12, talk: int = 12) -> Scenario:
        start_us = self.rng.choice((0, WRAP - self.time(1, 200_000), 2 * WRAP + self.rng.getrandbits(32)))
        start_us = start_us // self.grid_us * self.grid_us
        begin_us = start_us + self.grid_us * self.rng.randint(1, 20)
        edges, inputs = self.lever(begin_us, pushes), self.inputs(start_us, changes)
        made: list[Happening] = [*edges, *inputs, *self.setup(begin_us)]
        end_us = max(begin_us + 100_000, *(h.t_us for h in made))
        made += self.host(begin_us + self.grid_us, end_us, talk)
        if not self.one_in(4):
            made += [Heard(t) for t in range(begin_us, end_us, 15_000)]
        made.sort(key=lambda h: (h.t_us, 0 if isinstance(h, Edge) else 1 if isinstance(h, Input) else 2))
        return Scenario(start_us, made, max(end_us, made[-1].t_us) + self.time(0, 50_000))


def ready(t_us: int = 0, deadman_us: int = 5_000_000, interlock: int = wire.NO_INPUT, **limits: int) -> list[Command]:
    """A board set up, locked and armed; ``limits`` of output 0, generous where not given."""
    limit = {"max_on_us": 2_000_000, "window_us": 0, "max_duty_us": 0} | limits
    return [
        command(t_us, "set_inputs", enabled=0xFF, invert=0),
        command(t_us, "set_output", output=0, safe=0, **limit),
        command(t_us, "set_safety", deadman_us=deadman_us, interlock=interlock),
        command(t_us, "lock"),
        command(t_us, "arm"),
    ]


def push(t_us: int, counts: int, gap_us: int = 100) -> list[Edge]:
    """The lever moves so many counts, one every ``gap_us``."""
    sign = 1 if counts > 0 else -1
    return [Edge(t_us + i * gap_us, sign) for i in range(abs(counts))]
