"""Stages and their rules: up, down, never by less than is asked for; and a file that says what is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.errors import ConfigError
from rig.training import Attended, Move, Rule, Stage, Training, training_of
from rig.training.read import parse_training

TEXT = """
stages:
  - name: drops
    protocol: habituation
    advance: {sessions: 2}
  - name: easy
    protocol: cued_lever
    params: {press: 2 mm, iti_min: 4 s, iti_max: 6 s}
    advance: {success: 0.7, trials: 20}
    fall_back: {success: 0.1, sessions: 2}
  - name: task
    protocol: cued_lever
    fall_back: {success: 0.2, trials: 30}
subjects:
  M07: {drop: 6 ul}
"""
TRAINING = parse_training(TEXT)


def test_what_the_file_says() -> None:
    assert [stage.name for stage in TRAINING.stages] == ["drops", "easy", "task"]
    assert TRAINING.stage("easy").params == {"press": "2 mm", "iti_min": "4 s", "iti_max": "6 s"}
    assert TRAINING.stage("easy").advance == Rule(0.7, trials=20)
    assert TRAINING.subjects == {"M07": {"drop": "6 ul"}}
    assert training_of(TRAINING.plain()) == TRAINING


@given(st.lists(st.booleans(), max_size=60))
def test_trials_move_an_animal_up_exactly_when_enough_of_the_last_were_rewarded(outcomes: list[bool]) -> None:
    move = TRAINING.after_trials("easy", outcomes)
    due = len(outcomes) >= 20 and sum(outcomes[-20:]) >= 14
    assert (move is not None) == due
    if move:
        assert (move.before, move.after) == ("easy", "task")
        assert "over the last 20 trials, 0.7 asked for" in move.reason


@given(st.lists(st.booleans(), max_size=60))
def test_trials_let_an_animal_fall_back_exactly_when_too_few_were(outcomes: list[bool]) -> None:
    move = TRAINING.after_trials("task", outcomes)
    due = len(outcomes) >= 30 and sum(outcomes[-30:]) < 6
    assert (move is not None) == due
    if move:
        assert (move.before, move.after) == ("task", "easy")
        assert "below 0.2" in move.say()


def test_sessions_move_too_and_only_those_of_the_stage_count() -> None:
    assert TRAINING.after_sessions("drops", [Attended("drops", 5, 0)]) is None
    assert TRAINING.after_sessions("drops", [Attended("drops", 5, 0)] * 2) == Move("drops", "easy", "2 sessions done")
    poor = Attended("easy", 100, 5)
    assert TRAINING.after_sessions("easy", [poor, Attended("task", 9, 9), poor]) is None
    assert TRAINING.after_sessions("easy", [poor, Attended("easy", 0, 0), poor]) == Move(
        "easy", "drops", "success 0.05 or less in the last 2 sessions, below 0.1"
    )
    assert TRAINING.after_sessions("easy", [poor, Attended("easy", 100, 50)]) is None


def test_there_is_nothing_below_the_first_stage_and_nothing_above_the_last() -> None:
    always = Rule(0.0, trials=1)
    training = Training((Stage("only", "cued_lever", {}, always, Rule(1.0, trials=1)),))
    assert training.after_trials("only", [True]) is None
    assert training.after_trials("only", [False]) is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name: easy", "name: drops", "drops stands twice"),
        ("trials: 20", "trials: 0", "0 is not within 1"),
        ("success: 0.7", "success: 70", "success"),
        ("{success: 0.7, trials: 20}", "{success: 0.7}", "over what?"),
        ("{success: 0.7, trials: 20}", "{trials: 20}", "success is missing"),
        ("fall_back: {success: 0.1, sessions: 2}", "fall_back: {sessions: 2}", "success is missing"),
        ("advance: {sessions: 2}", "advanse: {sessions: 2}", "advanse"),
        ("    protocol: habituation\n", "", "protocol"),
        ("stages:", "stage:", "stage"),
    ],
)
def test_a_file_that_is_wrong_says_where(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError) as error:
        parse_training(TEXT.replace(old, new, 1))
    assert str(error.value).startswith("training.yaml:")
    assert says in str(error.value)


def test_an_unknown_stage_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r'there is no stage "taks" .did you mean "task"'):
        TRAINING.stage("taks")
