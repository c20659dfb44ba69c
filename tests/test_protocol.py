"""Finding and loading protocol files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rig.errors import ProtocolError
from rig.experiment.protocol import find_protocol, load_protocol, load_source
from rig.experiment.task import Past, Trial

GOOD = '''"""Methods."""
from rig import END, Params, State, Trial, s
PARAMS = Params()
def trial(p, past, rng):
    return Trial(State("a", after=(1 * s, END)))
'''


def test_a_protocol_is_found_by_name_and_by_path() -> None:
    by_name = load_protocol("cued_lever")
    assert load_protocol(str(by_name.path)).digest == by_name.digest
    trial = by_name.trial(by_name.params.values_with(), Past(), random.Random(1))
    assert isinstance(trial, Trial)
    assert by_name.source.startswith('"""Cued lever press.')


@pytest.mark.parametrize(
    ("name", "says"), [("cued_levr", 'no protocol "cued_levr" .did you mean "cued_lever"'), ("gone.py", "no such file")]
)
def test_an_unknown_protocol_is_named(name: str, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        find_protocol(name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("def trial(p, past, rng)", "def trail(p, past, rng)"), "the function trial.p, past, rng. is missing"),
        (("PARAMS = Params()", ""), "PARAMS is missing"),
        (('"""Methods."""', ""), "begin the file with a docstring"),
        (("return Trial", "return Trial("), "mine.py:5: "),
        (("from rig import END", "from rig import ENDE"), "mine.py:2: cannot import name"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(change: tuple[str, str], says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        load_source(GOOD.replace(*change), Path("mine.py"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("1 * s", "1 * s + p.hold"), 'mine.py:5: there is no parameter "hold"'),
        (("Trial(State", "(State"), "returned State"),
    ],
)
def test_a_failing_trial_names_its_line(change: tuple[str, str], says: str) -> None:
    experiment = load_source(GOOD.replace(*change), Path("mine.py"))
    with pytest.raises(ProtocolError, match=says):
        experiment.trial(experiment.params.values_with(), Past(), random.Random(1))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("past.lastt(2)", "bad.py:5: 'Past' object has no attribute 'lastt' (did you mean \"last\"?)"),
        ("Stat", "bad.py:5: name 'Stat' is not defined (did you mean \"State\"?)"),
    ],
)
def test_a_slip_names_its_line_and_the_nearest_name(line: str, says: str) -> None:
    text = GOOD.replace("    return Trial", f"    {line}\n    return Trial")
    experiment = load_source(text, Path("bad.py"))
    with pytest.raises(ProtocolError) as error:
        experiment.trial(experiment.params.values_with(), Past(), random.Random(1))
    assert str(error.value) == says


def test_a_file_at_hand_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ProtocolError, match=r"say --protocol mine\.py"):
        find_protocol("mine")
