"""The water of a session, opening by opening, from what the valve did and not from what was asked."""

from __future__ import annotations

from rig import wire
from rig.errors import ConfigError
from rig.experiment.parts import Drop
from rig.experiment.table import Bench
from rig.session.summary import Summary
from rig.session.watcher import Staged, Watcher

_VALVE = 1 << wire.OUTPUTS.index("valve")


class WaterCount(Watcher):
    """Adds each opening's volume to the summary as the valve closes."""

    hears = ("output", "lost")

    def __init__(self, summary: Summary, bench: Bench) -> None:
        super().__init__()
        self._summary, self._bench = summary, bench
        self._since_us: int | None = None

    def event(self, name: str, board_us: int, body: tuple[int, ...], staged: Staged | None) -> None:
        """The outputs as they are now."""
        if name == "lost":  # how long the valve was open is not known
            self._summary.uncounted_openings += self._since_us is not None
            self._since_us = None
            return
        open_now = bool(body[0] & _VALVE)
        if open_now and self._since_us is None:
            self._since_us = board_us
        elif not open_now and self._since_us is not None:
            self._count(board_us - self._since_us, staged)
            self._since_us = None

    def _count(self, open_us: int, staged: Staged | None) -> None:
        try:
            self._summary.water_ul += self._volume_ul(open_us, staged)
        except ConfigError:  # cut short, or a flush: outside of what was weighed, nobody knows
            self._summary.uncounted_openings += 1

    def _volume_ul(self, open_us: int, staged: Staged | None) -> float:
        """What an opening gave: the drop asked for where it lasted as long as that, else by the calibration."""
        for state in staged.trial.states if staged else ():
            for generator in state.start:
                if isinstance(generator, Drop) and self._bench.open_us(generator.volume.ul) == open_us:
                    return generator.volume.ul
        return self._bench.volume_ul(open_us)
