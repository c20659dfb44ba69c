"""One protocol file, unchanged, on three bodies: simulator, flashed board (emulated), StandardFirmata (its model).

The same mouse pushes the same lever; what a record says of its times is the body's own, and `rig show` says it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chip_rig import ChipInRig, flashed_mega
from firmata_rig import CONFIG, firmata_config, mouse, virtual_link

from rig.bodies.sim import SimLink, SimSettings
from rig.cli import main
from rig.config import Config
from rig.link import Link
from rig.record.folder import events_of, manifest_of, read_entries
from rig.record.verify import verify
from rig.session import launch
from rig.session.summary import Rules, Summary
from rig.session.timing import ON_BOARD

PROTOCOL = Path(__file__).parent.parent / "protocols" / "cued_lever.py"
QUICK = {"iti_min": "0.5 s", "iti_max": "0.6 s", "reward_time": "100 ms"}
ENCODER = CONFIG.replace("source: analogue", "source: encoder").replace("pins:", "# pins:")
CONFIGS = {
    "simulator": ENCODER.replace("body: firmata", "body: simulator"),
    "serial": ENCODER.replace("body: firmata", "body: serial").replace("uno328p", "mega2560"),
    "firmata": CONFIG,
}
LINKS: dict[str, Callable[[Config], Link]] = {
    "simulator": lambda config: SimLink(mouse(), SimSettings()),
    "serial": lambda config: flashed_mega(mouse()),
    "firmata": lambda config: virtual_link(config, mouse()),
}


def session(body: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Summary, Link]:
    """One rewarded trial."""
    config = firmata_config(data=str(folder), text=CONFIGS[body])
    link = LINKS[body](config)
    monkeypatch.setattr(launch, "open_link", lambda config, **_: link)
    order = launch.Order(
        config, folder / "config.yaml", protocol=str(PROTOCOL), changes=QUICK, rules=Rules(trials=1), seed=1
    )
    return launch.launch(order), link


def shown(summary: Summary, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["show", summary.session]) == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("simulator", "timing: simulated clock"),
        ("serial", "timing: board clock, decided on the board"),
        ("firmata", "timing: host clock, decided on this computer"),
    ],
)
def test_one_protocol_file_runs_unchanged_on_every_body_which_says_what_its_times_are_worth(
    body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, link = session(body, tmp_path, monkeypatch)
    assert (summary.ended, summary.trials, summary.lost_events, summary.damaged_frames) == ("trials", 1, 0, 0)
    assert summary.outcomes == {"rewarded": 1}
    entries, damage = read_entries(Path(summary.session))
    assert not damage
    manifest = manifest_of(entries)
    assert manifest["protocol"]["source"] == PROTOCOL.read_text(encoding="utf-8")
    report = verify(entries)
    assert not report.faults, report.faults
    text = shown(summary, capsys)
    assert said in text
    assert f"times are good to {manifest['timing']['uncertainty_us']} us" in text
    if isinstance(link, ChipInRig):
        stamps_are_good(link, [(e.board_us, e.fields) for e in events_of(entries) if e.name == "output"])


def stamps_are_good(chip: ChipInRig, told: list[tuple[int, dict[str, Any]]]) -> None:
    """The board's stamps of its outputs against its pins, but for the first: its trial begins with a command."""
    pins = [t_us for t_us, role, _ in chip.driven if role in ("valve", "sync")]
    assert len(pins) == len(told) > 4
    offsets_us = [pin_us - board_us for pin_us, (board_us, _) in zip(pins, told, strict=True)][1:]
    assert max(offsets_us) - min(offsets_us) <= ON_BOARD["uncertainty_us"]
