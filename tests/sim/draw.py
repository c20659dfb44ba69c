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
    ("clock_step", 1, (0.001, 20)),
)
# Protocols, and what of them is drawn from where.
_DROP, _ITI = (2.3, 13.5, "ul"), (0.5, 8, "s")
_TIMES = {"wait": (100, 4000), "iti": (5, 3000), "light": (20, 1500), "still": (50, 1500), "held": (5, 200)}
SPANS: dict[str, dict[str, tuple[float, float, str]]] = {
    "busy": {"drop": _DROP, **{name: (low, high, "ms") for name, (low, high) in _TIMES.items()}},
    "cued_lever": {"drop": _DROP, "iti_min": _ITI, "iti_max": _ITI},
    "cued_lever_inactivation": {
        "drop": _DROP,
        "iti_min": (6, 12, "s"),
        "iti_max": _ITI,
        "light_time": (20, 2000, "ms"),
    },
    "axon_mapping": {"interval_min": (5, 10, "s"), "interval_max": _ITI},
    "habituation": {"drop": _DROP, "interval_min": (2, 20, "s"), "interval_max": _ITI},
    "lever_window": {"drop": _DROP, "iti": _ITI, "hold": (10, 400, "ms")},
    "valve_flush": {"opening": (5, 70, "ms"), "pause": (1.1, 3, "s")},
}


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
    opto: bool = False
    unguarded: bool = False  # the host does not refuse what exceeds a ceiling: the board must
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


def draw(seed: int, *, long: bool = False) -> Case:
    """The case of a seed. ``long``: a session as long as an animal works, its lever sampled seldom."""
    rng = random.Random(f"case {seed}")
    config = _config(rng)
    protocol, params, opto = _protocol(rng)
    unguarded = "busy" in protocol and rng.random() < 0.2
    if unguarded:
        params |= {"holds": rng.choice(("spare", "valve")), "held": f"{rng.randint(75, 600)}ms"}
        config["safety"]["outputs"]["spare"]["max_on_ms"] = rng.randint(20, 600)
    minutes = rng.choice((1.0, 2.0, 5.0, 10.0, 20.0)) * rng.uniform(0.6, 1.2)
    if long:
        minutes = rng.uniform(45, 90)
        config["lever"] |= {"sample_hz": rng.choice((20, 50)), "batch_samples": 20}
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
        opto=opto,
        unguarded=unguarded,
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
    return config


def _protocol(rng: random.Random) -> tuple[str, dict[str, str], bool]:
    """A protocol, some of its parameters, and whether it is to give light."""
    name = rng.choice(("busy", "busy", "cued_lever", *sorted(SPANS)))
    params = {key: f"{rng.uniform(low, high):.3f}{unit}" for key, (low, high, unit) in SPANS[name].items()}
    for key in list(params):
        if key.endswith("_max"):
            least = float(params[key.replace("_max", "_min")].removesuffix("s"))
            params[key] = f"{least * rng.uniform(1, 2):.3f}s"
    if "cued_lever" in name and rng.random() < 0.3:
        params |= {"still": "500ms", "reward_delay": "150ms", "catch": "0.2"}
    opto = name == "cued_lever_inactivation" and rng.random() < 0.7
    return str((HERE if name == "busy" else ROOT / "protocols") / f"{name}.py"), params, opto


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
