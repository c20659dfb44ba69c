"""How long the loop takes, as it goes on: counts in bins of 6 %, so that a percentile costs microseconds.

Pure. Times in, percentiles out; nothing is kept of a session but the bins and the worst.
"""

from __future__ import annotations

_SHIFT = 4  # 16 bins an octave
_BINS = 40 << _SHIFT


def _bin(ns: int) -> int:
    octave = ns.bit_length() - 1 - _SHIFT
    if octave <= 0:
        return ns
    return min(((octave + 1) << _SHIFT) + (ns >> octave) - (1 << _SHIFT), _BINS - 1)


def _edge_ns(number: int) -> int:
    """The upper edge of a bin."""
    octave = (number >> _SHIFT) - 1
    if octave <= 0:
        return number
    return ((number & ((1 << _SHIFT) - 1)) + (1 << _SHIFT) + 1 << octave) - 1


class Latency:
    """p50, p99 and worst of all times told so far."""

    def __init__(self) -> None:
        self.n = 0
        self.worst_ns = 0
        self._bins = [0] * _BINS

    def add(self, ns: int) -> None:
        """One time."""
        ns = max(ns, 0)
        self._bins[_bin(ns)] += 1
        self.n += 1
        self.worst_ns = max(self.worst_ns, ns)

    def percentile_us(self, percent: float) -> float:
        """The time that so many per cent stay within (at most 7 % too high), in µs; 0.0 before the first."""
        left = self.n * percent / 100
        for number, count in enumerate(self._bins):
            left -= count
            if left <= 0 < self.n:
                return min(_edge_ns(number), self.worst_ns) / 1000
        return 0.0

    def plain(self, name: str) -> dict[str, float]:
        """``{name_p50_us: …, name_p99_us: …, name_worst_us: …}``."""
        found = {"p50": self.percentile_us(50), "p99": self.percentile_us(99), "worst": self.worst_ns / 1000}
        return {f"{name}_{key}_us": round(value, 1) for key, value in found.items()}
