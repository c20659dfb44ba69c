"""Light and its read-back: what agrees, what does not, and how soon it is known."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_table import PlainBench

from rig import END, LASER, Pulse, State, Train, Trial, mw, s
from rig.experiment.table import Limits, compile_trial
from rig.light.proof import BACK, LENGTH, MISSING, STUCK, LightWatch, TrialLight
from rig.units import ms
from rig.wire import GeneratorMark

LAG_US = 20


def rows(generator: Pulse | Train) -> tuple[dict[str, int], ...]:
    return compile_trial(Trial(State("a", start=generator, after=(5 * s, END))), PlainBench(), Limits()).generators


@dataclass
class Scene:
    """A trial's light as edges of the command, and of the read-back: (time, which, level)."""

    command: list[tuple[int, bool]]
    back: list[tuple[int, bool]]
    end_us: int = 5_000_000
    generator: Pulse | Train = Pulse(LASER, 2 * s, power=10 * mw)
    planned: bool | None = True
    back_at_start: bool = False

    def play(self) -> tuple[LightWatch, list[tuple[int, int, str]], list[TrialLight]]:
        """The watch, faults as (when known, trial, what), and the judged trials."""
        watch = LightWatch(lambda level: level / 10)
        edges = sorted([(t, 0, on) for t, on in self.command] + [(t, 1, on) for t, on in self.back], reverse=True)
        faults: list[tuple[int, int, str]] = []
        if self.back_at_start:
            watch.input(-1000, BACK)
        watch.trial_begin(0, 1, rows(self.generator), self.planned)
        watch.generator(0, 0, GeneratorMark.START)
        for t_us in range(0, self.end_us + 100_000, 500):
            while edges and edges[-1][0] <= t_us:
                edge_us, which, on = edges.pop()
                if which:
                    watch.input(edge_us, BACK if on else 0)
                else:
                    watch.output(edge_us, 2 if on else 0)
            if t_us == self.end_us:
                watch.trial_end(t_us)
            watch.passed(t_us)
            faults += [(t_us, *fault) for fault in watch.faults()]
        return watch, faults, list(watch.judged(self.end_us + 90_000))


def edges(*pulses: tuple[int, int], lag_us: int = 0) -> list[tuple[int, bool]]:
    return [(t + lag_us, on) for begin, end in pulses for t, on in ((begin, True), (end, False))]


ONE = (1_000_000, 3_000_000)
TRAIN = [(1_000_000 + 50_000 * i, 1_005_000 + 50_000 * i) for i in range(40)]


def test_light_that_came_as_commanded() -> None:
    _, faults, (light,) = Scene(edges(ONE), edges(ONE, lag_us=LAG_US)).play()
    assert not faults
    assert (light.pulses, light.seen, light.on_us, light.seen_us) == (1, 1, 2_000_000, 2_000_000)
    assert (light.onset_error_us, light.duration_error_us, light.faults) == (LAG_US, 0, [])
    assert light.energy_mj == pytest.approx(20.0)  # 10 mW for 2 s


def test_a_train_is_held_pulse_by_pulse() -> None:
    generator = Train(LASER, 5 * ms, 50 * ms, 40, power=10 * mw)
    _, faults, (light,) = Scene(edges(*TRAIN), edges(*TRAIN, lag_us=LAG_US), generator=generator).play()
    assert not faults
    assert (light.pulses, light.seen, light.on_us) == (40, 40, 200_000)
    short = edges(*TRAIN[:20], (TRAIN[20][0], TRAIN[20][1] - 2000), *TRAIN[21:], lag_us=LAG_US)
    _, faults, (light,) = Scene(edges(*TRAIN), short, generator=generator).play()
    assert light.faults == [MISSING]
    missing = edges(*TRAIN[:7], *TRAIN[8:], lag_us=LAG_US)
    _, faults, (light,) = Scene(edges(*TRAIN), missing, generator=generator).play()
    assert light.faults == [MISSING]
    assert faults[0][0] <= TRAIN[7][0] + 2000


def test_a_dead_laser_is_known_within_two_milliseconds() -> None:
    _, faults, (light,) = Scene(edges(ONE), []).play()
    ((when_us, trial, what),) = faults
    assert (trial, what) == (1, MISSING)
    assert when_us <= ONE[0] + 2000
    assert (light.on_us, light.seen_us, light.faults) == (2_000_000, 0, [MISSING])


def test_a_laser_that_dies_under_way() -> None:
    _, faults, (light,) = Scene(edges(ONE), edges((ONE[0] + LAG_US, 2_000_000))).play()
    assert [fault[2] for fault in faults] == [MISSING]
    assert light.seen_us == 1_000_000 - LAG_US


def test_a_laser_that_stays_on() -> None:
    watch, faults, _ = Scene(edges(ONE), [(ONE[0] + LAG_US, True)]).play()
    ((when_us, trial, what),) = faults
    assert (trial, what) == (1, STUCK)
    assert when_us <= ONE[1] + 2000
    assert watch.stuck_since_us == ONE[1]


