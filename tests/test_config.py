"""config.yaml: what is right is taken, what is wrong is told with line and remedy, and nothing else ever happens."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rig import wire
from rig.config import Config, from_plain, json_schema, parse_config, schema_text
from rig.config import rules as config_rules
from rig.config.file import beside, load_config
from rig.config.shape import check
from rig.config.text import Text, plain_word, read_yaml
from rig.config.words import UNITS
from rig.errors import ConfigError

ROOT = Path(__file__).parent.parent
SHIPPED = (ROOT / "config.yaml").read_text(encoding="utf-8")
PLAIN = parse_config(SHIPPED).plain()
LEAST = "rig: r\nlever:\n  mm_per_count: 0.01\n  travel_mm: [-1, 8]\n"


def fault(text: str) -> str:
    """The message that a text gets."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return str(caught.value)


def keys_of(schema: Any) -> set[str]:
    """Every key a JSON Schema knows."""
    found: set[str] = set()
    for definition in schema["$defs"].values():
        found |= set(definition["properties"])
    return found


# --- the file that is shipped -----------------------------------------------------------------------------------------


def test_the_shipped_file_is_the_simulated_rig() -> None:
    config = load_config(ROOT / "config.yaml")
    assert (config.body, config.board, config.real) == ("simulator", "simulator", False)
    assert set(config.safety.outputs) == set(wire.OUTPUTS)


def test_the_shipped_file_shows_every_key() -> None:
    shown = set(re.findall(r"[a-z0-9_]+(?=:)", SHIPPED))
    assert keys_of(json_schema()) <= shown


def test_the_shipped_file_shows_the_defaults_or_says_example() -> None:
    shipped, least = parse_config(SHIPPED).plain(), parse_config(LEAST).plain()
    differing = {key for key in shipped if shipped[key] != least[key]}
    assert differing == {"rig", "valve", "laser", "inputs", "imaging"}
    for section, key in (("valve", "drops"), ("laser", "power"), ("imaging", "frame_hz")):
        same = {name for name in shipped[section] if shipped[section][name] == least[section][name]}
        assert set(shipped[section]) - same == {key}
        assert re.search(rf"^  {key}:.*# example", SHIPPED, re.MULTILINE)


