"""Group statistics against values worked out by hand and against scipy."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rig.curves.stats import group_curve, light_effect, paired, pooled_percentiles
from rig.errors import RigError

NAN = float("nan")
CURVES = Path(__file__).parents[2] / "shared" / "reference" / "ren2022_learning_curves.csv"


def test_mean_and_sem_count_only_the_mice_that_have_the_session() -> None:
    curve = group_curve([[1.0, 2.0, NAN, 5.0], [3.0, NAN, NAN, 5.0], [5.0, 4.0, NAN, 5.0]])
    np.testing.assert_equal(curve.n_mice, [3.0, 2.0, 0.0, 3.0])
    np.testing.assert_allclose(curve.mean, [3.0, 3.0, NAN, 5.0])
    np.testing.assert_allclose(curve.sem, [2.0 / np.sqrt(3.0), 1.0, NAN, 0.0])


def test_one_mouse_has_a_mean_but_no_sem() -> None:
    curve = group_curve([1.0, 2.0])
    assert curve.mean.tolist() == [1.0, 2.0]
    assert np.isnan(curve.sem).all()


@pytest.mark.skipif(not CURVES.exists(), reason="../shared/reference is not there")
def test_sem_is_that_of_the_published_curves() -> None:
    """The published SEM is the sample SD over the root of the number of mice, to its rounding."""
    with CURVES.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["sd"]) > 0]
    assert len(rows) > 100
    for row in rows:
        n = int(row["n_mice"])
        spread = np.linspace(-1.0, 1.0, n)
        mice = float(row["mean"]) + float(row["sd"]) * spread / spread.std(ddof=1)
        curve = group_curve(mice[:, None])
        assert curve.sem[0] == pytest.approx(float(row["sem"]), abs=1e-4)


def test_percentiles_of_all_trials_together() -> None:
    pooled = pooled_percentiles([np.arange(0.0, 60.0), [NAN], np.arange(60.0, 101.0)])
    assert pooled.tolist() == [5.0, 50.0, 95.0]
    assert np.isnan(pooled_percentiles([])).all()
    assert np.isnan(pooled_percentiles([[NAN], []], (50.0,))).tolist() == [True]


# ---- light ---------------------------------------------------------------------------------------


def test_light_is_paired_within_days_and_tested_over_mice() -> None:
    """Mouse a: days .9-.5 and .7-.5; b: .8-.6 (its second day has no light); c: none; d: .6-.1."""
    rows = [
        ("a", 1, 0, 0.8), ("a", 1, 0, 1.0), ("a", 1, 1, 0.5),
        ("a", 2, 1, 0.5), ("a", 2, 0, 0.7),
        ("b", 1, 0, 0.8), ("b", 1, 1, 0.6), ("b", 2, 0, 0.1),
        ("c", 1, 0, 0.9), ("c", 2, 1, 0.1), ("c", 1, 1, NAN),
        ("d", 5, 1, 0.1), ("d", 5, 0, 0.6),
    ]  # fmt: skip
    effect = light_effect(*zip(*rows, strict=True))
    assert effect.mice == ("a", "b", "d")
    np.testing.assert_allclose(effect.off, [0.8, 0.8, 0.6])
    np.testing.assert_allclose(effect.on, [0.5, 0.6, 0.1])
    difference = np.array([-0.3, -0.2, -0.5])
    assert effect.over_mice.n == 3
    assert effect.over_mice.mean == pytest.approx(difference.mean())
    assert effect.over_mice.effect_dz == pytest.approx(difference.mean() / difference.std(ddof=1))
    assert [one.n for one in effect.by_mouse] == [2, 1, 1]
    assert effect.by_mouse[0].mean == pytest.approx(-0.3)
    assert effect.by_mouse[0].t == pytest.approx(-3.0)  # -.4 and -.2: mean .3, SEM .1
    assert np.isnan(effect.by_mouse[1].p_t)


def test_paired_statistics_are_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    off = rng.standard_normal(9)
    on = off + 0.4 + 0.3 * rng.standard_normal(9)
    result, reference = paired(off, on), stats.ttest_rel(on, off)
    interval = reference.confidence_interval()
    assert result.t == pytest.approx(reference.statistic)
    assert result.p_t == pytest.approx(reference.pvalue)
    assert (result.ci95_low, result.ci95_high) == pytest.approx((interval.low, interval.high))
    assert result.sem == pytest.approx(stats.sem(on - off))
    assert result.p_wilcoxon == pytest.approx(stats.wilcoxon(on, off).pvalue)


def test_six_mice_that_all_get_worse_have_the_smallest_signed_rank_p() -> None:
    """Of the 64 ways to sign six differences, two are as extreme: p = 2/64."""
    worse = paired(np.zeros(6), -np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert worse.p_wilcoxon == pytest.approx(2 / 64)


def test_no_spread_is_no_statistic() -> None:
    same = paired(np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.4, 0.5]))
    assert same.mean == pytest.approx(0.2)
    assert np.isnan([same.t, same.p_t, same.p_wilcoxon, same.effect_dz, same.ci95_low]).all()
    assert paired(np.empty(0), np.empty(0)).n == 0
    assert light_effect([], [], [], []).mice == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=60))
def test_ties_and_zeros_neither_warn_nor_leave_the_unit_interval(difference: list[float]) -> None:
    result = paired(np.zeros(len(difference)), np.array(difference))
    for p in (result.p_t, result.p_wilcoxon):
        assert np.isnan(p) or 0.0 <= p <= 1.0


def test_columns_must_be_equally_long() -> None:
    with pytest.raises(RigError, match="equally long"):
        light_effect(["a", "b"], [1, 1], [0, 1], [0.5])