def test_a_laser_that_was_on_before_anything_began() -> None:
    watch, faults, _ = Scene(edges(ONE), [], back_at_start=True).play()
    assert faults[0][:2] == (0, 0)
    assert {what for _, _, what in faults} == {STUCK}
    assert watch.stuck_since_us == ONE[1]


def test_light_that_nobody_asked_for() -> None:
    _, faults, (light,) = Scene([], edges(ONE), planned=False).play()
    assert [fault[2] for fault in faults] == [STUCK]
    assert (light.pulses, light.seen, light.seen_us) == (0, 1, 2_000_000)


def test_late_and_long() -> None:
    _, _, (late,) = Scene(edges(ONE), edges(ONE, lag_us=900)).play()
    assert (late.faults, late.onset_error_us) == ([], 900)
    _, _, (long,) = Scene(edges(ONE), edges((ONE[0] + 20, ONE[1] + 900))).play()
    assert (long.faults, long.duration_error_us) == ([], 880)
    _, _, (later,) = Scene(edges(ONE), edges((ONE[0] + 1100, ONE[1] + 1100))).play()
    assert MISSING in later.faults
    _, _, (short,) = Scene(edges(ONE), edges((ONE[0] + 900, ONE[1] - 400))).play()
    assert short.faults == [LENGTH]


def test_a_ramp_may_go_out_of_sight_early() -> None:
    ramped = Pulse(LASER, 2 * s, power=10 * mw, ramp=320 * ms)
    whole = (1_000_000, 3_320_000)
    _, faults, (light,) = Scene(edges(whole), edges((1_000_020, 3_100_000)), generator=ramped).play()
    assert not faults
    assert light.duration_error_us == -220_020
    _, _, (short,) = Scene(edges(whole), edges((1_000_020, 2_900_000)), generator=ramped).play()
    assert short.faults == [MISSING]


def test_the_energy_of_a_ramp() -> None:
    watch = LightWatch(float)
    watch.trial_begin(0, 1, rows(Pulse(LASER, 1 * s, power=9.6 * mw, ramp=320 * ms)), True)  # level 96
    watch.generator(0, 0, GeneratorMark.START)
    watch.output(0, 2)
    watch.generator(1_000_000, 0, GeneratorMark.RAMP)
    watch.generator(1_320_000, 0, GeneratorMark.END)
    watch.output(1_320_000, 0)
    steps_mj = sum(96 * (32 - step) // 32 for step in range(32)) * 0.01
    assert watch.now.energy_mj == pytest.approx(96 + steps_mj)


def test_light_until_the_very_end_belongs_to_its_trial() -> None:
    watch = LightWatch(lambda level: 1.0)
    generators = rows(Pulse(LASER, 9 * s))
    watch.trial_begin(0, 1, generators, True)
    watch.generator(0, 0, GeneratorMark.START)
    watch.output(0, 2)
    watch.input(20, BACK)
    watch.generator(5_000_000, 0, GeneratorMark.STOPPED)
    watch.trial_end(5_000_000)
    watch.trial_begin(5_000_000, 2, generators, False)
    watch.output(5_000_000, 0)
    watch.input(5_000_020, 0)
    assert not list(watch.judged(5_001_000))
    (light,) = watch.judged(5_003_000)
    assert (light.trial, light.on_us, light.seen_us, light.pulses, light.faults) == (1, 5_000_000, 5_000_000, 1, [])
    assert light.energy_mj == pytest.approx(5.0)
    assert not list(watch.faults())


def test_a_planned_trial_without_its_moment_is_told_and_no_fault() -> None:
    _, faults, (light,) = Scene([], []).play()
    assert (faults, light.planned, light.pulses) == ([], True, 0)
    assert not Scene([], [], planned=False).play()[2]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_is_wrong_is_found_and_nothing_else_is(seed: int) -> None:
    """Random trains; the read-back follows with a lag, and perhaps one pulse is lost, added, cut or late."""
    rng = random.Random(seed)
    at, pulses = 10_000, []
    for _ in range(rng.randint(1, 12)):
        begin = at + rng.randint(4000, 60_000)
        at = begin + rng.randint(3000, 60_000)
        pulses.append((begin, at))
    back = [(begin + rng.randint(0, 400), end + rng.randint(0, 400)) for begin, end in pulses]
    wrong = rng.choice(("nothing", "lost", "added", "cut", "late"))
    which = rng.randrange(len(back))
    begin, end = back[which]
    if wrong == "lost":
        del back[which]
    elif wrong == "added":
        back.append((at + 5000, at + 9000))
    elif wrong == "cut":
        back[which] = (begin, end - 1600)
    elif wrong == "late":
        back[which] = (begin + 1200, end)
    _, faults, (light,) = Scene(edges(*pulses), edges(*back), end_us=2_000_000).play()
    assert bool(faults) == bool(light.faults) == (wrong != "nothing"), (wrong, light)
    assert light.on_us == sum(end - begin for begin, end in pulses)
