"""From a configuration to a rig that can run: the bench for the compiler, the board's setup, the link.

Nothing here runs a session.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Self

from rig import pins, wire
from rig.board import Hello
from rig.bodies.animals import Animal, make_animal
from rig.bodies.core import firmware_folder
from rig.bodies.pty import PtyBody
from rig.bodies.sim import FAULTS, SimLink, SimSettings
from rig.calibration import FILE, Calibrations
from rig.calibration.age import level_calibration
from rig.clock import Clock
from rig.config import Config
from rig.config.file import read_beside
from rig.errors import BoardError, ConfigError, did_you_mean
from rig.experiment import parts
from rig.experiment.table import Limits
from rig.firmata import FirmataLink
from rig.link import Link, SerialLink, ports
from rig.sound import Sound, of_task
from rig.sound.book import SoundBook
from rig.sound.cues import SoundWatcher
from rig.sound.events import Body, SoundSettings
from rig.sound.onset import Method
from rig.soundcard import SoundEngine
from rig.soundcard.simulated import BesideSim, SimCard


@dataclass(frozen=True)
class RigBench(Calibrations):
    """A rig's calibrations and its sounds, as the compiler asks for them (:class:`rig.experiment.table.Bench`)."""

    sounds: SoundBook = field(default_factory=SoundBook)

    @classmethod
    def of(cls, config: Config, file: str = FILE, sounds: SoundBook | None = None) -> Self:
        """Every calibration in a configuration; without ``sounds``, an empty book. Raises ConfigError."""
        book = SoundBook(pin=config.sound.device in (None, Body.TONE_PIN)) if sounds is None else sounds
        return replace(super().of(config, file), sounds=book)

    def sound(self, generator: parts.Audible) -> int | None:
        """The number of a sound for the card, or None for the board's tone pin."""
        return self.sounds.number(generator)


def limits_of(config: Config, board: dict[str, Any]) -> Limits:
    """What this board (its hello) holds, and what the rig's ceilings allow."""
    return Limits(
        board=f"the board ({config.board})",
        states=board["states"],
        rules=board["rules"],
        generators=board["generators"],
        max_on_us={name: round(1000 * limits.max_on_ms) for name, limits in config.safety.outputs.items()},
        wired=[*config.pins] if config.body == "firmata" else wire.OUTPUTS[: board.get("outputs", len(wire.OUTPUTS))],
    )


def board_setup(config: Config) -> list[tuple[str, dict[str, int]]]:
    """The commands that configure a board, ceilings first; after them it is armed."""
    commands: list[tuple[str, dict[str, int]]] = []
    for name, limits in config.safety.outputs.items():
        window_us = round(1e6 * (limits.window_s or 0))
        commands.append(
            (
                "set_output",
                {
                    "output": wire.OUTPUTS.index(name),
                    "safe": int(limits.safe == "high"),
                    "max_on_us": round(1000 * limits.max_on_ms),
                    "window_us": window_us,
                    "max_duty_us": round(1000 * (limits.max_duty_ms or 0)) if window_us else 0,
                },
            )
        )
    interlock = config.safety.interlock
    commands += [
        ("set_inputs", {"enabled": _mask(config, all_wired=True), "invert": _mask(config, all_wired=False)}),
        (
            "set_safety",
            {
                "deadman_us": 1000 * config.safety.deadman_ms,
                "interlock": wire.INPUTS.index(interlock) if interlock else wire.NO_INPUT,
            },
        ),
        (
            "set_lever",
            {
                "source": int(config.lever.source == "analogue"),
                "period_us": 1_000_000 // config.lever.sample_hz,
                "batch": config.lever.batch_samples,
            },
        ),
        ("lock", {}),
        ("arm", {}),
    ]
    return commands


def pin_table(kind: wire.BoardKind) -> tuple[pins.Pin, ...]:
    """A board's own pins, as its program was built; none for a body that has no pins."""
    found = sorted((firmware_folder() / "boards").glob(f"*/pins_{kind.name.lower()}.h"))
    return pins.table(found[0].read_text(encoding="utf-8")) if found else ()


def check_board(config: Config, hello: Hello) -> None:
    """Raises ConfigError or BoardError where another board answered than config.yaml names, or one with other pins."""
    kind = wire.BoardKind(hello.board)
    table = pin_table(kind)
    if not table:
        return
    name = kind.name.lower()
    if config.board != name:
        raise ConfigError(
            f"config.yaml: board: {config.board}, but a {name} answered: name it so, or connect the other"
        )
    pins.check(name, table, config.pins, hello.pins_hash)


def _mask(config: Config, *, all_wired: bool) -> int:
    wired = (name for name, line in config.inputs.items() if all_wired or line.active_low)
    return sum(1 << wire.INPUTS.index(name) for name in wired)