def test_the_committed_schema_is_fresh() -> None:
    committed = (ROOT / "docs" / "config.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(), "run: rig schema > docs/config.schema.json"


def test_ceilings_are_the_firmwares() -> None:
    text = (ROOT / "firmware" / "core" / "limits.h").read_text(encoding="utf-8")
    caps_us = {name.lower(): int(value) for name, value in re.findall(r"RIG_CAP_(\w+)_US (\d+)UL", text)}
    batch = re.search(r"define RIG_BATCH (\d+)", text)
    assert {name: 1000 * cap for name, cap in config_rules.CAP_MS.items()} == {
        k: caps_us[k] for k in ("valve", "laser")
    }
    assert parse_config(LEAST + f"safety: {{deadman_ms: {caps_us['deadman'] // 1000}}}").safety.deadman_ms == 5000
    assert "from 1 to 5000" in fault(LEAST + "safety: {deadman_ms: 5001}")
    assert batch
    assert "from 1 to 20" in fault(LEAST.replace("lever:", f"lever:\n  batch_samples: {int(batch[1]) + 1}"))


# --- faults, each with line, key and remedy ---------------------------------------------------------------------------

FAULTS = [
    ("", "config.yaml: empty; begin with the config.yaml of the repository"),
    ("# nothing\n", "config.yaml: empty; begin with the config.yaml of the repository"),
    ("- a\n", "config.yaml:1: expected keys and values, got a list of 1; write its keys below it, indented"),
    ("a: b\n\tc: d\n", "config.yaml:2: a tab cannot be read here; indent with spaces"),
    ("rig: r\nlever: [1\n", "config.yaml:3: not YAML: "),
    ("rig: r\n---\nrig: s\n", "config.yaml:2: not YAML: but found another document"),
    ("rig: a\x07", "config.yaml:1: a character that may not stand in a text file; delete it"),
    ('rig: "\\UFFFFFFFF"', "config.yaml: not YAML: an escape or a number that cannot be read"),
    ('rig: "\\U00110000"', "config.yaml: not YAML: an escape or a number that cannot be read"),
    ("[" * 5000, "config.yaml: nested too deep; nothing here is deeper than four levels"),
    ("rig: r\n", "config.yaml:1: lever: missing; write lever: (keys and values)"),
    (
        "rig: r\nlever:\n  travel_mm: [-1, 8]\n",
        "config.yaml:2: lever.mm_per_count: missing; write mm_per_count: 0.01",
    ),
    (
        LEAST.replace("0.01", "abc"),
        'config.yaml:3: lever.mm_per_count: expected a positive number, got "abc"; write e.g. 0.01',
    ),
    (LEAST.replace("0.01", "0"), "config.yaml:3: lever.mm_per_count: expected a positive number, got 0; "),
    (LEAST.replace("0.01", ".inf"), 'config.yaml:3: lever.mm_per_count: expected a positive number, got ".inf"; '),
    (
        LEAST.replace("0.01", "99"),
        "config.yaml:3: lever.mm_per_count: expected a positive number up to 10, got 99; write e.g. 0.01",
    ),
    (LEAST.replace("8]", "8, 9]"), "config.yaml:4: lever.travel_mm: expected a list of 2, got a list of 3; "),
    (LEAST.replace("[-1, 8]", "[1, 8]"), "config.yaml:4: lever.travel_mm[0]: expected a number from -1000 to 0, got 1"),
    (LEAST + "bdy: serial\n", 'config.yaml:5: bdy: unknown key (did you mean "body"?)'),
    (LEAST + "zzz: 1\n", "config.yaml:5: zzz: unknown key; known here: rig, body, board, "),
    (LEAST + "rig: s\n", "config.yaml:5: rig: stands twice, first in line 1; delete one"),
    (LEAST + "? [a]\n: 1\n", "config.yaml:1: a key must be a plain word, not a list or a mapping"),
    (LEAST + "data: &x d\nplan: *x\n", "config.yaml:6: plan: an alias (*) stands for other lines; write them out"),
    (LEAST + "data: !!str 5\n", "config.yaml:5: data: the tag !!str has no meaning here; delete it"),
    (LEAST + "data: !x 5\n", "config.yaml:5: data: the tag !x has no meaning here; delete it"),
    (LEAST + "data: 5\n", 'config.yaml:5: data: expected text, got 5; put it in quotes: "5"'),
    (LEAST + 'data: "a\\nb"\n', 'config.yaml:5: data: expected text, got "a?b"; write e.g. data'),
    (
        LEAST + "body: serail\n",
        'config.yaml:5: body: expected one of emulator, firmata, pty, serial, simulator, got "se',
    ),
    (LEAST + "safety:\n", "config.yaml:5: safety: expected keys and values, got none; write its keys below it"),
    (
        LEAST + "safety:\n  deadman_ms: 5.5\n",
        "config.yaml:6: safety.deadman_ms: expected a whole number from 1 to 5000",
    ),
    (LEAST + "safety:\n  deadman_ms: true\n", "config.yaml:6: safety.deadman_ms: expected a whole number, got true; "),
    (LEAST + "lever: true\n", "config.yaml:5: lever: stands twice, first in line 2; delete one"),
    (LEAST.replace("0.01", "true"), "config.yaml:3: lever.mm_per_count: expected a positive number, got true; write"),
    (LEAST + "safety:\n  interlock: interlok\n", "config.yaml:6: safety.interlock: expected one of lick, frame, "),
    (LEAST + "safety:\n  interlock: touch\n", "config.yaml:6: safety.interlock: touch is not wired; add it to inputs"),
    (
        LEAST + "safety:\n  allow_host_timed_outputs: yes\n",
        "config.yaml:6: safety.allow_host_timed_outputs: expected tr",
    ),
    (
        LEAST + "safety:\n  outputs:\n    lase: {}\n",
        'config.yaml:7: safety.outputs.lase: unknown key (did you mean "las',
    ),
    (
        LEAST + "safety: {outputs: {laser: {max_on_ms: 30001}}}\n",
        "config.yaml:5: safety.outputs.laser.max_on_ms: 30001 is beyond the board's own cap; write 30000 or less",
    ),
    (
        LEAST + "safety: {outputs: {mask: {window_s: 1}}}\n",
        "config.yaml:5: safety.outputs.mask: window_s and max_duty_ms",
    ),
    (
        LEAST + "safety: {outputs: {valve: {window_s: 5}}}\n",
        "config.yaml:5: safety.outputs.valve.max_duty_ms: more than",
    ),
    (LEAST + "inputs: {lik: {}}\n", 'config.yaml:5: inputs.lik: unknown key (did you mean "lick"?)'),
    (LEAST + "pins: {valve: 3, laser: 3}\n", "config.yaml:5: pins.laser: pin 3 is valve's already; give each role its"),
    (LEAST + "pins: {valve: B3}\n", "config.yaml:5: pins.valve: expected a whole number or an analogue one such as A0"),
    (LEAST + "pins: {Valve: 3}\n", "config.yaml:5: pins.Valve: expected small letters, digits and _ for a key"),
    (LEAST + "valve:\n  calibrated: 31.3.2025\n", "config.yaml:6: valve.calibrated: expected a date or none, got"),
    (LEAST + "valve:\n  calibrated: 2025-02-29\n", "config.yaml:6: valve.calibrated: expected a date or none, got"),
    (LEAST + "valve:\n  drops:\n  - {open_ms: 9, ul: 1}\n", "config.yaml:6: valve.drops: expected a list of 5 to 100"),
    (
        LEAST + "valve: {warn_after_days: 90}\n",
        "config.yaml:5: valve.warn_after_days: 90 is not before refuse_after_days",
    ),
    (
        SHIPPED.replace("ul: 6.4", "ul: 4.2"),
        "valve.drops[2].ul: 4.2 does not rise above the 4.3 before it; measure it again",
    ),
    (SHIPPED.replace("mw: 4.4", "mw: 1.8"), "laser.power[2].mw: 1.8 does not rise above the 1.8 before it"),
    (
        SHIPPED.replace("level: 255", "level: 256"),
        "laser.power[5].level: expected a whole number from 0 to 255, got 256",
    ),
    (
        LEAST + "body: serial\n",
        "config.yaml:1: board: body serial needs a board; write the one you have, e.g. mega2560",
    ),
    (LEAST + "body: emulator\nboard: teensy4\n", "config.yaml:6: board: the emulator runs AVR boards only"),
    (LEAST + "stream: tcp://*:5555\n", "config.yaml:5: stream: beyond this computer only with stream_keys"),
    (LEAST + "stream: tcp://0.0.0.0:5555\n", "config.yaml:5: stream: beyond this computer only with stream_keys"),
    (LEAST + "stream: tcp://imaging:5555\n", "config.yaml:5: stream: beyond this computer only with stream_keys"),
    (
        LEAST + "stream: tcp://127.0.0.1:0\n",
        "config.yaml:5: stream: expected tcp://address:port; write e.g. tcp://127.",
    ),
    (LEAST + "archive: postgresql://me:secret@host/db\n", "config.yaml:5: archive: a password does not belong in this"),
    (
        LEAST + "archive: here\n",
        "config.yaml:5: archive: expected auto, none or a URL; write e.g. sqlite:///archive.sqlite",
    ),
    (
        LEAST.replace("lever:", "lever:\n  sample_hz: 3000"),
        "config.yaml:3: lever.sample_hz: 3000 is no whole number of",
    ),
]


@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_faults_are_told_with_line_key_and_remedy(text: str, message: str) -> None:
    found = fault(text)
    assert message in found
    assert found.isprintable()


def test_a_password_is_not_repeated_in_its_message() -> None:
    assert "secret" not in fault(LEAST + "archive: postgresql://me:secret@host/db\n")


UNIT_KEYS = [
    (("safety", "deadman_ms"), 750),
    (("safety", "outputs", "laser", "window_s"), 120),
    (("lever", "noise_sd_mm"), 0.25),
    (("laser", "max_mw"), 12.5),
    (("sound", "sample_rate_hz"), 96000),
    (("simulator", "link_latency_ms"), 0.125),
    (("valve", "refuse_after_days"), 56),
]


@pytest.mark.parametrize(("path", "value"), UNIT_KEYS)
def test_a_wrong_unit_is_answered_with_a_line_that_works(path: tuple[str, ...], value: float) -> None:
    stem, _, unit = path[-1].rpartition("_")
    others = [name for name in UNITS if name != unit and UNITS[name][0] == UNITS[unit][0]]
    assert others
    for other in others:
        amount = float(value) * float(UNITS[unit][1] / UNITS[other][1])
        message = fault(merged(LEAST, nested(path[:-1], f"{stem}_{other}: {amount!r}")))
        line = message.partition("in the right unit: ")[2]
        config: Any = parse_config(merged(LEAST, nested(path[:-1], line)))
        for step in path:
            config = config[step] if isinstance(config, dict) else getattr(config, step)
        assert config == pytest.approx(value, rel=1e-12)


def nested(path: tuple[str, ...], line: str) -> str:
    """``line`` in flow style under the sections of ``path`` (or beside the lever's needed keys)."""
    if path == ("lever",):
        return "lever: {mm_per_count: 0.01, travel_mm: [-1, 8], " + line + "}\n"
    return f"{path[0]}: " + "".join(f"{{{step}: " for step in path[1:]) + f"{{{line}}}" + "}" * (len(path) - 1) + "\n"


def merged(least: str, section: str) -> str:
    """One text of both; a section that stands in both is the second's."""
    return ("rig: r\n" if section.startswith("lever") else least) + section


def test_the_lever_with_a_wrong_unit_only() -> None:
    assert "in the right unit: travel_mm" in fault(LEAST.replace("travel_mm", "travel_cm"))


# --- YAML 1.2 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *(("012", 12), ("-3", -3), ("1_000", "1_000"), ("10:30", "10:30"), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0)),
        *(("no", "no"), ("on", "on"), ("True", True), ("false", False), ("none", None), ("~", None), ("", None)),
        *(("2025-03-31", "2025-03-31"), (".nan", ".nan"), ("1e999", "1e999"), ("9" * 19, 1e19), ("٣", "٣")),
    ],
)
def test_words_are_read_as_editors_read_them(word: str, value: object) -> None:
    found = plain_word(word)
    assert (type(found), found) == (type(value), value)


