"""Which trial runs, which comes next, and what came of those before: whatever order the board's events come in."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from test_table import PlainBench

from rig import END, Param, Params, Past, State, Trial, s
from rig.experiment.protocol import Protocol
from rig.experiment.table import Limits
from rig.session.course import Course
from rig.session.trials import Trials

PARAMS = Params(wait=Param(1 * s, "wait", 0 * s, 9 * s))
WAIT, MISSED, BETTER = range(3)


class Waiting:
    """A protocol whose trials know how many results there were when they were made."""

    params = PARAMS

    def trial(self, values: Any, past: Past, chance: random.Random) -> Trial:
        return Trial(
            State("wait", after=(values.wait, "late")),
            State("late", after=(1 * s, "found"), outcome="missed"),
            State("found", after=(1 * s, END), outcome="rewarded"),
            past=past.n,
            draw=chance.random(),
        )


def trials() -> Trials:
    experiment: Protocol = Waiting()  # type: ignore[assignment]
    return Trials(experiment, Course(PARAMS, PARAMS.values_with({})), PlainBench(), Limits(), seed=3)


def stage(found: Trials) -> int:
    return found.make(found.next_step()).number


def test_from_one_trial_to_the_next() -> None:
    found = trials()
    assert stage(found) == 1
    found.begin(1)
    assert (found.staged, found.begun, found.outcome) == (None, 1, None)
    assert not found.enter(WAIT)
    assert found.enter(MISSED)
    assert stage(found) == 2  # made while the first still runs, from what it has come to
    assert found.staged is not None
    assert found.staged.trial.info["past"] == 1
    assert found.enter(BETTER)
    assert found.end(done=True, again=False)
    assert [(one.number, one.outcome) for one in found.past.results] == [(1, "rewarded")]


def test_one_that_was_replaced_may_have_begun_before() -> None:
    found = trials()
    stage(found)
    found.drop_staged()
    assert stage(found) == 2
    found.begin(1)
    assert found.running is not None
    assert found.running.number == 1
    assert found.staged is not None
    assert found.staged.number == 2
    found.end(done=True, again=False)
    found.begin(2)
    assert found.running.number == 2
    assert found.staged is None


def test_a_trial_is_made_again_as_it_was() -> None:
    found = trials()
    stage(found)
    found.begin(1)
    found.enter(MISSED)
    first = found.make(found.next_step())
    about = found.about(found.next_step(), first)
    found.enter(BETTER)  # after the second was made
    again = found.make_again(2, about["past"], about["last"])
    assert (again.trial.info, again.table.digest()) == (first.trial.info, first.table.digest())
    assert found.past.results[-1].outcome == "rewarded"


@given(
    st.lists(st.one_of(st.integers(0, 2), st.sampled_from(["stage", "begin", "cut", "cut again", "done"])), max_size=40)
)
def test_every_trial_that_began_is_past_once(doings: list[int | str]) -> None:
    found, begun, ended, counted = trials(), 0, [], 0
    for doing in doings:
        if doing == "stage" and found.staged is None:
            stage(found)
        elif doing == "begin" and found.running is None and found.staged is not None:
            found.begin(found.staged.number)
            begun += 1
        elif isinstance(doing, int):
            found.enter(doing)
        elif doing in ("cut", "cut again", "done"):
            running, decided = found.running, found.outcome
            counts = found.end(done=doing == "done", again=doing == "cut again")
            assert counts == (running is not None and (doing == "done" or decided is not None))
            if running is not None:
                ended.append(running.number)
                begun -= not counts and doing == "cut again"
                counted += counts
        assert found.begun == begun
    over = [one.number for one in found.past.results]
    assert over == sorted(set(over)) == ended + ([found.running.number] if found.running and found.outcome else [])
