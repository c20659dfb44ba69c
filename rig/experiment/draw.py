"""A trial's states as a drawing: Mermaid text, or an SVG with the states one below the other.

May not: do any I/O.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from rig.experiment.task import END, State, Trial

WIDTH, HEIGHT, STEP, LEFT = 290, 44, 84, 190
COLOURS = {"rewarded": "#c7e9c0", "missed": "#fdd0a2"}


def _word(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def mermaid(trial: Trial) -> str:
    """A Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {_word(trial.states[0].name)}"]
    for state in trial.states:
        if does := _does(state):
            lines.append(f"    {_word(state.name)}: {state.name}<br/>{'<br/>'.join(does)}".replace("→", " to "))
        for why, target in state.targets():
            to = "[*]" if target == END else _word(target)
            lines.append(f"    {_word(state.name)} --> {to}: {why}".replace("→", " to "))
    return "\n".join(lines) + "\n"


def _does(state: State) -> list[str]:
    does = [f"{output} on" for output in state.on]
    does += [f"start {generator}" for generator in state.start]
    does += [f"stop {generator}" for generator in state.stop]
    return does + (["zero the lever"] if state.zero_lever else [])


def svg(trial: Trial) -> str:
    """An SVG: states in a column, the ways between neighbours straight, all others around the sides."""
    names = [state.name for state in trial.states]
    rows = [*names, END]
    parts = [_box(state, i) for i, state in enumerate(trial.states)]
    parts.append(f'<circle cx="{LEFT + WIDTH // 2}" cy="{_y(len(names)) + 14}" r="9" fill="#333"/>')
    lane = {True: 0, False: 0}
    for i, state in enumerate(trial.states):
        for why, target in state.targets():
            to = rows.index(target)
            if to == i + 1:
                parts.append(_straight(i, why))
            else:
                down = to > i
                lane[down] += 1
                parts.append(_around(i, to, lane[down], why, right=down))
    height = _y(len(names)) + 40
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * LEFT + WIDTH} {height}" font-family="sans-serif">'
    )
    arrow = (
        '<defs><marker id="a" markerWidth="9" markerHeight="7" refX="8" refY="3.5" orient="auto">'
        '<path d="M0,0 L9,3.5 L0,7 z" fill="#333"/></marker></defs>'
    )
    return "\n".join([head, arrow, *parts, "</svg>"]) + "\n"


def _y(row: int) -> int:
    return 12 + STEP * row


def _box(state: State, row: int) -> str:
    fill = COLOURS.get(state.outcome or "", "#deebf7")
    does = ", ".join(_does(state))
    does = does if len(does) <= 60 else does[:59] + "…"
    return (
        f'<rect x="{LEFT}" y="{_y(row)}" width="{WIDTH}" height="{HEIGHT}" rx="9" fill="{fill}" stroke="#333"/>'
        f'<text x="{LEFT + WIDTH // 2}" y="{_y(row) + 18}" text-anchor="middle" font-size="14">'
        f"{escape(state.name)}</text>"
        f'<text x="{LEFT + WIDTH // 2}" y="{_y(row) + 34}" text-anchor="middle" font-size="9">{escape(does)}</text>'
    )


def _straight(row: int, why: str) -> str:
    x, top = LEFT + WIDTH // 2, _y(row) + HEIGHT
    return (
        f'<path d="M{x},{top} V{_y(row + 1)}" stroke="#333" fill="none" marker-end="url(#a)"/>'
        f'<text x="{x + 6}" y="{top + 24}" font-size="10">{escape(why)}</text>'
    )


def _around(row: int, to: int, lane: int, why: str, *, right: bool) -> str:
    edge = LEFT + WIDTH if right else LEFT
    out = edge + (26 + 22 * lane) * (1 if right else -1)
    begin, end = _y(row) + HEIGHT // 2 + (6 if right else -6), _y(to) + HEIGHT // 2 - (6 if right else -6)
    anchor = "start" if right else "end"
    return (
        f'<path d="M{edge},{begin} H{out} V{end} H{edge}" stroke="#555" fill="none" marker-end="url(#a)"/>'
        f'<text x="{edge + (8 if right else -8)}" y="{begin - 4}" font-size="10" text-anchor="{anchor}">'
        f"{escape(why)}</text>"
    )
