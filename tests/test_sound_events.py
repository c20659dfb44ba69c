"""Settings and the choice of a device."""

from __future__ import annotations

from typing import Any

import pytest

from rig import config
from rig.errors import ConfigError
from rig.sound.events import Body, SoundSettings, find_device

DEVICES: list[dict[str, Any]] = [
    {"name": "USB Audio: front", "index": 0, "max_output_channels": 2},
    {"name": "USB Audio: rear", "index": 1, "max_output_channels": 2},
    {"name": "HDMI", "index": 2, "max_output_channels": 8},
    {"name": "HDMI 2", "index": 3, "max_output_channels": 8},
    {"name": "Microphone", "index": 4, "max_output_channels": 0},
    {"name": "Beeper", "index": 5, "max_output_channels": 1},
]


@pytest.mark.parametrize(("name", "index"), [("front", 0), ("HDMI", 2), ("hdmi 2", 3), ("USB Audio: rear", 1)])
def test_a_device_is_chosen_by_its_name_or_a_part_of_it(name: str, index: int) -> None:
    assert find_device(name, DEVICES, 2) == index


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("usb audio", "fits several: USB Audio: front, USB Audio: rear"),
        ("HDMY", r'did you mean "HDMI"'),
        ("Microphone", "no output"),
        ("Beeper", "with 2 channels"),
    ],
)
def test_what_fits_none_or_several_is_refused_with_the_names(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_device(name, DEVICES, 2)


def test_one_channel_without_a_sync_pulse() -> None:
    assert find_device("Beeper", DEVICES, SoundSettings(sync_ms=0).channels) == 5


@pytest.mark.parametrize(
    "wrong", [{"rate_hz": 100}, {"block_samples": 0}, {"block_samples": 10_000}, {"without_device": Body.DEVICE}]
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"sound\."):
        SoundSettings(**wrong)


def test_the_configuration_says_what_stands_in() -> None:
    assert SoundSettings.of(config.Sound()).without_device == Body.SILENT
    assert SoundSettings.of(config.Sound(device="tone")).without_device == Body.TONE_PIN
    assert SoundSettings.of(config.Sound(device="tone")).device is None
    asked = config.Sound(device="USB", fallback="stop", block_samples=64, delay_us=1500.0)
    settings = SoundSettings.of(asked)
    assert settings == SoundSettings(device="USB", without_device=Body.STOP, block_samples=64, delay_us=1500.0)
