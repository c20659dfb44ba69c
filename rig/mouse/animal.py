"""Who an animal is, and what it can do on a given day: learning, bad days, differences between animals, light.

Nothing here moves. All chance comes from the seeds given: the same study, animal and day are the same mouse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

TRAITS = ("speed", "reaction", "hit", "into", "scatter", "engage")
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Course:
    """A quantity on its way from the first day to the expert, on the scale where its steps are natural.

    ``novice`` and ``expert`` are its means over animals, ``*_sd`` the SD between animals at either end (an animal keeps
    its place between the others), ``daily_sd`` the SD from day to day. A ``pace`` below 1 is learned before the rest.
    """

    novice: float
    expert: float
    novice_sd: float
    expert_sd: float
    daily_sd: float
    pace: float = 1.0

    def at(self, skill: float, place: float, today: float) -> float:
        """The value for an animal ``place`` SDs from the mean, on a day ``today`` SDs from its own."""
        way = math.pow(skill, self.pace)
        mean = self.novice + (self.expert - self.novice) * way
        return mean + place * (self.novice_sd + (self.expert_sd - self.novice_sd) * way) + today * self.daily_sd


@dataclass(frozen=True)
class Population:
    """What mice are like. The values are fitted to the odd sessions of 40 mice (docs/cohort.md says how well)."""

    learning_days: float = 4.1  # median over animals of the time constant of skill
    learning_log_sd: float = 0.5
    reaction: Course = Course(-0.02, -2.45, 0.45, 1.1, 0.15)  # log s from cue to first movement
    hit: Course = Course(-1.0, 1.8, 0.7, 1.4, 0.3, pace=1.25)  # logit of a bout's chance to hold a press
    into: Course = Course(-0.92, -0.95, 0.1, 0.5, 0.1)  # log s from a bout's begin to its push
    scatter: Course = Course(-0.25, -0.36, 0.05, 0.35, 0.1, pace=0.5)  # log of the SD, in logs, around the template
    engage: Course = Course(3.0, 4.0, 0.5, 1.0, 0.3)  # logit of the chance to try at all in a trial
    pause_s: float = 0.9  # mean between one bout without water and the next
    reaction_log_sd: float = 0.6  # from trial to trial
    idle_s: float = 10.0  # mean time between bouts without a cue
    hold_ms: float = 200.0  # median over animals of how long a push is held
    hold_log_sd: float = 0.6
    fidgets: float = 2.0  # median over animals of the mean number of small pushes at a bout's end
    bad_day: float = 0.05  # share of days on which an animal hardly tries
    capacity_drops: float = 170.0  # median of the water after which an animal is sated


POPULATION = Population()


@dataclass(frozen=True)
class Template:
    """The push an animal comes to prefer: the push itself, and how many small ones follow (mean)."""

    amplitude_mm: float
    out_ms: float
    hold_ms: float
    back_ms: float
    fidgets: float


@dataclass(frozen=True)
class Animal:
    """One animal for life: where it stands among the others (SDs), how fast it learns, its private push."""

    study: int
    number: int
    place: Mapping[str, float]
    learning_days: float
    capacity_drops: float
    template: Template
    light_effect: float


@dataclass(frozen=True)
class Ability:
    """What an animal can do on one day, with light in its motor thalamus or without."""

    skill: float
    reaction_s: float
    hit: float
    into_s: float
    scatter: float
    engage: float


def places(study: int, number: int) -> dict[str, float]:
    """Where animal ``number`` (from 1) of a study stands among all, in SDs, for each trait.

    The animals of a study are spread evenly (an additive recurrence in as many dimensions as there are traits, begun
    at a point that the study's seed draws; Roberts 2018), so that eight mice stand for many as well as eight can.
    """
    d = len(TRAITS)
    root = 1.5
    for _ in range(60):  # the root of x^(d+1) = x + 1
        root = (1 + root) ** (1 / (d + 1))
    begin = np.random.default_rng([study, 0, 0]).random(d)
    spread = [float((begin[i] + number * root ** -(i + 1)) % 1.0) for i in range(d)]
    return {name: _NORMAL.inv_cdf(min(max(u, 1e-6), 1 - 1e-6)) for name, u in zip(TRAITS, spread, strict=True)}


def draw_animal(study: int, number: int, light_effect: float = 0.75, population: Population = POPULATION) -> Animal:
    """An animal of a study. ``light_effect``: the share of its skill that light takes away (0: no opsin)."""
    rng = np.random.default_rng([study, number, 0])
    place = places(study, number)
    template = Template(
        amplitude_mm=rng.uniform(3.9, 5.2),
        out_ms=rng.uniform(20, 45),
        hold_ms=math.exp(rng.normal(math.log(population.hold_ms), population.hold_log_sd)),
        back_ms=rng.uniform(120, 400),
        fidgets=population.fidgets * math.exp(0.8 * rng.standard_normal()),
    )
    learning_days = population.learning_days * math.exp(population.learning_log_sd * place["speed"])
    capacity_drops = population.capacity_drops * math.exp(0.25 * rng.standard_normal())
    return Animal(study, number, place, learning_days, capacity_drops, template, light_effect)


def ability(animal: Animal, day: int, *, light: bool = False, population: Population = POPULATION) -> Ability:
    """What an animal can do on day ``day`` (from 1). Light takes away what was learned, and nothing else."""
    rng = np.random.default_rng([animal.study, animal.number, day, 1])
    today = dict(zip(TRAITS, rng.standard_normal(len(TRAITS)).tolist(), strict=True))
    bad = rng.random() < population.bad_day
    skill = 1 - math.exp(-(day - 1) / animal.learning_days)
    if light:
        skill *= 1 - animal.light_effect

    def now(name: str) -> float:
        course: Course = getattr(population, name)
        return course.at(skill, animal.place[name], today[name])

    return Ability(
        skill,
        math.exp(now("reaction") + (0.4 if bad else 0.0)),
        _share(now("hit")),
        math.exp(now("into")),
        math.exp(now("scatter")),
        _share(now("engage") - (2.0 if bad else 0.0)),
    )


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