def open_link(
    config: Config,
    *,
    animal: str | Animal | None = None,
    pace: float | None = None,
    seed: int | None = None,
    fault: str = "",
) -> Link:
    """The link to this rig's body. All but ``config`` is the simulator's; ``animal`` is words, or an object.

    ``fault``: what breaks, and after how many seconds: ``laser_dead``, ``laser_stuck@60``.
    """
    if config.body in ("simulator", "pty"):
        simulator = config.simulator
        seed = simulator.seed if seed is None else seed
        sign = -1 if config.lever.invert else 1
        settings = SimSettings(
            seed=seed,
            pace=pace,
            link_latency_us=round(1000 * simulator.link_latency_ms),
            drift_ppm=simulator.drift_ppm,
            sound_latency_us=round(1000 * simulator.sound_latency_ms),
            frame_hz=simulator.frame_hz,
            **_fault(fault),
        )
        counts_per_mm = sign / config.lever.mm_per_count
        if animal is None or isinstance(animal, str):
            animal = make_animal(animal or simulator.animal, counts_per_mm, seed)
        return SimLink(animal, settings, PtyBody() if config.body == "pty" else None)
    if config.body == "emulator":
        return _emulated(config, animal)
    if config.body == "serial":
        return SerialLink(_port(config))
    if config.body == "firmata":
        return FirmataLink.of(config, _port(config))
    raise ConfigError(
        f"config.yaml: body: {config.body} cannot be opened here; expected simulator, pty, emulator, serial or firmata"
    )


def _emulated(config: Config, animal: str | Animal | None) -> Link:
    """The Mega's own program on the emulated chip, as the tests have it, with an animal at its pins; virtual time."""
    tests = firmware_folder().parent / "tests"
    if not (tests / "chip_rig.py").exists():
        raise ConfigError(
            "config.yaml: body: emulator is in the sources only (libsimavr is not ours to ship): clone them"
        )
    if config.board != "mega2560":
        raise ConfigError(f"config.yaml: body: emulator has a mega2560 in its rig, not a {config.board}")
    if str(tests) not in sys.path:
        sys.path.insert(0, str(tests))
    if animal is None or isinstance(animal, str):
        sign = -1 if config.lever.invert else 1
        words = animal or config.simulator.animal
        animal = make_animal(words, sign / config.lever.mm_per_count, config.simulator.seed)
    link: Link = importlib.import_module("chip_rig").flashed_mega(animal)
    return link


def sound_watcher(config: Config, link: Link, clock: Clock, book: SoundBook, file: str = FILE) -> SoundWatcher:
    """Open the sound card, with the sounds of the book on it, and what watches it.

    Raises ConfigError for a sound that the calibration or the device refuses, and for an absent device where
    sound.fallback is stop.
    """
    sound, simulated = config.sound, isinstance(link, SimLink)
    if sound.device in (None, Body.TONE_PIN):
        connected = simulated or sound.device is not None
        return SoundWatcher(None, book, clock, link.now_ns, pin=Method.PIN if connected else Method.NONE)
    levels, settings = level_calibration(sound, file), SoundSettings.of(sound)

    files: dict[str, str] = {}

    def read(name: str) -> bytes:
        data = read_beside(file, name)
        files[name] = sha256(data).hexdigest()
        return data

    def made(asked: parts.Audible) -> Sound:
        return of_task(asked, settings.rate_hz, levels, read)

    sounds = {str(number): made(asked) for number, asked in enumerate(book.sounds)}
    virtual = isinstance(link, SimLink) and link.pace != 1
    card: SimCard | BesideSim | SoundEngine
    if isinstance(link, SimLink) and virtual:
        card = SimCard(sounds, settings, link)
    else:
        engine = SoundEngine(sounds, settings)
        engine.start()
        card = BesideSim(engine, link) if isinstance(link, SimLink) else engine
    book.added = lambda number, asked: card.add(str(number), made(asked))
    synced = "sound_sync" in config.inputs and sound.sync_ms > 0 and (virtual or not simulated)
    given = Method.SIMULATED if virtual else Method.DAC
    return SoundWatcher(card, book, clock, link.now_ns, synced=synced, given=given, files=files)


def _fault(text: str) -> dict[str, Any]:
    name, _, after_s = text.partition("@")
    if name and name not in FAULTS:
        raise ConfigError(f"--fault {name}: expected {', '.join(FAULTS)}{did_you_mean(name, FAULTS)}")
    try:
        return {"fault": name, "fault_after_us": round(1e6 * float(after_s or 0))}
    except ValueError:
        raise ConfigError(f"--fault {text}: expected seconds after @, such as {name}@60") from None


def _port(config: Config) -> str:
    if config.port != "auto":
        return config.port
    found = ports()
    if len(found) != 1:
        names = ", ".join(name for name, _ in found) or "none"
        raise BoardError(f"config.yaml: port: auto needs one serial port, there are: {names}; name it")
    return found[0][0]
