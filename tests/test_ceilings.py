"""The most a protocol could ask of an output: never less than what the trial machine meets, and refused in one line."""

from __future__ import annotations

import math
import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenarios import Maker
from test_table import PlainBench

from rig import END, LASER, MASK, VALVE, Pulse, State, Train, Trial, Window, mm, ms, s, wire
from rig.bodies.machine import Machine
from rig.errors import ProtocolError
from rig.experiment.ceilings import Ceiling, Loaded, Study, dice, refuse_excess
from rig.experiment.parts import Tone
from rig.experiment.table import Limits, Table, compile_trial
from rig.experiment.worst import Worst, worst_of
from rig.units import khz

LEAVES = Window(-1 * mm, 1 * mm).left
OPEN = {name: Ceiling(10**9) for name in wire.OUTPUTS}


def made(*states: State) -> Table:
    return compile_trial(Trial(*states), PlainBench(), Limits())


def worst(*states: State, output: str = LASER) -> Worst:
    return worst_of(made(*states), output)


# --- against the machine ----------------------------------------------------------------------------------------------


def ready_machine() -> Machine:
    machine = Machine(0)
    machine.command("set_inputs", {"enabled": 0xFF, "invert": 0})
    for output in range(8):
        cap_us = 2_000_000 if output == 0 else 30_000_000
        machine.command(
            "set_output", {"output": output, "safe": 0, "max_on_us": cap_us, "window_us": 0, "max_duty_us": 0}
        )
    machine.command("set_safety", {"deadman_us": 5_000_000, "interlock": wire.NO_INPUT})
    machine.command("lock")
    machine.command("arm")
    return machine


def on_times(rng: random.Random, table: Table, end_us: int) -> list[list[tuple[int, int]]]:
    """For each output, when it was on in one trial of this table, pushes, inputs and host events at random."""
    machine = ready_machine()
    maker = Maker(rng)
    edges = sorted({edge.t_us: edge.delta for edge in maker.lever(10, 40)}.items())
    machine.plan_lever(np.array([t for t, _ in edges], np.int64), np.array([d for _, d in edges], np.int64))
    levels = maker.inputs(1, 40)
    machine.plan_inputs(
        np.array([i.t_us for i in levels], np.int64), np.array([i.levels | 8 for i in levels], np.int64)
    )
    told = machine.run(5)
    for name, values in table.commands(1):
        assert machine.command(name, values) == wire.Status.OK
    while machine.t_us < end_us:
        told += machine.run(machine.t_us + rng.randint(1, 30_000))
        machine.keep_alive()
        machine.command("host_event", {"code": rng.randrange(3)})
        told += machine.take()
    return _intervals(told, machine.t_us)


def _intervals(told: list[bytes], end_us: int) -> list[list[tuple[int, int]]]:
    since: dict[int, int] = {}
    found: list[list[tuple[int, int]]] = [[] for _ in wire.OUTPUTS]
    for payload in told:
        event = wire.decode(payload)
        if event.name == "lost":  # a state that leads to itself at once: what came after it is not known
            return found
        if event.name != "output":
            continue
        active, t_us = int(event.fields["active"]), event.board_us  # type: ignore[arg-type]
        for output in range(8):
            if active >> output & 1:
                since.setdefault(output, t_us)
            elif output in since:
                found[output].append((since.pop(output), t_us))
    for output, begin_us in since.items():
        found[output].append((begin_us, end_us))
    return found


def random_table(rng: random.Random) -> Table:
    rows = Maker(rng).table()
    if rng.randrange(3):  # ways that lead on and never back: most have a bound
        for i, state in enumerate(rows.states):
            for key in ("after_to", *(f"to{k}" for k in range(wire.WHEN_PER_STATE))):
                state[key] = state[key] if state[key] > i else wire.END
            state["after_us"] = state["after_us"] or 20_000
    names = tuple(f"s{i}" for i in range(len(rows.states)))
    nothing = ("",) * 8
    return Table(
        tuple(rows.states), tuple(rows.rules), tuple(rows.generators), names, nothing, nothing, (None,) * len(names)
    )


def check_bound(rng: random.Random) -> dict[str, int]:
    table = random_table(rng)
    seen: dict[str, int] = defaultdict(int)
    for output, intervals in enumerate(on_times(rng, table, 300_000)[:4]):
        bound = worst_of(table, wire.OUTPUTS[output])
        total_us = sum(end - begin for begin, end in intervals)
        longest_us = max((end - begin for begin, end in intervals), default=0)
        assert total_us <= bound.on_us, (wire.OUTPUTS[output], total_us, bound)
        assert longest_us <= bound.longest_us
        seen["tight"] += 0 < total_us > bound.on_us / 3
        seen["bounded"] += 0 < bound.on_us < math.inf
        seen["on"] += total_us > 0
    return seen


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_no_trial_is_on_for_longer_than_was_foretold(seed: int) -> None:
    check_bound(random.Random(seed))


def test_what_is_foretold_is_often_met() -> None:
    seen: dict[str, int] = defaultdict(int)
    for seed in range(60):
        for key, n in check_bound(random.Random(seed)).items():
            seen[key] += n
    assert seen["bounded"] > 30
    assert seen["tight"] > 15
    assert seen["on"] > 60


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_a_pulse_beside_the_states() -> None:
    found = worst(State("a", start=Pulse(LASER, 2 * s), after=(5 * s, END)))
    assert found == Worst(2e6, 2e6, 5e6, True, False)


