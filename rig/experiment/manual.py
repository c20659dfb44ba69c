"""docs/protocols.md: each protocol's Methods, its parameters and its drawing, made from the protocol's own file.

``python -m rig.manual > docs/protocols.md``; a test says when the page is no longer what the files say.
"""

from __future__ import annotations

import random
from typing import Any

from rig.experiment.draw import mermaid
from rig.experiment.params import Param
from rig.experiment.protocol import Protocol, load_protocol, protocol_folders
from rig.experiment.task import Past
from rig.units import ms, s

HEAD = """# The protocols

One file an experiment, in [protocols/](../protocols), under 80 lines each; `rig run --protocol NAME` runs it, with
`--set name=value` for a parameter. *Recalled* defaults are from memory and nowhere verified: set them for each study.
[authoring.md](authoring.md) says how to write one; [study.md](study.md) how stages, the light plan and an animal's own
values set parameters. This page is made from the files by `make generated`.
"""
# What is drawn as well as the default: states that a parameter brings in.
DRAWN: dict[str, dict[str, Any]] = {
    "cued_lever": {"still": 1 * s, "reward_delay": 150 * ms},
    "cued_lever_inactivation": {"light": True, "onset": "movement", "still": 1 * s, "reward_delay": 150 * ms},
    "habituation": {"touch": True},
}


def house_protocols() -> list[Protocol]:
    """The protocols of the repository, by name."""
    return [load_protocol(str(path)) for path in sorted(protocol_folders()[1].glob("[a-z]*.py"))]


def page(experiments: list[Protocol]) -> str:
    """The whole page, as Markdown."""
    links = "\n".join(f"- [{one.name}](#{one.name})" for one in experiments)
    return "\n".join([HEAD, links, *(chapter(one) for one in experiments)])


def chapter(experiment: Protocol) -> str:
    """One protocol: Methods, parameters, drawing."""
    methods, _, rest = docstring(experiment).partition("\n\n")
    rows = [_row(name, param) for name, param in experiment.params.items()]
    return "\n".join(
        [
            f"\n## {experiment.name}\n",
            methods,
            "",
            rest.strip(),
            "",
            "| parameter | default | from … to | what it is |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            *_drawing(experiment),
        ]
    )


def docstring(experiment: Protocol) -> str:
    """The text that the file opens with."""
    return experiment.source.split('"""')[1].strip()


def _row(name: str, param: Param) -> str:
    words = {True: "yes", False: "no", "": "–"}
    default = (
        words[param.default] if isinstance(param.default, (bool, str)) and param.default in words else param.default
    )
    bounds = "given by the light plan" if param.given else ", ".join(param.choices)
    if param.low is not None:
        bounds = f"{param.low} … {param.high}"
    elif isinstance(param.default, bool) and not param.given:
        bounds = "yes, no"
    return f"| `{name}` | {default}{' *recalled*' if param.recalled else ''} | {bounds or 'any text'} | {param.doc} |"


def _drawing(experiment: Protocol) -> list[str]:
    changes = DRAWN.get(experiment.name, {})
    values = experiment.params.values_with(changes)
    said = ", ".join(f"{name} {'yes' if value is True else value}" for name, value in changes.items())
    trial = experiment.trial(values, Past(), random.Random(1))
    caption = f"A trial, drawn with {said}:" if said else "A trial:"
    return [caption, "", "```mermaid", mermaid(trial).rstrip(), "```"]


if __name__ == "__main__":
    print(page(house_protocols()))
