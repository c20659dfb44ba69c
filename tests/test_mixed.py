"""The mixed model against the closed form that balanced data have, and what it says when it fails."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import stats

from rig.curves.mixed import mixed_model
from rig.curves.movement import Floats
from rig.errors import RigError

pytest.importorskip("statsmodels", reason="statsmodels is not installed")

SESSIONS = np.arange(1.0, 15.0)


def curves(seed: int, mice: int, sd_slope: float = 0.02, sd_residual: float = 0.05) -> tuple[Floats, Floats, Floats]:
    """Measure, session and mouse, (mice x 14,) each: 0.5 + 0.03 a session, mice differ in both."""
    rng = np.random.default_rng(seed)
    slope = 0.03 + sd_slope * rng.standard_normal((mice, 1))
    start = 0.5 + 0.1 * rng.standard_normal((mice, 1))
    noise = sd_residual * rng.standard_normal((mice, SESSIONS.size))
    measure = start + slope * SESSIONS + noise
    mouse = np.repeat(np.arange(float(mice)), SESSIONS.size)
    return measure.ravel(), np.tile(SESSIONS, mice), mouse


@pytest.mark.parametrize("seed", range(4))
def test_balanced_curves_have_the_mean_of_the_mices_own_slopes(seed: int) -> None:
    """With every session of every mouse, REML's slope and SE are those of the slopes themselves."""
    measure, session, mouse = curves(seed, mice=12)
    fit = mixed_model(measure, session, mouse)
    lines = np.polyfit(SESSIONS, measure.reshape(12, -1).T, 1)
    assert fit.converged
    assert not fit.on_boundary
    assert fit.said == ""
    assert fit.slope == pytest.approx(lines[0].mean(), rel=1e-6)
    assert fit.intercept == pytest.approx(lines[1].mean(), rel=1e-6)
    assert fit.slope_se == pytest.approx(lines[0].std(ddof=1) / np.sqrt(12), rel=1e-3)
    z = lines[0].mean() / (lines[0].std(ddof=1) / np.sqrt(12))
    assert fit.p == pytest.approx(2.0 * stats.norm.sf(abs(z)), rel=0.05)
    residual = measure.reshape(12, -1) - (lines[0][:, None] * SESSIONS + lines[1][:, None])
    pooled_sd = np.sqrt((residual**2).sum() / (12 * (SESSIONS.size - 2)))
    assert fit.sd_residual == pytest.approx(pooled_sd, rel=1e-3)
    noise_of_slope = pooled_sd**2 / ((SESSIONS - SESSIONS.mean()) ** 2).sum()
    assert fit.sd_slope**2 == pytest.approx(lines[0].var(ddof=1) - noise_of_slope, rel=1e-2)
    assert (fit.n_mice, fit.n_values) == (12, 168)


def test_the_size_of_the_measure_does_not_matter() -> None:
    measure, session, mouse = curves(1, mice=8)
    fit, large = mixed_model(measure, session, mouse), mixed_model(measure * 1e4, session, mouse)
    assert large.slope == pytest.approx(fit.slope * 1e4, rel=1e-6)
    assert large.slope_se == pytest.approx(fit.slope_se * 1e4, rel=1e-3)
    assert large.p == pytest.approx(fit.p, rel=1e-2)


def test_missing_sessions_are_left_out_and_the_slope_stays_near() -> None:
    measure, session, mouse = curves(2, mice=12)
    measure[np.random.default_rng(0).random(measure.size) < 0.2] = np.nan
    fit = mixed_model(measure, session, [f"mouse {m:.0f}" for m in mouse])
    assert fit.converged
    assert fit.n_values == np.isfinite(measure).sum()
    assert abs(fit.slope - 0.03) < 3 * fit.slope_se


def test_no_slope_is_rarely_significant() -> None:
    """Twenty studies of twelve mice without any trend: about one may have p below 0.05."""
    p = []
    for seed in range(20):
        measure, session, mouse = curves(seed, mice=12)
        p.append(mixed_model(measure - 0.03 * session, session, mouse).p)
    assert sum(one < 0.05 for one in p) <= 4
    assert max(p) > 0.3


def test_mice_that_do_not_differ_are_on_the_boundary_without_a_warning() -> None:
    rng = np.random.default_rng(4)
    session, mouse = np.tile(SESSIONS, 6), np.repeat(np.arange(6), SESSIONS.size)
    noise = rng.standard_normal((6, SESSIONS.size))
    noise -= noise.mean(axis=1, keepdims=True)
    fit = mixed_model((0.1 * SESSIONS + noise).ravel(), session, mouse)
    assert fit.on_boundary or not fit.converged
    assert fit.said != ""


def test_what_cannot_be_fitted_says_so() -> None:
    exact = mixed_model(*curves(0, mice=6, sd_residual=0.0))
    assert not exact.converged
    assert "without residual" in exact.said
    one_mouse = mixed_model([1.0, 2.0, 3.0], [1, 2, 3], ["a", "a", "a"])
    assert not one_mouse.converged
    assert np.isnan(one_mouse.slope)
    assert "fewer than two mice" in one_mouse.said
    assert "fewer than two" in mixed_model([1.0, 2.0], [1, 1], ["a", "b"]).said
    assert "fewer than two" in mixed_model([], [], []).said
    assert "never changes" in mixed_model([1.0] * 4, [1, 2, 1, 2], [1, 1, 2, 2]).said


def test_wrong_columns_and_a_missing_package_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RigError, match="equally long"):
        mixed_model([1.0], [1.0, 2.0], [1, 1])
    monkeypatch.setitem(sys.modules, "statsmodels.regression.mixed_linear_model", None)
    with pytest.raises(RigError, match="pip install statsmodels"):
        mixed_model([1.0], [1.0], [1])
