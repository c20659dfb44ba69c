"""Parameters and the plain data of an experiment."""

from __future__ import annotations

import pytest

from rig import END, Drop, Param, Params, Past, Press, Pulse, State, Trial, Window, mm, ms, s, ul
from rig.errors import ProtocolError
from rig.experiment.task import Result, generators_of, rules_of

PARAMS = Params(
    drop=Param(8 * ul, "water", 1 * ul, 20 * ul),
    share=Param(0.25, "of trials", 0.0, 1.0),
    n=Param(3, "how many", 1, 9),
    gate=Param(False, "touch"),
    side=Param("left", choices=("left", "right")),
)


def test_values_are_defaults_with_changes() -> None:
    values = PARAMS.values_with({"drop": "6 ul", "share": "0.5", "gate": "yes", "n": "4"})
    assert values.drop == 6 * ul
    assert values.share == 0.5
    assert values.gate is True
    assert values.n == 4
    assert values.side == "left"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("dorp", "6 ul", 'no parameter "dorp" .did you mean "drop"'),
        ("drop", "6 ms", "drop = 6 ms: expected a volume such as 8 ul"),
        ("drop", "60 ul", "drop = 60 ul is outside 1 ul .. 20 ul"),
        ("share", "much", "share = much: expected a number such as 0.25"),
        ("gate", "perhaps", "gate = perhaps: expected yes or no"),
        ("side", "lefft", 'not one of left, right .did you mean "left"'),
        ("n", "2.5", "n = 2.5: expected a number such as 3"),
    ],
)
def test_bad_values_are_refused_in_one_line(name: str, value: str, says: str) -> None:
    with pytest.raises(ProtocolError, match=says) as caught:
        PARAMS.values_with({name: value})
    assert "\n" not in str(caught.value)


def test_an_unknown_parameter_in_a_protocol_is_named() -> None:
    with pytest.raises(ProtocolError, match='no parameter "drip"'):
        _ = PARAMS.values_with().drip


def test_the_past_counts() -> None:
    past = Past([Result(1, "rewarded", {}), Result(2, "missed", {}), Result(3, "rewarded", {})])
    assert past.n == 3
    assert past.count("rewarded") == 2
    assert [result.number for result in past.last(2)] == [2, 3]
    assert past.last(0) == []


def test_rules_and_generators_are_found_once_in_order() -> None:
    press, window, water = Press(1 * mm, 3 * mm), Window(-1 * mm, 1 * mm), Drop(8 * ul)
    light = Pulse("laser", 100 * ms)
    trial = Trial(
        State("wait", when={window.entered: "go", press.pressed: "go"}),
        State("go", start=(water, light), watch=press, when={water.ended: END}),
        State("off", stop=light, after=(1 * s, END)),
    )
    assert rules_of(trial.states) == [window, press]
    assert generators_of(trial.states) == [water, light]
