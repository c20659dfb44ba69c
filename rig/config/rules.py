"""Rules between keys of config.yaml: what each value allows by itself but not beside the others.

Floor 0: looks at a whole configuration and raises; it changes nothing. The board's hard caps stand here a second
time, so that a ceiling is refused at the desk and not by the board; a test holds them against ``firmware/core``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rig.config.text import Path, Text
from rig.wire import MAX_TIMER_US

if TYPE_CHECKING:
    from rig.config import Config, OutputLimits

CAP_MS = {"valve": 2_000.0, "laser": 30_000.0}
OTHER_CAP_MS = MAX_TIMER_US / 1000


def check_rules(text: Text, config: Config) -> None:
    """Raises ConfigError for the first pair of keys that contradict each other."""
    _check_body(text, config)
    _check_addresses(text, config)
    _check_lever(text, config)
    _check_valve(text, config)
    _check_laser(text, config)
    _check_sound(text, config)
    for name, limits in config.safety.outputs.items():
        _check_limits(text, name, limits)
    _check_wiring(text, config)


def _check_body(text: Text, config: Config) -> None:
    body, board = config.body, config.board
    if body in ("serial", "firmata", "emulator") and board == "simulator":
        text.fault(("board",), f"body {body} needs a board; write the one you have, e.g. mega2560")
    if body == "emulator" and board == "teensy4":
        text.fault(("board",), "the emulator runs AVR boards only; write mega2560 or uno328p")


def _check_addresses(text: Text, config: Config) -> None:
    if config.archive and re.search(r"://[^/@]*:[^/@]*@", config.archive):
        text.fault(("archive",), "a password does not belong in this file, which every record keeps; leave it out")
    if config.archive not in (None, "auto") and "://" not in str(config.archive):
        text.fault(("archive",), "expected auto, none or a URL; write e.g. sqlite:///archive.sqlite")
    if config.stream is None:
        return
    found = re.fullmatch(r"tcp://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.*-]+):([0-9]{1,5})", config.stream)
    if not found or not 1 <= int(found[2]) <= 65535:
        text.fault(("stream",), "expected tcp://address:port; write e.g. tcp://127.0.0.1:5555")
    if config.stream_keys is None and not _is_loopback(found[1].strip("[]")):
        text.fault(("stream",), "beyond this computer only with stream_keys; add them, or write tcp://127.0.0.1:5555")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_lever(text: Text, config: Config) -> None:
    rate = config.lever.sample_hz
    if 1_000_000 % rate:
        near = min((n for n in range(1, 10_001) if 1_000_000 % n == 0), key=lambda n: abs(n - rate))
        text.fault(("lever", "sample_hz"), f"{rate} is no whole number of microseconds a sample; write e.g. {near}")


def _check_valve(text: Text, config: Config) -> None:
    drops = config.valve.drops or ()
    for key in ("open_ms", "ul"):
        _check_rising(text, ("valve", "drops"), key, [getattr(drop, key) for drop in drops])
    _check_ages(text, "valve", config.valve.warn_after_days, config.valve.refuse_after_days)


def _check_laser(text: Text, config: Config) -> None:
    points = config.laser.power or ()
    _check_rising(text, ("laser", "power"), "level", [point.level for point in points])
    _check_rising(text, ("laser", "power"), "mw", [point.mw for point in points])
    if points and config.laser.max_mw < points[0].mw:
        text.fault(("laser", "max_mw"), f"below the lowest power measured, {points[0].mw:g}; measure lower levels")
    _check_ages(text, "laser", config.laser.warn_after_days, config.laser.refuse_after_days)


def _check_sound(text: Text, config: Config) -> None:
    if config.sound.calibration:
        octaves = [octave.hz for octave in config.sound.calibration.octaves]
        _check_rising(text, ("sound", "calibration", "octaves"), "hz", octaves)


def _check_rising(text: Text, path: Path, key: str, values: Sequence[float]) -> None:
    for i, (before, value) in enumerate(pairwise(values), 1):
        if value <= before:
            text.fault((*path, i, key), f"{value:g} does not rise above the {before:g} before it; measure it again")


def _check_ages(text: Text, section: str, warn: int, refuse: int) -> None:
    if warn >= refuse:
        text.fault((section, "warn_after_days"), f"{warn} is not before refuse_after_days, {refuse}; write e.g. 30")


def _check_limits(text: Text, name: str, limits: OutputLimits) -> None:
    path: Path = ("safety", "outputs", name)
    cap_ms = CAP_MS.get(name, OTHER_CAP_MS)
    if limits.max_on_ms > cap_ms:
        text.fault(
            (*path, "max_on_ms"), f"{limits.max_on_ms:g} is beyond the board's own cap; write {cap_ms:g} or less"
        )
    if (limits.window_s is None) != (limits.max_duty_ms is None):
        text.fault(path, "window_s and max_duty_ms go together; write both, or none for both")
    if limits.window_s is not None and limits.max_duty_ms is not None and limits.max_duty_ms > 1000 * limits.window_s:
        text.fault((*path, "max_duty_ms"), f"more than the window has; write {1000 * limits.window_s:g} or less")


def _check_wiring(text: Text, config: Config) -> None:
    interlock = config.safety.interlock
    if interlock is not None and interlock not in config.inputs:
        text.fault(("safety", "interlock"), f"{interlock} is not wired; add it to inputs, or write none")
    roles: dict[int | str, str] = {}
    for role, pin in config.pins.items():
        if pin in roles:
            text.fault(("pins", role), f"pin {pin} is {roles[pin]}'s already; give each role its own")
        roles[pin] = role
