"""When a session ends by itself, and how it went."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Rules:
    """When a session ends by itself; None: not by this."""

    trials: int | None = None
    minutes: float | None = None
    water_ul: float | None = None


@dataclass
class Summary:
    """How a session went. The last fields are its watchers' parts, where it had them."""

    session: str = ""
    trials: int = 0
    rewarded: int = 0
    success_rate: float | None = None
    events: int = 0
    lost_events: int = 0
    water_ul: float = 0.0
    uncounted_openings: int = 0  # of the valve, outside its calibration: how much they gave is not known
    gap_us_max: int = 0
    minutes: float = 0.0
    ended: str = ""
    clock_error_us: float = 0.0
    resends: int = 0
    damaged_frames: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    stage: str = ""
    light: dict[str, Any] | None = None
    sound: dict[str, Any] | None = None
    frames: dict[str, Any] | None = None

    def count(self, outcome: str | None) -> None:
        """One trial more."""
        self.trials += 1
        self.rewarded += outcome == "rewarded"
        self.success_rate = self.rewarded / self.trials
        self.outcomes[str(outcome)] = self.outcomes.get(str(outcome), 0) + 1

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)
