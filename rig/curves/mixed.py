"""The mixed model of a learning curve: ``measure ~ session + (session | mouse)``.

Floor 0: arrays in, numbers out; no files, no clock, no randomness, and no warnings: what did not
converge says so in its result. statsmodels is imported where it is used, so that everything else
works without it.

Sources: Laird & Ware 1982, Biometrics 38:963 (the model); Lindstrom & Bates 1988, J. Am. Stat.
Assoc. 83:1014 (its fit by REML, as statsmodels does it).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rig.curves.movement import Floats
from rig.curves.stats import NAN, ROUNDING
from rig.errors import RigError

OPTIMISERS = ("lbfgs", "bfgs", "powell")
"""Tried in this order until one converges; the first is the quickest, the last the most patient."""

BOUNDARY = 1e-3
"""A random part with less than this part of the residual variance is none: on the boundary."""

NO_RESIDUAL = 1e-8
"""A residual variance below this part of the measure's own is rounding: the data are lines."""


@dataclass(frozen=True)
class MixedModel:
    """The fit of ``measure ~ session + (session | mouse)``.

    ``slope`` is the change of the measure per session, ``slope_se`` its standard error, ``p`` of
    the two-sided Wald z test; ``intercept`` is the fit at session 0. ``sd_intercept`` (at the mean
    session), ``sd_slope`` and ``sd_residual`` are the random parts. ``converged`` false: believe
    none of it; ``on_boundary``: a random part came out as zero or the two as one line, so read
    ``slope_se`` with care.
    """

    slope: float
    slope_se: float
    p: float
    intercept: float
    sd_intercept: float
    sd_slope: float
    sd_residual: float
    n_mice: int
    n_values: int
    converged: bool
    on_boundary: bool
    said: str
    """What the fit complained of, in one line; empty if of nothing."""


def mixed_model(measure: ArrayLike, session: ArrayLike, mouse: ArrayLike) -> MixedModel:
    """Fit ``measure ~ session + (session | mouse)`` by REML, from rows (n,), leaving out NaN.

    Laird & Ware 1982: each mouse has its own line, its intercept and slope drawn around the group's.

    Raises RigError where statsmodels is not installed. With fewer than two mice or two sessions the
    result is NaN and not converged.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM  # noqa: PLC0415
    except ImportError as error:
        raise RigError("mixed model: needs statsmodels; run: pip install statsmodels") from error
    y, x = (np.ravel(np.asarray(column, dtype=np.float64)) for column in (measure, session))
    group = np.ravel(np.asarray(mouse))
    if len({y.size, x.size, group.size}) != 1:
        raise RigError("mixed model: measure, session and mouse must be equally long")
    known = np.isfinite(y) & np.isfinite(x)
    y, x, group = y[known], x[known], group[known]
    n_mice = len(set(group.tolist()))
    if n_mice < 2 or np.unique(x).size < 2:
        return _no_fit(n_mice, y.size, "fewer than two mice or two sessions")
    return _fit(MixedLM, y, x, group)


def _fit(model_class: Any, y: Floats, x: Floats, group: Any) -> MixedModel:
    """Centred and in units of their SD, so that the optimiser meets numbers near one."""
    from scipy import stats  # noqa: PLC0415 (a second to come, like statsmodels)

    n_mice = len(set(group.tolist()))
    mid_x, mid_y, unit_x, unit_y = x.mean(), y.mean(), x.std(), y.std()
    if unit_y <= ROUNDING * abs(mid_y):
        return _no_fit(n_mice, y.size, "the measure never changes")
    design = np.column_stack([np.ones_like(x), (x - mid_x) / unit_x])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit, said = _first_converged(model_class((y - mid_y) / unit_y, design, group, design))
        said += [str(warning.message) for warning in caught]
        complaint = "; ".join(dict.fromkeys(" ".join(line.split()) for line in said))
        if fit is None:
            return _no_fit(n_mice, y.size, complaint)
        slope_unit = unit_y / unit_x
        slope, se = float(fit.fe_params[1] * slope_unit), float(fit.bse_fe[1] * slope_unit)
        random = np.asarray(fit.cov_re, dtype=np.float64)
        if fit.scale < NO_RESIDUAL:
            complaint = "the lines fit without residual: nothing to judge their spread by"
        sound = fit.converged and np.isfinite([slope, se]).all() and fit.scale >= NO_RESIDUAL
        return MixedModel(
            slope=slope,
            slope_se=se,
            p=float(2.0 * stats.norm.sf(abs(slope / se))) if se > 0 else NAN,
            intercept=float(mid_y + unit_y * fit.fe_params[0] - slope * mid_x),
            sd_intercept=float(np.sqrt(random[0, 0]) * unit_y),
            sd_slope=float(np.sqrt(random[1, 1]) * slope_unit),
            sd_residual=float(np.sqrt(fit.scale) * unit_y),
            n_mice=n_mice,
            n_values=y.size,
            converged=bool(sound),
            on_boundary=bool(np.linalg.eigvalsh(random)[0] < BOUNDARY * fit.scale),
            said=complaint,
        )


def _first_converged(model: Any) -> tuple[Any, list[str]]:
    """The first fit that converges, or the last one, or None; and what went wrong on the way."""
    fit, said = None, []
    for method in OPTIMISERS:
        try:
            fit = model.fit(reml=True, method=[method])
        except (np.linalg.LinAlgError, ValueError, ZeroDivisionError) as error:
            said.append(f"{method}: {error}")
            continue
        if fit.converged:
            break
    return fit, said


def _no_fit(n_mice: int, n_values: int, why: str) -> MixedModel:
    return MixedModel(*(NAN,) * 7, n_mice=n_mice, n_values=n_values, converged=False, on_boundary=False, said=why)
