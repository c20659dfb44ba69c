"""rig plan make and show, through the parser, with real files."""

from __future__ import annotations

import argparse
import io
import json
import os
import stat
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from plan_examples import PLAN, STUDY
from rich.console import Console

from rig.doors.plan import arguments, names, run
from rig.errors import ConfigError
from rig.plan import Light, light_data
from rig.plan.calendar import calendar
from rig.plan.file import key_path, read_key, read_plan, write_plan
from rig.plan.make import make_plan, plan_key
from rig.plan.write import plan_text

GOLDEN = Path(__file__).parent / "golden"
TODAY = date(2025, 3, 21)
STUDY_ARGS = [
    "--study", "thalamus", "--mice", "M01..M16", "--group", "opsin=8", "--group", "control=8",
    "--days", "16", "--light-days", "15,16", "--fraction", "0.25", "--first", "10",
    "--max-run", "3", "--start", "2025-03-03", "--skip", "sat,sun", "--seed", "7",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def rig_plan(*words: str) -> int:
    parser = argparse.ArgumentParser("rig plan")
    arguments(parser, lambda: TODAY)
    return run(parser.parse_args(words))


def test_one_command_makes_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert rig_plan("make", *STUDY_ARGS) == 0
    golden = (GOLDEN / "plan.yaml").read_bytes()
    assert Path("plan.yaml").read_bytes() == golden
    assert capsys.readouterr().out == (
        "plan.yaml: 16 animals, 16 days, seed 7\n"
        "light on day 15, 16: clear 8, blocked 8;"
        " control clear 4, blocked 4; opsin clear 4, blocked 4\n"
    )
    assert [path.name for path in Path().iterdir()] == ["plan.yaml"]


def test_the_calendar(capsys: pytest.CaptureFixture[str]) -> None:
    rig_plan("make", *STUDY_ARGS)
    capsys.readouterr()
    assert rig_plan("show") == 0
    shown = "".join(line.rstrip() + "\n" for line in capsys.readouterr().out.splitlines())
    assert shown == (GOLDEN / "plan_show.txt").read_text(encoding="utf-8")


def test_nothing_printed_of_a_blind_plan_tells_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    rig_plan("make", *STUDY_ARGS, "--blind")
    for words in ([], ["--json"], ["--subject", "M07"], ["--subject", "M07", "--json"]):
        rig_plan("show", *words)
    rig_plan("show", "--subject", "M07", "--unblind")
    printed = capsys.readouterr()
    text = (printed.out + printed.err).replace('"groups": ["control", "opsin"]', "")
    assert "opsin" not in text
    assert "control" not in text
    assert "seed 7" not in text
    assert rig_plan("show", "--unblind") == 0
    opened = capsys.readouterr().out
    digest = read_plan(Path("plan.yaml")).digest
    assert digest[:12] in opened  # the file's, so that it can be found in the records
    for subject, group in read_key(Path("plan.key.yaml")).groups.items():
        assert f"{subject}    {group}" in opened


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_key_is_for_its_owner_alone() -> None:
    rig_plan("make", *STUDY_ARGS, "--blind")
    assert stat.S_IMODE(Path("plan.key.yaml").stat().st_mode) == 0o600


def test_a_key_elsewhere_and_no_key(tmp_path: Path) -> None:
    rig_plan("make", *STUDY_ARGS, "--blind")
    Path("plan.key.yaml").rename("far.yaml")
    assert rig_plan("show", "--unblind", "--key", "far.yaml") == 0
    with pytest.raises(ConfigError, match=r"plan\.key\.yaml: no such file"):
        rig_plan("show", "--unblind")


def test_without_a_seed_one_is_drawn() -> None:
    words = STUDY_ARGS[: STUDY_ARGS.index("--seed")]
    seeds = set()
    for name in ("a.yaml", "b.yaml"):
        rig_plan("make", name, *words)
        seeds.add(read_plan(Path(name)).seed)
    assert len(seeds) == 2
    for name in ("c.yaml", "d.yaml"):
        rig_plan("make", name, *words, "--blind")
        seeds.add(read_key(key_path(Path(name))).seed)
    assert len(seeds) == 4


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    rig_plan("make", "x.yaml", *STUDY_ARGS, "--json", "--blind")
    made = json.loads(capsys.readouterr().out)
    plan = read_plan(Path("x.yaml"))
    assert made == {"files": ["x.key.yaml", "x.yaml"], "digest": plan.digest}
    rig_plan("show", "x.yaml", "--json")
    assert json.loads(capsys.readouterr().out)["digest"] == plan.digest
    rig_plan("show", "x.yaml", "--subject", "M07", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert rows == [plan.row("M07", day).data() for day in range(1, 17)]


def test_one_animal_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    rig_plan("make", *STUDY_ARGS)
    capsys.readouterr()
    rig_plan("show", "--subject", "M07")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:17] for line in lines] == [
        "M07, day 15 of 16",
        "M07, day 16 of 16",
        "today, 2025-03-21",
    ]
    assert lines[0].endswith("(2025-03-21)")
    assert lines[2].startswith("today, 2025-03-21: M07, day 15 of 16: light on 5 of every 20")


