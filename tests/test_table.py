"""The compiler: what it makes, and what it refuses in one line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

import pytest

from rig import (
    END,
    LASER,
    SYNC,
    TOUCH,
    VALVE,
    Code,
    Drop,
    HostEvent,
    Noise,
    Press,
    Pulse,
    State,
    Tone,
    Train,
    Trial,
    Window,
    khz,
    minute,
    mm,
    ms,
    mw,
    s,
    ul,
    us,
    wire,
)
from rig.errors import ConfigError, ProtocolError
from rig.experiment import parts
from rig.experiment.table import Limits, Table, compile_trial


@dataclass(frozen=True)
class PlainBench:
    """100 counts a mm, 5 ms a µL, 10 levels a mW."""

    travel_mm: float = 8.0

    def counts(self, length_mm: float) -> int:
        if abs(length_mm) > self.travel_mm:
            raise ConfigError(f"{length_mm} mm is outside the lever's travel")
        return round(100 * length_mm)

    def open_us(self, volume_ul: float) -> int:
        if not 1 <= volume_ul <= 20:
            raise ConfigError(f"{volume_ul} ul is outside the calibrated range")
        return round(5000 * volume_ul)

    def volume_ul(self, open_us: int) -> float:
        return open_us / 5000

    def light_level(self, power_mw: float) -> int:
        return round(10 * power_mw)

    def sound(self, generator: parts.Audible) -> int | None:
        return None if isinstance(generator, Tone) else 3


def made(*states: State, limits: Limits | None = None) -> Table:
    return compile_trial(Trial(*states), PlainBench(), limits or Limits())


def test_a_state_becomes_a_row() -> None:
    press, water = Press(1.5 * mm, 3 * mm, 200 * ms, 1 * s, while_high=TOUCH), Drop(8 * ul)
    table = made(
        State("wait", on=(SYNC, LASER), after=(10 * s, END), when={press.pressed: "pay", TOUCH.high: "wait"}),
        State("pay", start=water, zero_lever=True, when={water.ended: END, HostEvent(3).sent: "wait"}),
    )
    wait, pay = table.states
    assert wait["outputs"] == 1 << wire.OUTPUTS.index("sync") | 1 << wire.OUTPUTS.index("laser")
    assert (wait["after_us"], wait["after_to"], wait["rules"]) == (10_000_000, wire.END, 1)
    assert (wait["on0"], wait["to0"]) == (wire.ON_RULE + 3, 1)
    assert wait["on1"] == wire.ON_INPUT + 4 * wire.INPUTS.index("touch") + 2
    assert (pay["start"], pay["flags"], pay["on0"], pay["on1"]) == (1, 1, wire.ON_GENERATOR, wire.ON_HOST + 3)
    (rule,) = table.rules
    assert (rule["lo_counts"], rule["hi_counts"], rule["time_us"]) == (150, 300, 200_000)
    assert (rule["gate"], rule["refractory_us"]) == (wire.INPUTS.index("touch"), 1_000_000)
    (valve,) = table.generators
    assert (valve["kind"], valve["output"], valve["width_us"]) == (wire.Generator.PULSE, 0, 40_000)


def test_generators_become_rows() -> None:
    light = Train(LASER, 5 * ms, 25 * ms, 40, delay=1 * ms, power=10 * mw, ramp=100 * ms)
    table = made(
        State(
            "all",
            start=(light, Tone(6 * khz, 1 * s), Noise(500 * ms), Code(SYNC, 0b1010, bits=4)),
            after=(5 * s, END),
        )
    )
    train, tone, noise, code = table.generators
    assert (train["kind"], train["level"], train["count"], train["ramp_us"]) == (wire.Generator.TRAIN, 100, 40, 100_000)
    assert (tone["kind"], tone["tone_hz"]) == (wire.Generator.TONE, 6000)
    assert (noise["kind"], noise["sound"]) == (wire.Generator.SOUND, 3)
    assert (code["kind"], code["count"], code["ramp_us"], code["width_us"]) == (wire.Generator.CODE, 4, 0b1010, 5000)


def test_the_same_trial_has_the_same_digest() -> None:
    one = made(State("a", after=(1 * s, END)))
    assert one.digest() == made(State("a", after=(1 * s, END))).digest()
    assert one.digest() != made(State("a", after=(1001 * ms, END))).digest()


def test_commands_carry_the_whole_table() -> None:
    press = Press(1 * mm, 2 * mm)
    names = [name for name, _ in made(State("a", when={press.pressed: END}), limits=None).commands(7)]
    assert names == ["table_begin", "table_state", "table_rule", "table_commit"]


WIN = Window(-1 * mm, 1 * mm)
REFUSED = {
    "missing target": ((State("a", after=(1 * s, "b")),), 'state "a": after 1 s leads to "b", which is not a state'),
    "near name": (
        (State("reward", after=(1 * s, "rewrd")),),
        r'leads to "rewrd", which is not a state \(did you mean "reward"\?\)',
    ),
    "unreachable": (
        (State("a", after=(1 * s, END)), State("b", after=(1 * s, END))),
        'state "b" can never be reached from "a"',
    ),
    "no way out": ((State("a"),), 'state "a" has no way out'),
    "no end": ((State("a", after=(1 * s, "a")),), "no state leads to END"),
    "no states": ((), "at least one state"),
    "twice": ((State("a", after=(1 * s, END)), State("a", after=(1 * s, END))), 'two states are called "a"'),
    "output": ((State("a", on="valv", after=(1 * s, END)),), '"valv" is not an output .did you mean "valve"'),
    "timer too long": ((State("a", after=(20 * minute, END)),), 'state "a": after: 20 min is outside'),
    "timer zero": ((State("a", after=(0 * s, END)),), 'state "a": after: 0 us is outside 1 us'),
    "not a time": ((State("a", after=(cast(Any, 3 * mm), END)),), "expected a time such as 300.ms, got 3 mm"),
    "empty window": ((State("a", when={Window(1 * mm, 1 * mm).left: END}),), "the window is empty"),
    "beyond travel": ((State("a", when={Press(1 * mm, 30 * mm).pressed: END}),), "outside the lever's travel"),
    "no press": ((State("a", when={Press(1 * mm, 1 * mm).pressed: END}),), "are the same count"),
    "volume": ((State("a", start=Drop(50 * ul), after=(1 * s, END)),), "outside the calibrated range"),
    "ceiling": (
        (State("a", start=Pulse(VALVE, 3 * s), after=(4 * s, END)),),
        r"not below the ceiling of valve \(500 ms, safety.outputs.valve.max_on_ms\)",
    ),
    "short ramp": ((State("a", start=Pulse(LASER, 1 * s, ramp=31 * ms), after=(4 * s, END)),), "shorter than 32 ms"),
    "tight train": (
        (State("a", start=Train(LASER, 5 * ms, 5 * ms, 3), after=(4 * s, END)),),
        "less than 50 us between pulses",
    ),
    "tiny pulse": ((State("a", start=Pulse(LASER, 10 * us), after=(4 * s, END)),), "outside 50 us"),
    "code": ((State("a", start=Code(SYNC, 4096), after=(1 * s, END)),), "4096 does not fit 12 bits"),
    "many transitions": (
        (State("a", when={HostEvent(i).sent: END for i in range(7)}),),
        "7 transitions in `when`; a state holds 6",
    ),
    "host event": ((State("a", when={HostEvent(16).sent: END}),), "the number must be 0..15"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_board_could_not_run_is_refused_in_one_line(case: str) -> None:
    states, says = REFUSED[case]
    with pytest.raises((ProtocolError, ConfigError), match=says) as caught:
        made(*states, limits=Limits(max_on_us={"valve": 500_000}))
    assert "\n" not in str(caught.value)


def test_a_table_too_large_for_the_board_is_refused() -> None:
    many = [State(f"s{i}", after=(1 * s, f"s{i + 1}" if i < 32 else END)) for i in range(33)]
    with pytest.raises(ProtocolError, match="the trial has 33 states; the small one holds 32"):
        made(*many, limits=Limits(board="the small one"))
    rules = [Window(-1 * mm, (i + 1) * mm) for i in range(5)]
    with pytest.raises(ProtocolError, match="5 lever rules; this board holds 4"):
        made(State("a", after=(1 * s, END), watch=rules))


def test_every_row_fits_the_wire() -> None:
    press = Press(1.5 * mm, 3 * mm)
    table = made(State("a", after=(17 * minute, END), when={press.pressed: END, WIN.held: END}, start=Drop(8 * ul)))
    for name, values in table.commands(1):
        payload = wire.encode(name, values, 0)
        assert wire.decode(payload).fields == values, name
    assert not re.search("[A-Z]", table.rule_names[0])
