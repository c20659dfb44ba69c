"""plan.yaml there and back: golden, for any plan, and with every slip of a hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from plan_examples import PLAN, STUDY, calm, few, plans

from rig.config.text import read_yaml
from rig.errors import ConfigError
from rig.plan import Light, Plan, plan_data
from rig.plan.make import make_plan, plan_key
from rig.plan.read import parse_key, parse_plan, plan_from_data
from rig.plan.write import key_text, plan_text, share, word

GOLDEN = Path(__file__).parent / "golden"
TEXT = plan_text(PLAN)


def by_hand() -> Plan:
    """A plan that uses everything a hand can write."""
    rows = dict(PLAN.animals)
    other = replace(PLAN.rules, window="blocked", fraction=1 / 3, block_trials=21, max_run=None)
    rows["M03"] = replace(rows["M03"], light={15: other}, skip=(date(2025, 3, 5),))
    rows["M09"] = replace(rows["M09"], offset_days=7)
    return replace(PLAN, animals=rows)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plan.yaml", TEXT),
        ("plan_by_hand.yaml", plan_text(by_hand())),
        ("plan_blind.yaml", plan_text(make_plan(replace(STUDY, blind=True), 7))),
        ("plan_blind.key.yaml", key_text(plan_key(replace(STUDY, blind=True), 7))),
    ],
)
def test_the_files_are_the_golden_ones(name: str, text: str) -> None:
    """A changed layout is a changed file in every lab: look at it before renewing these."""
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


@given(plans())
@few
def test_any_plan_comes_back(plan: Plan) -> None:
    assert parse_plan(plan_text(plan)) == plan
    back = plan_from_data(json.loads(json.dumps(plan_data(plan))))
    assert back == plan
    assert back.digest == plan.digest


@given(plans())
@few
def test_any_reader_of_yaml_reads_the_same(plan: Plan) -> None:
    data = yaml.safe_load(plan_text(plan))
    assert [*data["animals"]] == [*plan.animals]  # names like 1e3 or on have kept their quotes
    assert [row["group"] for row in data["animals"].values()] == [animal.group for animal in plan.animals.values()]


def test_the_key_comes_back() -> None:
    key = plan_key(replace(STUDY, blind=True), 7)
    assert parse_key(key_text(key)) == key


@pytest.mark.parametrize("text", ["on", "1e3", "007", "null", "2025-03-03", "a, b", "a: b", "0x1", "12:30", "none"])
def test_words_that_yaml_would_take_for_something_else_are_quoted(text: str) -> None:
    assert yaml.safe_load(word(text)) == text
    assert read_yaml(f"key: {word(text)}", "x").data == {"key": text}


def test_fractions_are_written_as_people_do() -> None:
    written = [share(value) for value in (0.25, 0.5, 1.0, 1 / 3, 5 / 7, 0.123456789)]
    assert written == ["0.25", "0.5", "1.0", "1/3", "5/7", "0.123456789"]


def test_layout_and_comments_do_not_count_but_content_does() -> None:
    loose = TEXT.replace("fraction: 0.25 ", "fraction: 1/4 # a quarter").replace(",   ", ", ")
    loose = loose.replace("groups: [control, opsin]", "groups:\n- opsin\n- control")
    loose = loose.replace("16: clear", "16: {window: clear, fraction: 0.25}")
    assert loose != TEXT
    assert parse_plan(loose).digest == PLAN.digest
    assert parse_plan(TEXT.replace("fraction: 0.25", "fraction: 0.5")).digest != PLAN.digest


def test_a_day_may_say_dark() -> None:
    plan = parse_plan(TEXT.replace("16: clear", "16: dark"))
    assert not any(a.light.get(16, Light()).window == "clear" for a in plan.animals.values())
    assert parse_plan(TEXT.replace("max_run: 3", "max_run: none")).rules.max_run is None


M02 = "M02: {group: control, 15: clear,   16: blocked}"
M03 = "M03: {group: control, 15: blocked, 16: clear}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("days: 16", "dayz: 16", 'dayz: unknown key (did you mean "days"?)'),
        ("days: 16", "days: sixteen", "days: must be a whole number, not \"sixteen\""),
        ("days: 16", "days: true", "days: must be a whole number, not true"),
        ("days: 16", "days: 0", "days: 0 is not within 1 … 366"),
        ("days: 16", "days:", "days: must be a whole number, not none"),
        ("days: 16", "days: 16\ndays: 17", "days: stands twice, first in line 6; delete one"),
        ("study: thalamus", "study: 7", "study: must be text, not 7: put it in quotes"),
        ("max_run: 3", "max_runs: 3", 'rules.max_runs: unknown key (did you mean "max_run"?)'),
        ("max_run: 3", "max_run: 0", "rules.max_run: 0 is not within 1 … 10000"),
        ("fraction: 0.25", "fraction: a lot", "rules.fraction: must be a fraction such as"),
        ("fraction: 0.25", "fraction: 1/0", "rules.fraction: must be a fraction such as"),
        ("fraction: 0.25", "fraction: .nan", "rules.fraction: must be a fraction such as 0.25 or 1/3"),
        ("fraction: 0.25", "fraction: 0.9", "rules.fraction: 0.9 cannot be reached with"),
        ("_light: true", "_light: 1", "rules.masking_light: must be true or false, not 1"),
        ("[clear, blocked]", "clear", "rules.windows: must be a list such as [a, b], not"),
        ("start: 2025-03-03", "start: 3 March", "calendar.start: must be a date such as"),
        ("start: 2025-03-03", "start: 2025-13-03", "calendar.start: must be a date such as"),
        ("start: 2025-03-03", "start: 2025-03-03 9:00", "calendar.start: must be a date such"),
        ("start: 2025-03-03", "start: 0205-03-03", "calendar.start: 0205-03-03: the year is"),
        ("[sat, sun]", "[sat, son]", 'calendar.skip_weekdays: "son" is none of mon, tue'),
        ("[sat, sun]", "[sat, sat]", "calendar.skip_weekdays: sat stands twice: remove one"),
        (
            "[sat, sun]", "[mon, tue, wed, thu, fri, sat, sun]",
            "calendar.skip_weekdays: all seven are skipped: leave one to work on",
        ),
        (M02, M02 + "\n  " + M02, "animals.M02: stands twice, first in line 26; delete one"),
        (M02, M02.replace("M02", "M2/3"), 'animals.M2/3: "M2/3" is not a name of up to'),
        (M02, "M02: clear", "animals.M02: must hold keys and values, not \"clear\""),
        (M02, "M02: {15: clear}", "animals.M02: group is missing: add it"),
        (M02, "M02: {group: contrl}", 'animals.M02.group: "contrl" is none of control, op'),
        (M03, M03.replace("15: b", "17: b"), "animals.M03.17: 17 is not within 1 … 16"),
        (M03, M03.replace("15: b", "14: b"), "animals.M03.14: light before rules.expert_fr"),
        (M03, M03.replace("15: b", "015: b"), "animals.M03.015: neither a day nor a known"),
        (M03, M03.replace("15: b", "16: b"), "animals.M03.16: stands twice, first in line 27"),
        (M03, M03.replace("15:", "of:"), "animals.M03.of: neither a day nor a known key"),
        (
            M03, M03.replace("15: blocked", "offset: 3"),
            'animals.M03.offset: neither a day nor a known key (did you mean "offset_days"?)',
        ),
        (
            M03, M03.replace("blocked", "bloked"),
            'animals.M03.15: "bloked" is not clear, blocked, light or dark'
            ' (did you mean "blocked"?)',
        ),
        (M03, M03.replace("blocked", "light"), "animals.M03.15: light without a window; rul"),
        (M03, M03.replace("blocked", ""), "animals.M03.15: none is not clear, blocked, light or dark"),
        (M03, M03.replace("blocked", "off"), "animals.M03.15: \"off\" is not clear, blocked"),
        (
            M03, M03.replace("blocked", "{window: blocked, fractoin: 0.5}"),
            'animals.M03.15.fractoin: unknown key (did you mean "fraction"?)',
        ),
        (
            M03, M03.replace("blocked", "{window: blocked, fraction: 0.9}"),
            "animals.M03.15.fraction: 0.9 cannot be reached with max_run 3",
        ),
        (M03, M03.replace("blocked", "{fraction: 0.5}"), "animals.M03.15: window is missing"),
        ("days: 16", "days: &n 16\nseed2: *n", "seed2: an alias (*) stands for other lines"),
        ("days: 16", "days: !!int x", "days: the tag !!int has no meaning here"),
    ],
)  # fmt: skip
def test_a_slip_of_the_hand_is_placed_and_explained(old: str, new: str, message: str) -> None:
    line = 1 + TEXT[: TEXT.index(old)].count("\n") + new.count("\n")
    assert refusal(TEXT.replace(old, new, 1)).startswith(f"plan.yaml:{line}: {message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("days: 16\n", "", "4: days is missing: add it"),
        ("max_run: 3 ", "#", "10: rules: max_run is missing: add it"),
        ("[clear, blocked]", "[clear]", "25: animals.M01.15: blocked; rules.windows has clear:"),
        ("[clear, blocked]", "[]", "25: animals.M01.15: blocked; rules.windows is empty: say"),
        (M02, "", "24: animals: 15 rows but n_animals says 16: is a row missing?"),
        ("days: 16", "days: [", "8: not YAML: expected ',' or ']'"),
        ("days: 16", "days: \0", "6: a character that may not stand in a text file"),
        ("days: 16", "? [days]\n: 16", "4: a key must be a plain word"),
    ],
)
def test_a_fault_that_shows_elsewhere_is_placed_there(old: str, new: str, message: str) -> None:
    assert refusal(TEXT.replace(old, new, 1)).startswith(f"plan.yaml:{message}")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        parse_plan(text, "plan.yaml")
    assert "\n" not in str(error.value)
    return str(error.value)


def attempt(text: str) -> Plan | str:
    try:
        return parse_plan(text)
    except ConfigError as error:
        return str(error)


def test_a_blind_plan_keeps_its_codes() -> None:
    text = plan_text(make_plan(replace(STUDY, blind=True), 7))
    code = text.split("M01: {group: ")[1][:9]
    with pytest.raises(ConfigError, match=r"animals\.M01\.group: a blind plan holds codes"):
        parse_plan(text.replace(code, "opsin"))


@pytest.mark.parametrize("text", ["", "- 1", "x", "[" * 500, "x" * 1_000_001, "a: " + "9" * 5000])
def test_what_is_no_plan_at_all(text: str) -> None:
    message = refusal(text)
    assert message.startswith("plan.yaml")
    assert len(message) < 200


@given(st.data())
@few
def test_a_damaged_file_is_a_plan_or_one_line(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEXT)))
    end = data.draw(st.integers(at, min(at + 12, len(TEXT))))
    put = data.draw(st.text("0123456789 \n:{}[]*&!,-abcM'\"\t|>#%@?\\é", max_size=8))
    plan = attempt(TEXT[:at] + put + TEXT[end:])
    if isinstance(plan, str):
        assert "\n" not in plan
    else:
        assert parse_plan(plan_text(plan)) == plan


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                    lambda x: st.lists(x) | st.dictionaries(st.text() | st.integers(), x)),
       st.sampled_from(["", "rules", "calendar", "animals", "groups", "days", "M01"]))  # fmt: skip
@calm
def test_any_plain_data_is_a_plan_or_one_line(value: object, place: str) -> None:
    data: object = value
    if place:
        data = plan_data(PLAN)
        (data["animals"] if place == "M01" else data)[place] = value
    try:
        plan = plan_from_data(data)
    except ConfigError as error:
        message = str(error)
        if "\n" in message:
            pytest.fail(message)
    else:
        assert plan_from_data(plan_data(plan)) == plan
