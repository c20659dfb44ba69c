"""From one seed: a rig, an animal, a session, and all that goes wrong with it. Pure: the same seed, the same case.

May not: run anything.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sim.faults import Episode, Noise

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
QUEUES = (700, 2048, 2048, 16_000)
# What happens, how likely, and how long it lasts (s).
EPISODES: tuple[tuple[str, float, tuple[float, float]], ...] = (
    ("stall", 4, (0.05, 60)),
    ("unplug", 4, (0.3, 30)),
    ("suspend", 2, (1, 120)),
    ("suspend_and_unplug", 1, (1, 120)),
    ("reset", 1.5, (0, 0)),
    ("unplug_power", 1, (1, 30)),
    ("kill", 4, (0.05, 40)),
    ("disk_full", 2, (0.2, 60)),
    ("disk_slow", 2, (0.2, 20)),
    ("interlock", 0.5, (0.001, 2)),
    ("ctrl_c", 0.3, (0, 0)),
)


@dataclass(frozen=True)
class Case:
    """One simulated day of one rig."""

    seed: int
    config: dict[str, Any]
    protocol: str
    params: dict[str, str]
    animal: str
    minutes: float
    queue_bytes: int
    latency_us: int
    drift_ppm: float
    buffer_bytes: int
    to_board: Noise = Noise()
    from_board: Noise = Noise()
    episodes: list[Episode] = field(default_factory=list)

    def describe(self) -> str:
        """What is special about it, in a few lines."""
        plan = "; ".join(map(str, self.episodes)) or "nothing"
        lever, safety = self.config["lever"], self.config["safety"]
        return (
            f"{Path(self.protocol).stem} {self.params}, {self.animal}, {self.minutes:.1f} min, "
            f"lever {lever['sample_hz']} Hz x {lever['batch_samples']}, dead-man {safety['deadman_ms']} ms,"
            f" queue {self.queue_bytes}, latency {self.latency_us} us\n"
            f"to the board {self.to_board}\nfrom the board {self.from_board}\nto come: {plan}"
        )


def shipped_config() -> dict[str, Any]:
    """The configuration that comes with the program, as plain data."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return config


def draw(seed: int) -> Case:
    """The case of a seed."""
    rng = random.Random(f"case {seed}")
    config = _config(rng)
    protocol, params = _protocol(rng)
    minutes = rng.choice((2.0, 5.0, 10.0, 15.0, 30.0)) * rng.uniform(0.6, 1.2)
    return Case(
        seed,
        config,
        protocol,
        params,
        animal=rng.choice(("mouse", "mouse", "mouse", "none")),
        minutes=minutes,
        queue_bytes=rng.choice(QUEUES),
        latency_us=rng.choice((200, 500, 500, 2000, 20_000)),
        drift_ppm=rng.choice((rng.uniform(-100, 100), rng.uniform(-4000, 4000))),
        buffer_bytes=rng.choice((512, 4096, 4096, 65_536)),
        to_board=_noise(rng),
        from_board=_noise(rng),
        episodes=_episodes(rng, minutes),
    )


def _config(rng: random.Random) -> dict[str, Any]:
    config = shipped_config()
    config["stream"] = "none"
    hz = rng.choice((50, 100, 100, 200, 200, 500, 1000))
    config["lever"] |= {"sample_hz": hz, "batch_samples": rng.choice((5, 10, 20))}
    config["simulator"]["frame_hz"] = rng.choice(("none", 5, 15, 30))
    config["imaging"]["frame_hz"] = "none"
    config["safety"]["deadman_ms"] = rng.choice((200, 500, 500, 1000, 3000))
    if rng.random() < 0.5:
        config["safety"]["interlock"] = "interlock"
        config["inputs"]["interlock"] = {"active_low": False}
    outputs = config["safety"]["outputs"]
    outputs["valve"] |= {"max_on_ms": rng.choice((80, 200, 500)), "safe": rng.choice(("low", "low", "high"))}
    outputs["laser"] |= {"window_s": "none", "max_duty_ms": "none"}  # trials this short are refused where one is set
    outputs["valve"] |= {"window_s": 60, "max_duty_ms": 30_000}
    if rng.random() < 0.1:
        outputs["spare"] |= {"max_on_ms": 15}
    return config


def _protocol(rng: random.Random) -> tuple[str, dict[str, str]]:
    drop = f"{rng.uniform(2.3, 13.5):.2f}ul"
    if rng.random() < 0.5:
        iti = rng.uniform(0.5, 6)
        params = {"drop": drop, "iti_min": f"{iti:.3f}s", "iti_max": f"{iti * 1.5:.3f}s"}
        if rng.random() < 0.3:
            params |= {"still": "500ms", "reward_delay": "150ms", "catch": "0.2"}
        return str(ROOT / "protocols" / "cued_lever.py"), params
    times = {"wait": (100, 4000), "iti": (5, 3000), "light": (20, 1500), "still": (50, 1500), "held": (5, 200)}
    params = {name: f"{round(rng.uniform(*span))}ms" for name, span in times.items()}
    return str(HERE / "busy.py"), {"drop": drop, **params}


def _noise(rng: random.Random) -> Noise:
    if rng.random() < 0.4:
        return Noise()
    much = rng.choice((1e-5, 1e-4, 1e-3))
    flip = rng.choice((0.0, much, 4e-3))
    often = {name: rng.choice((0.0, 0.0, 10 * much)) for name in ("cut", "repeat", "burst", "swap", "splice", "late")}
    return Noise(flip, **often)


def _episodes(rng: random.Random, minutes: float) -> list[Episode]:
    names, weights, spans = zip(*EPISODES, strict=True)
    made = []
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5, 8))):
        kind = rng.choices(range(len(names)), weights)[0]
        low, high = spans[kind]
        length_s = low * (high / low) ** rng.random() if low else 0.0
        # Most of them anywhere, some of them just when the session begins.
        at_s = rng.uniform(0, 60 * minutes) if rng.random() < 0.85 else rng.uniform(0, 1.0)
        made.append(Episode(round(1e6 * at_s), names[kind], round(1e6 * length_s)))
    return sorted(made, key=lambda episode: episode.at_us)
