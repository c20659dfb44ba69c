"""The simulated mouse: itself for life, better by practice, and only as good as its thalamus."""

from __future__ import annotations

import numpy as np
import pytest

from rig.mouse import Mouse, Push, minimum_jerk, trajectory_mm
from rig.mouse.animal import TRAITS, ability, draw_animal, places

S = 1_000_000


def answer_mm(mouse: Mouse, *, pieces: int = 1) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The paw for eight seconds after each of four cues, asked for in pieces."""
    n, parts = 8000 // pieces, []
    mouse.hand_mm(0, 1)
    for cue_us in (1 * S, 21 * S, 41 * S, 61 * S):
        mouse.hears(cue_us, 6000)
        parts += [mouse.hand_mm(cue_us + 1000 * n * i, n) for i in range(pieces)]
    return np.concatenate([np.zeros(n) if part is None else part for part in parts])


def test_the_same_seed_is_the_same_mouse_and_another_is_not() -> None:
    mice = [Mouse(draw_animal(1, number), day) for number, day in ((3, 5), (3, 5), (4, 5), (3, 6))]
    paws = [answer_mm(mouse) for mouse in mice]
    assert (paws[0] == paws[1]).all()
    assert (paws[0] != paws[2]).any()
    assert (paws[0] != paws[3]).any()


def test_how_it_is_asked_changes_nothing() -> None:
    whole, pieces = (answer_mm(Mouse(draw_animal(1, 2), 9), pieces=n) for n in (1, 16))
    np.testing.assert_allclose(whole, pieces, atol=1e-12)


def test_a_push_is_minimum_jerk() -> None:
    x = np.linspace(0, 1, 101)
    y = minimum_jerk(x)
    assert (y[0], y[-1], y[50]) == (0, 1, pytest.approx(0.5))
    assert np.diff(y).max() * 100 == pytest.approx(1.875, abs=0.01)  # peak speed of a minimum-jerk movement
    way = trajectory_mm([Push(10, 4, 40, 100, 200)])
    assert way.max() == pytest.approx(4)
    assert way[9] == 0
    assert way[-1] == pytest.approx(0, abs=1e-9)


def test_practice_makes_it_better_and_light_takes_that_away() -> None:
    animals = [draw_animal(2, number) for number in range(1, 33)]
    novice, expert = ([ability(a, day) for a in animals] for day in (1, 14))
    lit = [ability(a, 14, light=True) for a in animals]
    for early, late, dark in zip(novice, expert, lit, strict=True):
        assert early.skill == 0
        assert late.skill > dark.skill > 0
    for name, sign in (("reaction_s", -1), ("hit", 1), ("scatter", -1)):
        means = [np.mean([getattr(one, name) for one in group]) for group in (novice, lit, expert)]
        assert sign * means[0] < sign * means[1] < sign * means[2], name


def test_without_an_opsin_light_does_nothing() -> None:
    animal = draw_animal(2, 1, light_effect=0.0)
    assert ability(animal, 12, light=True) == ability(animal, 12)
    mouse = Mouse(animal, 12)
    mouse.hears(1 * S, 6000)
    assert not mouse.feels_light(1 * S + 10, True)


def test_the_animals_of_a_study_stand_for_many() -> None:
    """Eight of them: their mean strays less from everybody's than that of eight drawn by chance (1 / root of 8)."""
    rows = np.array([[[places(study, n)[t] for t in TRAITS] for n in range(1, 9)] for study in range(40)])
    strays = np.sqrt((rows.mean(axis=1) ** 2).mean())
    assert strays < 0.8 / np.sqrt(8)
    assert rows.std() == pytest.approx(1, abs=0.1)


def test_it_stops_when_water_comes_and_licks() -> None:
    mouse = Mouse(draw_animal(1, 1), 14)
    mouse.hears(1 * S, 6000)
    assert mouse.tastes(2 * S)
    licks = mouse.licks_us(2 * S, 6 * S)
    assert 4 <= len(licks) <= 9
    assert licks[0] > 2 * S
    assert not mouse.hears(2 * S + 100, 12000)  # the reward's tone is no cue
    assert mouse.hears(12 * S, 6000)
