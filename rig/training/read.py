"""Reads a curriculum from the text of ``training.yaml``: strictly, naming file, line, key and remedy.

Floor 0: the text comes in as an argument. Whether a stage's protocol exists and has these parameters is found when a
session is launched.
"""

from __future__ import annotations

from typing import Any

from rig.config.text import Path
from rig.plan.source import Source, load
from rig.training import Rule, Stage, Training

STAGE = ("name", "protocol", "params", "advance", "fall_back")
RULE = ("success", "trials", "sessions")
MAX_STAGES = 100


def parse_training(text: str, name: str = "training.yaml") -> Training:
    """The curriculum written in ``text``. Raises ConfigError ``name:line: key: fault and remedy``."""
    source = load(text, name)
    head = source.mapping((), source.data, ("stages", "subjects"), ("stages",))
    stages = source.items(("stages",), head["stages"], lambda key, value: _stage(source, key, value))
    if not 1 <= len(stages) <= MAX_STAGES:
        source.fault(("stages",), f"{len(stages)} of them: give 1 to {MAX_STAGES}")
    names = [stage.name for stage in stages]
    for place, one in enumerate(names):
        if names.index(one) != place:
            source.fault(("stages", place, "name"), f"{one} stands twice: give each stage its own name")
    subjects = source.mapping(("subjects",), head.get("subjects", {}), ())
    return Training(stages, {name: _params(source, ("subjects", name), own) for name, own in subjects.items()})


def _stage(source: Source, key: Path, value: object) -> Stage:
    stage = source.mapping(key, value, STAGE, ("name", "protocol"))
    return Stage(
        source.text((*key, "name"), stage["name"]),
        source.text((*key, "protocol"), stage["protocol"]),
        _params(source, (*key, "params"), stage.get("params", {})),
        _rule(source, (*key, "advance"), stage.get("advance"), rising=True),
        _rule(source, (*key, "fall_back"), stage.get("fall_back"), rising=False),
    )


def _params(source: Source, key: Path, value: object) -> dict[str, str]:
    return {name: str(given) for name, given in source.mapping(key, value, ()).items()}


def _rule(source: Source, key: Path, value: object, *, rising: bool) -> Rule | None:
    if value is None:
        return None
    rule: dict[str, Any] = source.mapping(key, value, RULE)
    success = source.share((*key, "success"), rule["success"]) if "success" in rule else None
    counts = {word: source.whole((*key, word), rule[word]) for word in ("trials", "sessions") if word in rule}
    if len(counts) != 1:
        source.fault(key, "over what? say either trials: 40 (of this session) or sessions: 2")
    ((word, n),) = counts.items()
    if not 1 <= n <= 10_000:
        source.fault((*key, word), f"{n} is not within 1 … 10000")
    if success is None and (word == "trials" or not rising):
        source.fault(key, "success is missing: give a share such as 0.7")
    if success is not None and not 0 <= success <= 1:
        source.fault((*key, "success"), f"{success:g} is not within 0 … 1")
    return Rule(success, counts.get("trials"), counts.get("sessions"))
