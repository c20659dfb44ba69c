"""rig calibrate: drops weighed, power measured, the lever's scale, each from sessions on the simulated rig."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import yaml
from rehearse import rig_folder

from rig.calibration.age import age_warning
from rig.cli import main
from rig.config.file import load_config
from rig.errors import ConfigError
from rig.record.folder import events_of, read_entries
from rig.record.remake import tables_of

GRAMS = "0.110,0.215,0.320,0.480,0.700"  # of 50 drops: 2.2, 4.3, 6.4, 9.6, 14 uL


def calibrate(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["calibrate", *words, "--config", str(config), "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def complaint(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["calibrate", *words, "--config", str(config)]) == 1
    return capsys.readouterr().err


def test_a_valve_that_was_never_calibrated_is_calibrated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path, valve__drops=None)
    found = calibrate(config, capsys, "valve", "--grams", GRAMS)
    assert [drop["ul"] for drop in found["drops"]] == [2.2, 4.3, 6.4, 9.6, 14.0]  # type: ignore[attr-defined]
    openings = []
    for folder in sorted((tmp_path / "data" / "test").iterdir()):
        valve = [e for e in events_of(read_entries(folder)[0]) if e.name == "output"]
        rises = [e.board_us for e in valve if "valve" in e.fields["active"]]
        falls = [e.board_us for e in valve if "valve" not in e.fields["active"]]
        openings.append({(len(rises), falls[i] - rises[i]) for i in range(len(rises))})
    assert openings == [{(50, 1000 * ms)} for ms in (15, 25, 35, 50, 70)]  # no drop more, none longer
    text = yaml.safe_load(config.read_text(encoding="utf-8"))
    text["valve"].update(found)
    config.write_text(yaml.safe_dump(text), encoding="utf-8")
    assert load_config(config).valve.drops
    assert main(["run", "--config", str(config), "--fast", "--trials", "1", "--json"]) == 0


def test_the_lines_for_config_yaml_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    assert main(["calibrate", "valve", "--config", str(config), "--grams", GRAMS]) == 0
    said = capsys.readouterr().out
    assert "volumes from 2." in said
    section = yaml.safe_load("valve:\n" + said.split("section valve:\n")[1])
    assert section["valve"]["drops"][1] == {"open_ms": 25, "ul": 4.3}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("valve", "--open", "10,20,30,40"), "give 5 or more"),
        (("valve", "--drops", "20"), "give 50 to 200"),
        (("valve", "--grams", "0.1,0.2"), "2 readings for 5 steps"),
        (("valve", "--grams", "a,b,c,d,e"), "expected numbers"),
        (("valve", "--grams", "0.110,0.215,0.320,0.250,0.700"), "measure it again"),
        (("valve", "--grams", "0.110,0.215,0.320,0.330,0.900"), "weigh it again"),
        (("valve", "--drops", "200", "--grams", GRAMS), "valve could be on for"),
        (("laser", "--levels", "0,300"), "from 0 to 255"),
        (("lever",), "is the encoder wired?"),
    ],
)
def test_what_cannot_be_is_refused(
    words: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in complaint(rig_folder(tmp_path), capsys, *words)


def test_a_laser_level_by_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path, laser__power=None)
    words = ("laser", "--levels", "0,64,255", "--seconds", "2", "--mw", "0,4.4,25.5")
    found = calibrate(config, capsys, *words)
    assert found["power"] == [{"level": 0, "mw": 0}, {"level": 64, "mw": 4.4}, {"level": 255, "mw": 25.5}]
    levels = []
    for folder in sorted((tmp_path / "data" / "test").iterdir()):
        (rows,) = tables_of(read_entries(folder)[0]).values()
        levels += [fields["level"] for name, fields in rows if name == "table_generator"]
    assert levels == [64, 255]
    assert "the ceiling of laser" in complaint(
        config, capsys, "laser", "--seconds", "13", "--mw", ",".join("123456789")
    )


def test_the_lever_s_noise_and_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "held.csv"
    rows = [(0, 0), *((5_000_000 + 1000 * i, i) for i in range(1, 501)), (30_000_000, 500)]
    trace.write_text("t_us,count\n" + "\n".join(f"{t},{c}" for t, c in rows) + "\n", encoding="utf-8")
    config = rig_folder(tmp_path)
    found = calibrate(config, capsys, "lever", "--at", "5", "--animal", f"trace:{trace}")
    assert found["mm_per_count"] == 0.01
    assert found["noise_sd_mm"] == 0
    assert set(calibrate(config, capsys, "lever", "--rest-only")) == {"calibrated", "noise_sd_mm"}


@pytest.mark.parametrize("part", ["valve", "laser", "lever", "sound"])
def test_the_remedy_is_a_command_that_there_is(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError) as error:
        age_warning(f"{part}.calibrated", None, date(2025, 3, 3), 30, 90)
    words = str(error.value).split("run: rig ")[1].split()
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: rig {words[0]}")
