"""How much water an animal is still owed today, and whether it has lost too much weight.

Floor 0: arithmetic. The figures are common practice for water-restricted mice: about 1 mL a day for 25 g, and no animal
below 80 % of the weight it had before restriction.
"""

from __future__ import annotations

DAILY_UL_PER_G = 40.0  # 1 mL for 25 g
LOWEST_SHARE = 0.80
LIKELY_WEIGHT_G = (10.0, 60.0)  # of a mouse: anything else is a slip of the pen or the scale
UNWEIGHED_G = 25.0


def daily_ul(weight_g: float | None) -> float:
    """What an animal of this weight should have in a day; of an unknown weight, what 25 g should."""
    return DAILY_UL_PER_G * (weight_g or UNWEIGHED_G)


def top_up_ul(weight_g: float | None, given_ul: float) -> float:
    """What is still due today."""
    return max(0.0, daily_ul(weight_g) - given_ul)


def weight_share(weight_g: float | None, baseline_g: float | None) -> float | None:
    """Weight as a share of the baseline, where both are known."""
    return weight_g / baseline_g if weight_g and baseline_g else None


def weight_warning(subject: str, weight_g: float | None, baseline_g: float | None) -> str:
    """A line for an animal below 80 % of its baseline, or an empty string."""
    share = weight_share(weight_g, baseline_g)
    if share is None or share >= LOWEST_SHARE:
        return ""
    lost = f"{subject} weighs {weight_g:g} g, {100 * share:.0f} % of its {baseline_g:g} g"
    return f"{lost}: under {100 * LOWEST_SHARE:.0f} %, give water and ask the veterinarian"


def likely_weight(weight_g: float) -> bool:
    """Could a mouse weigh this?"""
    return LIKELY_WEIGHT_G[0] <= weight_g <= LIKELY_WEIGHT_G[1]
