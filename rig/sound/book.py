"""The sounds of a session by number, as the board announces them.

Floor 0. The book grows in the order in which trials ask, so whoever asks again in the same order gets the same numbers:
that is how a record's tables can be made again. May not: play or make a sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rig.errors import ConfigError
from rig.experiment.parts import Audible, Click, Noise, Recording, Tone
from rig.units import Frequency, Level, Time

MOST = 256  # the board's messages have one byte for the number


@dataclass
class SoundBook:
    """``pin``: tones go to the board's tone pin, which needs no number. ``added`` is told of each new sound."""

    pin: bool = True
    sounds: list[Audible] = field(default_factory=list)
    added: Callable[[int, Audible], None] | None = None

    def number(self, asked: Audible) -> int | None:
        """The number of a sound, None for the tone pin; ConfigError for more sounds than the board can name."""
        if self.pin and isinstance(asked, Tone):
            return None
        plain = replace(asked, delay=Time(0))  # the board waits for the delay; the sound is the same
        if plain in self.sounds:
            return self.sounds.index(plain)
        if len(self.sounds) == MOST:
            raise ConfigError(f"{asked}: a session has at most {MOST} different sounds; ask for fewer")
        self.sounds.append(plain)
        if self.added is not None:
            self.added(len(self.sounds) - 1, plain)
        return len(self.sounds) - 1

    def plain(self) -> list[dict[str, Any]]:
        """The sounds as JSON can hold them, by number."""
        return [_plain(asked) for asked in self.sounds]

    @classmethod
    def from_plain(cls, sounds: Iterable[Mapping[str, Any]], *, pin: bool) -> SoundBook:
        """The book that ``plain`` told."""
        return cls(pin, [_asked(found) for found in sounds])


def _plain(asked: Audible) -> dict[str, Any]:
    said: dict[str, Any] = {"duration_us": asked.duration.us, "level_mdb": asked.level.base}
    match asked:
        case Tone():
            return {"tone_mhz": asked.frequency.base, **said}
        case Recording():
            return {"recording": asked.file, **said}
        case _:
            return {"click" if isinstance(asked, Click) else "noise": True, **said}


def _asked(found: Mapping[str, Any]) -> Audible:
    duration, level = Time(found["duration_us"]), Level(found["level_mdb"])
    if "tone_mhz" in found:
        return Tone(Frequency(found["tone_mhz"]), duration, level)
    if "recording" in found:
        return Recording(found["recording"], duration, level)
    return Click(duration, level) if "click" in found else Noise(duration, level)
