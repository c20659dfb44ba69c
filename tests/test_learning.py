"""A study's curves from the archive's rows: which session is which day, what the group is, and what light does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rig.curves.learning import NAMES, Learning, learning, natural, quick_matrix
from rig.curves.text import effect, plain_curves, trend
from rig.curves.trajectory import correlation_matrix
from rig.errors import RecordError
from rig.record.entry import MICRONS

Rows = tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]
RNG = np.random.default_rng(7)


def pushes(n: int, noise: float) -> NDArray[np.int16]:
    shape = np.sin(np.linspace(0, 3, 201)) * 4
    return np.rint((shape + noise * RNG.standard_normal((n, 201))) * MICRONS).astype("<i2")


def add(
    rows: Rows, mouse: str, date: str, *, day: int | None = None, trials: int = 20, **means: tuple[float, float]
) -> None:
    """A session; ``means``: value without light and with it, for some measures; without any it has no light."""
    uid = f"{mouse} {date} {len(rows[0])}"
    n_light = 5 if means else 0
    rows[0].append({"uid": uid, "subject": mouse, "date": date, "day": day, "n_trials": trials, "n_light": n_light})
    some = pushes(9, 1.0)
    measures = {which: dict.fromkeys(NAMES) for which in ("all", "off", "on")}
    measures["all"] |= {"success": trials / 100, "n_trials": trials}
    for name, (off, on) in means.items():
        measures["off"][name], measures["on"][name] = off, on
    lit = np.zeros(9, np.uint8)
    lit[:n_light] = 1
    found = {"measures": measures, "samples": 201, "pushes": some.tobytes(), "pushes_lit": lit.tobytes()}
    rows[1][uid] = found


def study() -> Rows:
    rows: Rows = ([], {})
    for mouse in ("M10", "M2"):
        for day in (1, 2, 3):
            add(rows, mouse, f"2025-03-0{day}", trials=10 * day)
    return rows


def test_days_are_counted_where_no_plan_says_them() -> None:
    rows = study()
    add(rows, "M2", "2025-03-09", trials=40)
    curves = learning(*rows)
    assert curves.mice == ("M2", "M10")
    assert curves.days == (1, 2, 3, 4)
    np.testing.assert_array_equal(curves.values["all"]["success"], [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, np.nan]])


def test_a_plans_day_goes_before_counting_and_the_fuller_session_counts() -> None:
    rows: Rows = ([], {})
    add(rows, "M1", "2025-03-01", day=4, trials=30)
    add(rows, "M1", "2025-03-01", day=4, trials=50)
    add(rows, "M1", "2025-03-05", day=6, trials=10)
    curves = learning(*rows)
    assert curves.days == (4, 6)
    np.testing.assert_array_equal(curves.values["all"]["success"], [[0.5, 0.1]])


def test_the_group_is_its_mean_and_sem() -> None:
    curves = learning(*study())
    group = curves.group("success")
    np.testing.assert_allclose(group.mean, [0.1, 0.2, 0.3])
    assert group.n_mice.tolist() == [2, 2, 2]
    assert curves.only(["M10"]).mice == ("M10",)
    assert curves.only(["M10"]).group("success").n_mice.tolist() == [1, 1, 1]


def test_the_quick_matrix_is_the_matrix() -> None:
    sets = [pushes(n, noise) / MICRONS for n, noise in ((12, 0.5), (5, 2.0), (2, 1.0), (8, 1.0))]
    sets.append(np.empty((0, 0)))
    wanted = correlation_matrix([one if len(one) else np.empty((0, 201)) for one in sets])
    np.testing.assert_allclose(quick_matrix(sets), wanted, atol=1e-5)


def test_the_matrix_leaves_out_pushes_with_light() -> None:
    rows: Rows = ([], {})
    add(rows, "M1", "2025-03-01", success=(0.9, 0.5))
    curves = learning(*rows)
    assert (len(curves.pushes[0][0]), len(curves.lit_pushes[0][0])) == (4, 5)
    assert curves.light_days == (1,)


def light_study() -> tuple[Learning, NDArray[np.float64]]:
    rows: Rows = ([], {})
    values = np.empty((6, 2, 2))
    for i in range(6):
        for j in range(2):
            off, on = RNG.normal(1.0, 0.2), RNG.normal(2.0, 0.4)
            values[i, j] = off, on
            add(rows, f"M{i}", f"2025-03-0{j + 1}", cue_to_reward_s=(off, on))
    return learning(*rows), values


def test_light_is_paired_within_days_one_pair_a_mouse() -> None:
    curves, values = light_study()
    found = effect(curves, "cue_to_reward_s")
    off, on = values.mean(axis=1).T
    wanted = stats.ttest_rel(on, off)
    assert found["n"] == 6
    assert found["mean"] == pytest.approx(float((on - off).mean()))
    assert found["t"] == pytest.approx(float(wanted.statistic))
    assert found["p_t"] == pytest.approx(float(wanted.pvalue))
    assert found["p_wilcoxon"] == pytest.approx(float(stats.wilcoxon(on - off).pvalue))


def test_a_curve_without_chance_has_its_own_slope() -> None:
    rows: Rows = ([], {})
    for i, mouse in enumerate(("M1", "M2", "M3", "M4")):
        for day in range(1, 7):
            add(rows, mouse, f"2025-03-0{day}", trials=20 + 3 * i + 5 * day + (-1) ** (day + i))
    add(rows, "M1", "2025-03-08", success=(0.0, 0.0))  # a light day, which the trend leaves out
    fit = trend(learning(*rows), "success")
    assert (fit.n_mice, fit.n_values) == (4, 24)
    assert fit.slope == pytest.approx(0.05, abs=0.001)
    assert fit.p < 1e-6


def test_water_is_the_sessions_own() -> None:
    rows = study()
    rows[0][0]["water_ul"] = 160.0
    water_ul = learning(*rows).values["all"]["water_ul"]
    assert water_ul[1, 0] == 160.0  # M10, whose rows came first
    assert np.isnan(water_ul[0]).all()


def test_plain_curves_say_it_all() -> None:
    curves, _ = light_study()
    plain = plain_curves(curves)
    assert plain["light_days"] == [1, 2]
    assert plain["measures"]["cue_to_reward_s"]["on"]["n"] == [6, 6]
    assert "light_effect" not in plain  # which takes scipy, and with it a second
    assert set(plain_curves(curves, statistics=True)["light_effect"]) >= {"success", "cue_to_reward_s", "within_r"}
    assert "light_effect" not in plain_curves(learning(*study()), statistics=True)


def test_nothing_to_show_is_said() -> None:
    with pytest.raises(RecordError, match="rig archive sync"):
        learning([], {})


def test_names_sort_as_people_count() -> None:
    assert sorted(["M10", "M2", "a", "M2b"], key=natural) == ["M2", "M2b", "M10", "a"]