def test_quoted_words_stay_text() -> None:
    assert read_yaml("a: '5'\nb: \"none\"\n", "x").data == {"a": "5", "b": "none"}


# --- nothing but Config or ConfigError --------------------------------------------------------------------------------


def parse_or_refuse(text: str) -> Config | None:
    """The configuration, or None after a ConfigError that is one line and names the file."""
    try:
        return parse_config(text)
    except ConfigError as error:
        message = str(error)
    assert message.startswith("config.yaml")
    assert message.isprintable()
    return None


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text(text: str) -> None:
    parse_or_refuse(text)


@given(st.text(alphabet="ab:-?[]{},&*!|>'\"%@`#~\n \t.019<=_\\U\x85\ufeff", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_punctuation(text: str) -> None:
    parse_or_refuse(LEAST + text)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_shipped_file_damaged(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SHIPPED)))
    end = data.draw(st.integers(start, min(start + 30, len(SHIPPED))))
    parse_or_refuse(SHIPPED[:start] + data.draw(st.text(max_size=10)) + SHIPPED[end:])


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(JUNK)
@settings(deadline=None)
def test_any_plain_data(data: Any) -> None:
    with pytest.raises(ConfigError):
        from_plain(data)


@st.composite
def replaced(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Any:
    """The shipped rig's plain data with one value, somewhere, replaced."""
    data = copy.deepcopy(PLAIN)
    at: Any = data
    while True:
        step = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not (isinstance(at[step], (dict, list)) and at[step]) or draw(st.integers(0, 4)) == 0:
            at[step] = nudged(at[step]) if draw(st.booleans()) else draw(values)
            return data
        at = at[step]


def nudged(value: Any) -> Any:
    """A value of the same kind that may well be right too."""
    if isinstance(value, bool):
        return not value
    return value * 2 if isinstance(value, int) else value * 0.75 if isinstance(value, float) else value


@given(replaced(JUNK | st.sampled_from([10**400, -(10**400), float("nan"), "2025-03-31", "simulator", "encoder"])))
@settings(max_examples=200, deadline=None)
def test_any_value_anywhere_round_trips_or_is_refused(data: Any) -> None:
    try:
        config = from_plain(data)
    except ConfigError as error:
        message = str(error)
        event("refused")
    else:
        message = ""
        event("taken")
        again = from_plain(json.loads(json.dumps(config.plain())))
        assert (again, again.digest()) == (config, config.digest())
    assert message.isprintable()


# --- the schema that editors use --------------------------------------------------------------------------------------

VALIDATOR = Draft202012Validator(json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def words_for_none(data: Any) -> Any:
    """Plain data as an editor's YAML sees it: ``none`` is a word."""
    if isinstance(data, dict):
        return {key: words_for_none(value) for key, value in data.items()}
    return [words_for_none(item) for item in data] if isinstance(data, list) else "none" if data is None else data


def test_the_schema_takes_the_shipped_file() -> None:
    Draft202012Validator.check_schema(json_schema())
    data = read_yaml(SHIPPED, "x").data
    assert not list(VALIDATOR.iter_errors(data))
    assert not list(VALIDATOR.iter_errors(words_for_none(data)))
    assert list(VALIDATOR.iter_errors({**data, "bdy": 1}))


EDITOR_VALUES = st.one_of(
    st.none() | st.booleans() | st.integers(-5, 3000) | st.text(st.characters(codec="ascii", categories=["L", "N"])),
    st.floats(-2, 2000).filter(lambda value: not value.is_integer()),
    st.sampled_from([[], {}, [1, 2], [-1, 8.5], {"hz": 1}, "A3", "2025-03-31", "2025-02-30", "lick", "low", "tone"]),
)


@given(replaced(EDITOR_VALUES))
@settings(max_examples=200, deadline=None)
def test_schema_and_check_agree(data: Any) -> None:
    try:
        check(Text("x", data), Config)
        taken = True
    except ConfigError:
        taken = False
    assert VALIDATOR.is_valid(data) == taken


# --- plain form and digest --------------------------------------------------------------------------------------------


def test_the_digest_knows_values_only() -> None:
    config = parse_config(SHIPPED)
    shuffled = dict(reversed(list(config.plain().items())))
    assert parse_config(yaml.safe_dump(shuffled, sort_keys=False)).digest() == config.digest()
    wired = [
        parse_config(LEAST + f"inputs: {{{text}}}\n").digest()
        for text in ("lick: {}, frame: {}", "frame: {}, lick: {}")
    ]
    assert wired[0] == wired[1] != parse_config(LEAST).digest()
    assert parse_config(LEAST).digest() == parse_config(LEAST + "# x\nsafety: {deadman_ms: 500}\n").digest()
    assert parse_config(LEAST).digest() != parse_config(LEAST + "safety: {deadman_ms: 501}\n").digest()
    assert re.fullmatch("[0-9a-f]{64}", config.digest())


def places(data: Any) -> list[list[Any]]:
    """The path of every single value in plain data."""
    if not isinstance(data, (dict, list)) or not data:
        return [[]]
    steps = data if isinstance(data, dict) else range(len(data))
    return [[step, *rest] for step in steps for rest in places(data[step])]


def test_every_value_is_in_the_digest() -> None:
    digests = [from_plain(PLAIN).digest()]
    for *path, last in places(PLAIN):
        data = copy.deepcopy(PLAIN)
        at: Any = data
        for step in path:
            at = at[step]
        at[last] = nudged(at[last])
        if data != PLAIN:
            with contextlib.suppress(ConfigError):
                digests.append(from_plain(data).digest())
    assert len(digests) > 40
    assert len(set(digests)) == len(digests)


def test_an_output_named_in_part_keeps_its_own_defaults() -> None:
    config = parse_config(LEAST + "safety: {outputs: {laser: {max_on_ms: 2000}}}\n")
    laser, default = config.safety.outputs["laser"], parse_config(LEAST).safety.outputs["laser"]
    assert (laser.max_on_ms, laser.window_s, laser.max_duty_ms) == (2000, default.window_s, default.max_duty_ms)
    assert set(config.safety.outputs) == set(wire.OUTPUTS)


@pytest.mark.parametrize("address", ["tcp://127.0.0.2:80", "tcp://localhost:5555", "tcp://[::1]:5555", "none"])
def test_streams_on_this_computer_need_no_keys(address: str) -> None:
    parse_config(LEAST + f"stream: {address}\n")
    parse_config(LEAST + "stream: tcp://10.0.0.7:5555\nstream_keys: keys\n")


# --- the file ---------------------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    with pytest.raises(ConfigError, match=r"config\.yaml: not found; "):
        load_config(path)
    with pytest.raises(ConfigError, match="is it a file you may read"):
        load_config(tmp_path)
    path.write_bytes(b"rig: r\nlever: \xff\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:2: not UTF-8; "):
        load_config(path)
    path.write_text(LEAST.replace("0.01", "x"), encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(f"{path}:3: lever.mm_per_count: ")):
        load_config(path)


def test_files_as_windows_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + LEAST.replace("\n", "\r\n").encode())
    assert load_config(path) == parse_config(LEAST)


def test_paths_start_at_the_files_folder(tmp_path: Path) -> None:
    assert beside(tmp_path / "config.yaml", "data") == tmp_path / "data"
    assert beside(tmp_path / "config.yaml", str(tmp_path / "x")) == tmp_path / "x"
    assert beside("config.yaml", "~/data") == Path.home() / "data"