def test_the_end_of_the_trial_cuts_a_pulse_and_a_late_start_leaves_it_on() -> None:
    found = worst(State("a", start=Pulse(LASER, 2 * s, delay=1 * s), after=(2 * s, END)))
    assert (found.on_us, found.longest_us, found.at_begin, found.at_end) == (1e6, 1e6, False, True)


def test_a_ramp_counts_and_a_stop_ends() -> None:
    light = Pulse(LASER, 10 * s, ramp=100 * ms)
    a = State("a", start=light, after=(3 * s, "b"), when={LEAVES: "b"})
    assert worst(a, State("b", stop=light, after=(4 * s, END))).on_us == 3.1e6
    assert worst(a, State("b", after=(4 * s, END))).on_us == 7.1e6


def test_trains() -> None:
    assert worst(State("a", start=Train(LASER, 5 * ms, 50 * ms, 40), after=(5 * s, END))) == Worst(
        2e5, 5e3, 5e6, True, False
    )
    endless = Train(LASER, 5 * ms, 50 * ms)
    assert worst(State("a", start=endless, after=(1 * s, END))).on_us == 20 * 5e3
    forever = worst(State("a", start=endless, when={LEAVES: END}))
    assert (forever.on_us, forever.shortest_us) == (math.inf, 0)


def test_held_outputs_and_round_trips() -> None:
    held = State("a", on=LASER, after=(1 * s, "b"))
    assert worst(held, State("b", after=(1 * s, END))) == Worst(1e6, 1e6, 2e6, True, False)
    round_trip = worst(held, State("b", after=(1 * s, END), when={LEAVES: "a"}))
    assert round_trip.on_us == math.inf
    assert worst(State("a", on=LASER, when={LEAVES: END})).longest_us == math.inf


def test_a_state_that_waits_for_a_generator_lasts_as_long_as_that() -> None:
    cue = Tone(6 * khz, 10 * s)
    a = State("a", start=cue, on=LASER, when={cue.ended: END, LEAVES: END})
    assert worst(a).on_us == 10e6


def refused(study: Study, **ceilings: Ceiling) -> str:
    with pytest.raises(ProtocolError) as error:
        refuse_excess(study, ceilings)
    assert "\n" not in str(error.value)
    return str(error.value)


LIGHT = made(State("a", start=Pulse(LASER, 2 * s), after=(6 * s, END)))
DARK = made(State("a", after=(6 * s, END)))


def test_a_stretch_beyond_the_ceiling_is_refused_and_at_it_too() -> None:
    said = refused(Study([LIGHT]), laser=Ceiling(2_000_000))
    assert said.startswith(
        "laser could be on for 2 s at a stretch, its ceiling is 2 s (safety.outputs.laser.max_on_ms)"
    )
    refuse_excess(Study([LIGHT]), {**OPEN, "laser": Ceiling(2_000_001)})


def test_light_from_end_to_begin_has_no_end() -> None:
    always = made(State("a", on=LASER, after=(1 * s, END)))
    assert "on for ever at a stretch" in refused(Study([always]), laser=Ceiling(30_000_000))


def test_the_duty_of_a_window() -> None:
    # 60 s, watched as 67.5: 11 whole trials of 6 s, and two that reach into it: 13 × 2 s
    assert "26 s within 60 s" in refused(Study([LIGHT]), laser=Ceiling(12_000_000, 60_000_000, 26_000_000))
    refuse_excess(Study([LIGHT]), {"laser": Ceiling(12_000_000, 60_000_000, 26_000_001)})


def test_the_plan_says_how_many_trials_in_a_row_have_light() -> None:
    ceiling = Ceiling(12_000_000, 60_000_000, 8_000_000)
    sparse = [i % 5 == 0 for i in range(100)]  # 13 trials hold three of them at most
    refuse_excess(Study([DARK], [LIGHT], sparse), {"laser": ceiling})
    dense = [*sparse[:50], True, True, *sparse[50:]]
    assert "laser could be on for 10 s within 60 s" in refused(Study([DARK], [LIGHT], dense), laser=ceiling)
    assert "26 s" in refused(Study([DARK], [LIGHT]), laser=ceiling)
    refuse_excess(Study([DARK], [LIGHT], [False] * 9), {"laser": ceiling})


def test_trials_that_may_follow_at_once() -> None:
    begin = State("a", when={LEAVES: "b"})
    quick = made(begin, State("b", start=Pulse(VALVE, 50 * ms, delay=1 * ms), after=(1 * s, END), when={LEAVES: END}))
    assert "a trial may last as little as 0 s" in refused(Study([quick]), valve=Ceiling(500_000, 60_000_000, 6_000_000))
    refuse_excess(Study([quick]), {"mask": Ceiling(1, 60_000_000, 1)})


def test_a_mask_is_not_the_laser() -> None:
    assert worst(State("a", on=MASK, after=(1 * s, END))).on_us == 0
    assert worst(State("a", on=MASK, after=(1 * s, END)), output=MASK).on_us == 1e6


def test_loaded_dice_hold_the_extremes_and_never_hang() -> None:
    low, high = Loaded(0.0), Loaded(1 - 2**-53)
    assert (low.uniform(8, 12), round(high.uniform(8, 12), 9)) == (8, 12)
    assert (low.randint(1, 6), high.randint(1, 6)) == (1, 6)
    for rng in (Loaded(0.0), Loaded(1 - 2**-53)):
        rng.normalvariate(0, 1)
        rng.gammavariate(2, 1)
        rng.shuffle(list(range(20)))
    assert len(dice()) >= 4
