"""The clock fit, judged by links whose truth is known: is the bound honest, and is it tight?"""

from __future__ import annotations

import math
import random

import clock_links as links
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.clock import WRAP, Clock, Unwrapper, Verdict
from rig.errors import BoardError

DELAYS = [
    links.quiet,
    links.usb_frames,
    links.one_sided,
    links.lopsided,
    links.heavy_tail,
    links.bursts,
    links.hour_of_load,
]
SECOND_NS = 1_000_000_000


def over(checked: list[links.Checked]) -> float:
    return sum(c.error_us > c.bound_us for c in checked) / len(checked)


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


# Unwrapping.


@given(st.integers(0, WRAP - 1), st.lists(st.integers(-60_000_000, WRAP // 2 - 60_000_001)))
def test_unwrapper_follows_any_walk_of_steps_short_of_half_a_wrap(start_us: int, steps_us: list[int]) -> None:
    unwrapper = Unwrapper()
    newest_us = now_us = start_us
    assert unwrapper.unwrap(start_us) == start_us
    for step_us in steps_us:
        now_us = newest_us + step_us
        newest_us = max(newest_us, now_us)
        assert unwrapper.unwrap(now_us % WRAP) == now_us


def test_unwrapper_takes_stamps_out_of_order_around_the_wrap() -> None:
    unwrapper = Unwrapper()
    stamps = [WRAP - 10, 5, WRAP - 3, 7, WRAP - 1, 0]
    assert [unwrapper.unwrap(s) for s in stamps] == [
        WRAP - 10, WRAP + 5, WRAP - 3, WRAP + 7, WRAP - 1, WRAP,
    ]  # fmt: skip
    late = Unwrapper()
    assert [late.unwrap(s) for s in (2, WRAP - 2, 4)] == [2, -2, 4]


# Before there is a fit.


def test_without_a_sample_the_error_is_infinite_and_nothing_is_converted() -> None:
    clock = Clock()
    assert clock.error_us() == clock.error_us(123) == clock.drift_error_ppm == math.inf
    assert clock.drift_ppm == 0
    with pytest.raises(BoardError, match="no sample yet"):
        clock.host_ns(0)
    with pytest.raises(BoardError, match="no sample yet"):
        clock.board_us(0)


def test_one_sample_promises_half_its_round_trip() -> None:
    clock = Clock()
    assert clock.add(5 * SECOND_NS, 1_000_000, 5 * SECOND_NS + 800_000) is Verdict.KEPT
    assert clock.host_ns(1_000_000) == pytest.approx(5 * SECOND_NS + 400_000, abs=2000)
    assert 400 <= clock.error_us() <= 403
    assert clock.error_us(1_000_000) == clock.error_us()
    assert clock.error_us(2_000_000) - clock.error_us() == pytest.approx(5000)  # +-0.5 % of 1 s


def test_an_answer_before_its_question_tells_nothing() -> None:
    clock = Clock()
    assert clock.add(1000, 5, 999) is Verdict.DOUBTED
    assert clock.error_us() == math.inf
    assert clock.doubted == clock.samples == 1


# Honest and tight.


@pytest.mark.parametrize("delay", DELAYS)
def test_the_bound_is_honest_from_the_first_sample(delay: links.Delay) -> None:
    checked: list[links.Checked] = []
    for seed in range(25):
        rng = random.Random(seed)
        truth = links.Truth(
            drift_ppm=rng.choice([-200, -30, 0, 30, 200]),
            wobble_ppm=rng.uniform(0, 4),
            wobble_s=rng.uniform(60, 900),
        )
        every_s = rng.choice([0.1, 0.2, 0.5])
        checked += links.Run(truth, delay, seed, for_s=40, every_s=every_s).check()
    assert len(checked) > 2500
    assert over(checked) < 0.001


@pytest.mark.parametrize("delay", DELAYS)
def test_the_bound_is_honest_through_an_hour_of_wobble(delay: links.Delay) -> None:
    truth = links.Truth(drift_ppm=-200, wobble_ppm=3, wobble_s=240)
    checked = list(links.Run(truth, delay, seed=7, for_s=3600, every_s=0.3).check())
    assert over(checked) < 0.001


@pytest.mark.parametrize(
    ("delay", "bound_us", "error_us"),
    [(links.quiet, 190, 5), (links.usb_frames, 280, 45), (links.one_sided, 250, 20)],
)
def test_the_bound_is_tight_on_a_good_link(delay: links.Delay, bound_us: float, error_us: float) -> None:
    truth = links.Truth(drift_ppm=150, wobble_ppm=2, wobble_s=300)
    run = links.Run(truth, delay, seed=3, for_s=600)
    checked = [c for c in run.check() if c.at_s > 30]
    assert median([c.bound_us for c in checked]) < bound_us
    assert median([c.error_us for c in checked]) < error_us
    assert run.clock.drift_ppm == pytest.approx(150, abs=6)
    assert abs(run.clock.drift_ppm - 150) < run.clock.drift_error_ppm + 2
    assert (run.clock.restarts, run.clock.doubted) == (0, 0)


def test_a_link_that_is_always_slower_one_way_stays_within_the_bound() -> None:
    """No fit can see this; a bound taken from the scatter of the samples would be 600 us wrong."""
    run = links.Run(links.Truth(20), links.lopsided, seed=1, for_s=300)
    checked = list(run.check())
    assert median([c.error_us for c in checked]) > 500
    assert over(checked) == 0


def test_a_ceramic_resonator_far_off_its_nominal_rate_is_followed() -> None:
    run = links.Run(links.Truth(-4500, 5, 600), links.quiet, seed=2, for_s=120)
    assert over(list(run.check())) == 0
    assert run.clock.drift_ppm == pytest.approx(-4500, abs=8)


@pytest.mark.parametrize("drift_ppm", [-900, 40, 900])
def test_clocks_known_to_be_closer_are_bound_closer_and_honestly(drift_ppm: float) -> None:
    clock = Clock(drift_limit=1e-3)
    clock.add(5 * SECOND_NS, 1_000_000, 5 * SECOND_NS + 800_000)
    assert clock.error_us(2_000_000) - clock.error_us() == pytest.approx(1000)
    for delay in DELAYS:
        run = links.Run(links.Truth(drift_ppm, 3, 240), delay, 6, for_s=60, every_s=1, clock=Clock(drift_limit=1e-3))
        assert over(list(run.check())) == 0
        assert run.clock.restarts == 0


def test_a_host_clock_being_steered_is_followed() -> None:
    truth = links.Truth(10, slews=((100, 20, 500),))
    run = links.Run(truth, links.quiet, seed=4, for_s=3600, every_s=0.2)
    assert over(list(run.check())) < 0.001
    assert run.clock.restarts == run.clock.doubted == 0


def test_a_coarse_tick_is_allowed_for() -> None:
    """Stamps in steps of 4 us over a link quicker than that: the trip alone would promise 1 us."""
    clock = Clock(tick_us=4)
    for at_us in range(0, 30_000_000, 50_021):
        board_us = at_us // 4 * 4
        assert clock.add(at_us * 1000 - 1000, board_us, at_us * 1000 + 1000) is Verdict.KEPT
        error_us = abs(clock.host_ns(board_us) / 1000 - at_us)
        assert error_us <= clock.error_us(board_us) < 12
    assert clock.drift_error_ppm < 4  # taken at their word, such stamps would look like a wobble


def test_two_answers_within_one_tick_do_no_harm() -> None:
    clock = Clock()
    for at_us in range(0, 2_000_000, 100_000):
        for trip_us in (400, 300):
            assert clock.add(at_us * 1000, at_us, (at_us + trip_us) * 1000) is Verdict.KEPT
    clock = Clock()
    clock.add(0, 0, 400_000)
    clock.add(0, 0, 300_000)
    assert clock.add(60_000_000, 60_000, 62_000_000) is Verdict.KEPT


def test_a_silence_only_widens_the_bound() -> None:
    run = links.Run(links.Truth(80), links.quiet, seed=5, for_s=60)
    list(run.check())
    clock, truth = run.clock, run.truth
    for later_s in (61, 90, 400):
        us = int(truth.board_us(later_s))
        error_us = abs(clock.host_ns(us) - truth.host_ns(later_s)) / 1000
        assert error_us < clock.error_us(us) < 200 + 40 * (later_s - 59)
    sent, us, got = truth.host_ns(400), int(truth.board_us(400.0002)), truth.host_ns(400.0004)
    assert clock.add(sent, us, got) is Verdict.KEPT
    assert clock.error_us() < 410  # the round trip: at worst the line is at the interval's edge


def test_a_rate_that_changed_during_a_silence_is_no_step() -> None:
    run = links.Run(links.Truth(80, slews=((60, 400, 50),)), links.quiet, seed=5, for_s=60)
    list(run.check())
    truth = run.truth
    sent, us, got = truth.host_ns(400), int(truth.board_us(400.0002)), truth.host_ns(400.0004)
    before_us = run.clock.host_ns(us) / 1000 - truth.host_ns(400.0002) / 1000
    assert abs(before_us) > run.clock.error_us(us)
    assert run.clock.add(sent, us, got) is Verdict.KEPT
    assert abs(run.clock.host_ns(us) - truth.host_ns(400.0002)) / 1000 < run.clock.error_us(us)


# Wrong samples and steps.


def test_single_wrong_stamps_are_set_aside_and_covered_meanwhile() -> None:
    run = links.Run(links.Truth(-90, 2), links.quiet, seed=6, for_s=600, wrong=0.03)
    checked = list(run.check())
    assert over(checked) < 0.001
    assert run.verdicts.count(Verdict.DOUBTED) > 50
    assert run.clock.doubted >= run.verdicts.count(Verdict.DOUBTED)
    assert median([c.error_us for c in checked]) < 5


def asleep(for_s: float) -> links.Run:
    truth = links.Truth(60, sleeps=((100.0, for_s),))
    return links.Run(truth, links.quiet, seed=8, for_s=160, every_s=0.2)


@pytest.mark.parametrize("for_s", [0.05, 30.0, 1500.0])
def test_a_host_that_slept_restarts_the_fit_and_says_so(for_s: float) -> None:
    run = asleep(for_s)
    checked = list(run.check())
    assert run.verdicts.count(Verdict.RESTARTED) == run.clock.restarts == 1
    assert run.clock.step_us == pytest.approx(-for_s * 1e6, rel=1e-3, abs=600)
    wrong = [c for c in checked if c.error_us > c.bound_us]
    assert all(100 <= c.at_s < 100.3 for c in wrong)  # only before the first sample after it
    assert len(wrong) <= 1
    assert median([c.bound_us for c in checked if c.at_s > 130]) < 200


def test_stamps_from_before_a_sleep_are_still_converted_by_the_old_fit() -> None:
    run = asleep(30.0)
    list(run.check())
    clock, truth = run.clock, run.truth
    for at_s in (20.0, 60.0, 99.0, 101.0, 140.0):
        us = truth.board_us(at_s)
        assert clock.error_us(us) < 3000  # the step itself is no part of it
        assert abs(clock.host_ns(us) - truth.host_ns(at_s)) / 1000 < clock.error_us(us)
        assert clock.board_us(clock.host_ns(us)) == pytest.approx(us, abs=0.01)
    asleep_us = truth.board_us(100.0) - 15e6  # the host's clock stood at 100 s then
    error_us = abs(clock.host_ns(asleep_us) - truth.host_ns(100.0)) / 1000
    assert error_us < clock.error_us(asleep_us) < 61e6


def test_a_board_that_starts_again_restarts_the_fit() -> None:
    clock = Clock()
    for i in range(50):
        clock.add(i * SECOND_NS // 5, 10**9 + i * 200_000, i * SECOND_NS // 5 + 500_000)
    verdicts = [
        clock.add((50 + i) * SECOND_NS // 5, i * 200_000, (50 + i) * SECOND_NS // 5 + 500_000) for i in range(4)
    ]
    doubted, restarted, kept = Verdict.DOUBTED, Verdict.RESTARTED, Verdict.KEPT
    assert verdicts == [doubted, doubted, restarted, kept]
    assert clock.host_ns(0) == pytest.approx(10 * SECOND_NS + 250_000, abs=2000)


# Conversions.


def test_conversions_invert_each_other_across_the_wrap() -> None:
    run = links.Run(links.Truth(123, 3), links.usb_frames, seed=9, for_s=60)
    list(run.check())
    for at_s in (0.5, 9.9, 10.1, 59.0):
        us = run.truth.board_us(at_s)
        assert run.clock.board_us(run.clock.host_ns(us)) == pytest.approx(us, abs=0.01)


samples = st.lists(
    st.tuples(
        st.integers(0, 2**62) | st.integers(0, 10**10),
        st.integers(-(2**40), 2**40) | st.integers(0, 10**7),
        st.integers(-1000, 2**50) | st.integers(0, 10**6),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(samples, st.integers(-(2**40), 2**40))
def test_no_samples_whatever_break_it(made: list[tuple[int, int, int]], asked_us: int) -> None:
    clock = Clock()
    for sent_ns, board_us, trip_ns in made:
        verdict = clock.add(sent_ns, board_us, sent_ns + trip_ns)
        assert verdict in Verdict
    if clock.error_us() < math.inf:
        assert isinstance(clock.host_ns(asked_us), int)
        assert math.isfinite(clock.board_us(asked_us))
        assert clock.error_us(asked_us) >= 0
        assert clock.error_us() >= 0
        assert abs(clock.drift_ppm) < 1e5


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(1, 400_000), st.integers(0, 3000), st.integers(0, 3000)),
             min_size=1, max_size=300),
    st.floats(-2e-4, 2e-4),
)  # fmt: skip
def test_a_steady_clock_is_within_the_bound_whatever_the_delays(steps: list[tuple[int, int, int]], rate: float) -> None:
    """Adversarial delays: only the rate is steady. Then the bound is a theorem, not a statistic."""
    clock = Clock()
    now_us = 0
    for step_us, out_us, back_us in steps:
        now_us += step_us + out_us
        board_us = math.floor(now_us * (1 + rate))
        clock.add((now_us - out_us) * 1000, board_us, (now_us + back_us) * 1000)
        assert clock.restarts == clock.doubted == 0
        error_us = abs(clock.host_ns(board_us) / 1000 - now_us)
        assert error_us <= clock.error_us(board_us) + 0.01
        now_us += back_us
