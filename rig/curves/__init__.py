"""Measures of learning, as pure functions on arrays: movements, presses, trials, trajectories, curves, statistics.

Each docstring names its source. Units are mm and s.
"""

from rig.curves.trajectory import across_session_correlation, within_session_correlation

__all__ = ["across_session_correlation", "within_session_correlation"]
