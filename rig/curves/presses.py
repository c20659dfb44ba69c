"""Presses in a bare lever trace, by the rule the lab's rig went by.

Floor 0: arrays in, arrays out; no files, no clock. Positions are millimetres, push positive.
Source [AP] petersaj/AP_scripts_komiyamalab.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rig.curves.movement import SAMPLE_HZ, Floats


@dataclass(frozen=True)
class PressRule:
    """The press rule [AP]: from beyond rest to beyond press within 200 ms, then 1 s refractory.

    The two thresholds are recalled, not verified: give those of the rig.
    """

    rest_mm: float = 1.5
    press_mm: float = 3.0
    within_s: float = 0.2
    refractory_s: float = 1.0


def find_presses_s(trace_mm: Floats, start_s: float = 0.0, rule: PressRule | None = None) -> Floats:
    """When each press of a 1 kHz trace reaches the press threshold (first sample at or beyond it).

    At rest is at or below the rest threshold. The board's own PRESS events are the truth of a
    session; this is for a bare trace.
    """
    rule = rule or PressRule()
    above, at_rest = trace_mm >= rule.press_mm, trace_mm <= rule.rest_mm
    crossing = np.flatnonzero(above[1:] & ~above[:-1]) + 1
    left_rest = np.flatnonzero(at_rest[:-1] & ~at_rest[1:])
    nearest = np.searchsorted(left_rest, crossing) - 1
    crossing, nearest = crossing[nearest >= 0], nearest[nearest >= 0]
    # Samples are counted, not seconds subtracted: a press of exactly 200 ms is always a press.
    quick = crossing - left_rest[nearest] <= round(rule.within_s * SAMPLE_HZ)
    refractory = round(rule.refractory_s * SAMPLE_HZ)
    kept: list[int] = []
    for sample in crossing[quick].tolist():
        if not kept or sample - kept[-1] >= refractory:
            kept.append(sample)
    return start_s + np.asarray(kept, dtype=np.float64) / SAMPLE_HZ
