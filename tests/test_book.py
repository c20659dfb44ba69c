"""The sounds of a session by number."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig import db, hz, khz, ms, s, us
from rig.errors import ConfigError
from rig.experiment.parts import Audible, Click, Noise, Recording, Tone
from rig.sound.book import MOST, SoundBook

tones = st.builds(
    lambda f, d, level, delay: Tone(f * hz, d * ms, level * db, delay * ms),
    *(st.integers(1, 40_000), st.integers(1, 9000), st.integers(0, 90), st.integers(0, 5)),
)
noises = st.builds(lambda d, level: Noise(d * ms, level * db), st.integers(1, 9000), st.integers(0, 90))

clicks = st.builds(lambda width, level: Click(width * us, level * db), st.integers(50, 900), st.integers(0, 90))
recordings = st.builds(Recording, st.text(max_size=9), st.integers(1, 9000).map(lambda d: d * ms))


@given(st.lists(tones | noises | clicks | recordings, max_size=30), st.booleans())
def test_asked_again_in_the_same_order_the_numbers_are_the_same(asked: list[Audible], pin: bool) -> None:
    book = SoundBook(pin)
    numbers = [book.number(one) for one in asked]
    again = SoundBook.from_plain(json.loads(json.dumps(book.plain())), pin=pin)
    assert again.sounds == book.sounds
    assert [again.number(one) for one in asked] == numbers
    for one, number in zip(asked, numbers, strict=True):
        assert (number is None) == (pin and isinstance(one, Tone))
        if number is not None:
            assert book.sounds[number] == replace(one, delay=0 * ms)


def test_whoever_makes_sounds_is_told_of_each_new_one_once() -> None:
    told: list[tuple[int, Audible]] = []
    book = SoundBook(pin=False, added=lambda number, asked: told.append((number, asked)))
    cue = Tone(6 * khz, 10 * s, 70 * db, 5 * ms)
    assert [book.number(cue), book.number(Noise(1 * s)), book.number(replace(cue, delay=0 * ms))] == [0, 1, 0]
    assert told == [(0, replace(cue, delay=0 * ms)), (1, Noise(1 * s))]


def test_more_sounds_than_the_board_can_name_are_refused() -> None:
    book = SoundBook(pin=False)
    for i in range(MOST):
        book.number(Tone((1000 + i) * hz, 1 * s))
    with pytest.raises(ConfigError, match=f"at most {MOST} different sounds"):
        book.number(Noise(1 * s))