def test_every_option_reaches_the_plan() -> None:
    rig_plan(
        "make", "--group", "a=M1..M3,X9", "--group", "b=M4", "--days", "20",
        "--light-days", "11..13,20", "--windows", "none", "--fraction", "1/3", "--block", "9",
        "--first", "0", "--max-run", "none", "--no-masking-light", "--start", "2025-03-03",
        "--skip", "sun,2025-03-12", "--offset", "M4=7", "--seed", "1",
    )  # fmt: skip
    plan = read_plan(Path("plan.yaml"))
    assert [animal.group for animal in plan.animals.values()] == ["a", "a", "a", "b", "a"]
    assert tuple(plan.animals["X9"].light) == (11, 12, 13, 20)
    assert plan.rules == Light(None, 1 / 3, 9, 0, None)
    assert (plan.windows, plan.masking_light) == ((), False)
    assert plan.calendar is not None
    assert plan.calendar.skip_weekdays == ("sun",)
    assert plan.calendar.skip_dates == (date(2025, 3, 12),)
    assert plan.animals["M4"].offset_days == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--group", "opsin"], "opsin: write it as name=value"),
        (["--group", "a=M3..M1"], "M3..M1: a range is written M01..M16, smallest first"),
        (["--group", "a=M1..X3"], "M1..X3: a range is written"),
        (["--group", "a=M1..M99999"], "M1..M99999: a range is written"),
        (["--group", "a=M1", "--fraction", "x"], "--fraction x: give a fraction such as 0.25"),
        (["--group", "a=M1", "--max-run", "x"], "--max-run x: give a whole number"),
        (["--group", "a=M1", "--light-days", "x"], "--light-days x: give a whole number"),
        (["--group", "a=M1", "--start", "1.2.3"], "--start 1.2.3: give a date such as"),
        (["--group", "a=M1", "--skip", "sun"], "--skip and --offset need a date to count from"),
        (["--group", "a=M1", "--start", "2025-01-01", "--skip", "son"], "calendar.skip_weekdays:"),
        (["--group", "a=M1", "--fraction", "0.9"], "rules.fraction: 0.9 cannot be reached with"),
    ],
)
def test_arguments_that_make_no_plan(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        rig_plan("make", *words)
    assert str(error.value).startswith(message)
    assert not list(Path().iterdir())


def test_names() -> None:
    assert names("M08..M10,X,a1..2") == ("M08", "M09", "M10", "X", "a1", "a2")


def test_a_plan_is_not_overwritten_unasked() -> None:
    rig_plan("make", *STUDY_ARGS)
    before = Path("plan.yaml").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^plan\.yaml: exists already"):
        rig_plan("make", *STUDY_ARGS[:-1], "8")
    with pytest.raises(ConfigError, match=r"^plan\.yaml: exists already"):
        rig_plan("make", *STUDY_ARGS, "--blind")
    assert Path("plan.yaml").read_text(encoding="utf-8") == before
    assert not Path("plan.key.yaml").exists()
    assert rig_plan("make", *STUDY_ARGS[:-1], "8", "--force") == 0
    assert Path("plan.yaml").read_text(encoding="utf-8") != before


def test_files_that_cannot_be_read_or_written() -> None:
    with pytest.raises(ConfigError, match=r"^plan\.yaml: no such file: rig plan make writes one"):
        rig_plan("show")
    Path("plan.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"^plan\.yaml: is not UTF-8"):
        rig_plan("show")
    Path("plan.yaml").write_text(plan_text(PLAN).replace("opsin", "opsim", 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^plan\.yaml:25: animals\.M01\.group:"):
        rig_plan("show")
    with pytest.raises(ConfigError, match=r"^\.: cannot be read"):
        rig_plan("show", ".")
    with pytest.raises(ConfigError, match=r"x\.yaml: cannot be written: No such file"):
        rig_plan("make", "absent/x.yaml", *STUDY_ARGS)


def test_files_there_and_back(tmp_path: Path) -> None:
    spec = replace(STUDY, blind=True)
    plan, key = make_plan(spec, 7), plan_key(spec, 7)
    path = tmp_path / "my plan.yaml"
    assert write_plan(plan, path, key) == [tmp_path / "my plan.key.yaml", path]
    assert (read_plan(path), read_key(key_path(path))) == (plan, key)


def drawn(width: int, **changes: object) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(calendar(replace(PLAN, **changes), TODAY, width))  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_long_study_is_drawn_in_parts() -> None:
    text = drawn(50, days=40, calendar=None)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 50
    assert sum(line.startswith("animal") for line in lines) == 4
    days = [word for line in lines if line.startswith("animal") for word in line.split()[2:]]
    assert days == [str(day) for day in range(1, 41)]
    assert sum(line.split()[2:].count("C") for line in lines if line.startswith("M")) == 16


def test_an_animal_that_starts_later_has_its_own_today() -> None:
    rows = {**PLAN.animals, "M09": replace(PLAN.animals["M09"], offset_days=7)}
    lines = drawn(90, animals=rows).splitlines()
    today = {line[:3]: line.index("[") for line in lines if line[:1] == "M" and "[" in line}
    assert today["M09"] == today["M08"] - 5 * 3  # five sessions behind
    assert "2025-03-10" in next(line for line in lines if line.startswith("M09"))


def test_exceptions_are_starred_and_told() -> None:
    light = replace(PLAN.animals["M03"].light[16], fraction=0.5)
    assert light_data(light, PLAN.rules) == {"fraction": 0.5}
    row = replace(PLAN.animals["M03"], light={16: light})
    text = drawn(80, animals={**PLAN.animals, "M03": row})
    assert "C*" in text
    assert "* M03 day 16: {fraction: 0.5}" in text
