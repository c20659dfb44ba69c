"""Before anything begins: what a session needs is there, or one line says what is missing and what to do."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rehearse import rig_folder

from rig.config.file import load_config
from rig.errors import ConfigError, RigError
from rig.session.intent import Order, intend
from rig.session.ready import check_ready, inputs_used, needs, samples
from rig.session.setup import RigBench, limits_of

TODAY = date(2025, 3, 3)
BOARD = {"states": 32, "rules": 4, "generators": 8}


def ready(folder: Path, words: dict[str, Any], **config: Any) -> list[str]:
    path = rig_folder(folder, **config)
    loaded = load_config(path)
    intent = intend(Order(loaded, path, **words))
    return check_ready(intent, RigBench.of(loaded, str(path)), limits_of(loaded, BOARD), TODAY)


def test_what_is_there_is_not_spoken_of(tmp_path: Path) -> None:
    assert ready(tmp_path, {"protocol": "cued_lever"}) == []


@pytest.mark.parametrize(
    ("words", "config", "says"),
    [
        ({"protocol": "habituation", "changes": {"touch": "yes"}}, {}, "habituation waits for touch"),
        ({"protocol": "cued_lever", "changes": {"touch_gate": "yes"}}, {}, "cued_lever waits for touch"),
        ({"protocol": "axon_mapping"}, {"inputs": {}}, "laser_back is not wired"),
        ({"protocol": "axon_mapping"}, {"laser__power": None}, "laser.power"),
        ({"protocol": "axon_mapping", "changes": {"power": "26 mw"}}, {}, "max_mw"),
        ({"protocol": "axon_mapping", "changes": {"count": "0"}}, {}, "count = 0 is outside"),
        ({"protocol": "axon_mapping", "changes": {"width": "49 ms", "interval_min": "1 s"}}, {}, "max_duty_ms"),
        ({"protocol": "valve_flush", "changes": {"pause": "10 ms"}}, {}, "valve could be on for"),
        ({"protocol": "cued_lever", "changes": {"press": "9 mm"}}, {}, "travel_mm"),
        ({"protocol": "cued_lever", "changes": {"drop": "20 ul"}}, {}, "20 ul"),
    ],
)
def test_what_is_missing_or_too_much_is_refused(
    words: dict[str, Any], config: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(RigError) as error:
        ready(tmp_path, words, **config)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_old_calibration_is_told_and_an_older_one_refused(tmp_path: Path) -> None:
    serial = {"body": "serial", "board": "mega2560", "lever__calibrated": TODAY}
    words = {"protocol": "cued_lever", "subject": "M07", "weight_g": 24.0}
    told = ready(tmp_path, words, valve__calibrated=date(2025, 1, 20), **serial)
    assert sum("valve" in line for line in told) == 1
    with pytest.raises(ConfigError, match="valve"):
        ready(tmp_path, words, valve__calibrated=date(2024, 11, 1), **serial)


def test_how_loud_it_is_must_be_known_and_not_for_long_ago(tmp_path: Path) -> None:
    today = TODAY.isoformat()
    serial = {"body": "serial", "board": "mega2560", "lever__calibrated": today, "valve__calibrated": today}
    words = {"protocol": "cued_lever", "subject": "M07", "weight_g": 24.0}
    card = {**serial, "sound__device": "USB Audio"}

    def measured(on: date, **changes: Any) -> dict[str, Any]:
        found = {"calibrated": on.isoformat(), "device": "USB Audio", "attenuation_db": 0, **changes}
        return {**card, "sound__calibration": {**found, "octaves": [{"hz": 6000, "full_scale_db": 100}]}}

    assert ready(tmp_path, words, **measured(TODAY)) == []
    (warning,) = ready(tmp_path, words, **measured(date(2025, 1, 20)))
    assert "sound calibration is 42 days old (refused after 92); run: rig sound calibrate" in warning
    for config, says in (
        (card, "sound.calibration: missing; run: rig sound calibrate"),
        (measured(date(2024, 11, 1)), "sound calibration is 122 days old (limit 92)"),
        (measured(TODAY, device="another"), 'of device "another", not "USB Audio"'),
        (measured(TODAY, attenuation_db=20), "holds at 20 dB attenuation, the rig is set to 0 dB"),
    ):
        with pytest.raises(ConfigError, match=re.escape(says)):
            ready(tmp_path, words, **config)
    (silent,) = ready(tmp_path, words, **serial)
    assert silent.startswith("NO SOUND")


def test_what_a_session_rests_on(tmp_path: Path) -> None:
    path = rig_folder(tmp_path)
    config = load_config(path)
    for protocol, parts in (
        ("cued_lever", ["lever", "valve"]),
        ("valve_flush", ["valve"]),
        ("axon_mapping", ["laser"]),
        ("cued_lever_inactivation", ["lever", "valve"]),  # no plan, no light
    ):
        intent = intend(Order(config, path, protocol=protocol))
        study = samples(intent, RigBench.of(config), limits_of(config, BOARD))
        assert needs(config, [*study.dark, *study.light]) == parts
        assert inputs_used(study.dark) == []


def test_light_by_hand_is_looked_at_too(tmp_path: Path) -> None:
    path = rig_folder(tmp_path)
    config = load_config(path)
    intent = intend(Order(config, path, protocol="cued_lever_inactivation", opto=True))
    study = samples(intent, RigBench.of(config), limits_of(config, BOARD))
    assert "laser" in needs(config, study.light)
    assert "laser" not in needs(config, study.dark)
    assert study.lights is not None
    assert not any(study.lights[:10])
