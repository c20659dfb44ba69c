"""The engine on the model of a board, in virtual time: sessions, refusals, a lever that is noisy, stuck or torn."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from firmata_board import FirmataBoard
from firmata_rig import (
    CONFIG,
    LONG_VALVE,
    BoardInRig,
    ModelEnd,
    Surroundings,
    VirtualLink,
    arm,
    firmata_config,
    levels_over,
    mouse,
    pulse,
    virtual_link,
)
from hypothesis import given
from hypothesis import strategies as st

from rig import wire
from rig.board import Board
from rig.bodies.animals import Nobody
from rig.config import Config
from rig.errors import BoardError, ConfigError, ProtocolError
from rig.firmata.board import PinBoard
from rig.firmata.trials import INPUT_BITS, Trials
from rig.firmata.wiring import Placed, Wiring, cautions, wiring_of
from rig.link import Link
from rig.record.folder import events_of, manifest_of, read_entries
from rig.record.verify import verify
from rig.session import launch
from rig.session.summary import Rules, Summary

_HELLO = wire.encode("hello_ask", {"nonce": 1})
QUICK = {"iti_min": "0.5 s", "iti_max": "0.6 s", "reward_time": "100 ms"}


def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, link: Link, trials: int = 3) -> Summary:
    monkeypatch.setattr(launch, "open_link", lambda config, **_: link)
    config = firmata_config(data=str(tmp_path))
    order = launch.Order(config, tmp_path / "config.yaml", changes=QUICK, rules=Rules(trials=trials), seed=1)
    return launch.launch(order)


def test_whole_sessions_with_the_mouse_on_the_analogue_pin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = virtual_link(firmata_config(), mouse())
    assert isinstance(link.end, ModelEnd)
    summary = session(monkeypatch, tmp_path, link)
    assert (summary.ended, summary.trials, summary.lost_events, summary.damaged_frames) == ("trials", 3, 0, 0)
    assert summary.rewarded > 0
    valve = link.end.rig.around.valve_us
    assert len(valve) == 2 * summary.rewarded
    widths = [b[0] - a[0] for a, b in zip(valve[::2], valve[1::2], strict=True)]
    asked_us = 42_500  # 8 uL on the bench's calibration line
    assert all(abs(width - asked_us) < 1500 for width in widths), widths
    assert not any(level for _, level in levels_over(link.end.rig.board))
    entries, damage = read_entries(Path(summary.session))
    assert not damage
    assert manifest_of(entries)["board"]["board"] == int(wire.BoardKind.FIRMATA)
    report = verify(entries)
    assert not report.faults, report.faults
    assert {"lick", "frame"} <= {name for e in events_of(entries) if e.name == "input" for name in e.fields["changed"]}


def test_inputs_that_are_high_when_the_machine_begins_re_execute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    board = FirmataBoard()
    board.outside[2] = 1
    summary = session(monkeypatch, tmp_path, virtual_link(firmata_config(), board=board), trials=1)
    report = verify(read_entries(Path(summary.session))[0])
    assert not report.faults, report.faults


def begun(board: FirmataBoard | None = None, more: str = "", text: str = CONFIG) -> VirtualLink:
    return virtual_link(firmata_config(more=more, text=text), Nobody(), board)


def test_the_fastest_sampling_is_used_and_measured() -> None:
    link = begun()
    assert link.engine.sample_period_us == pytest.approx(1000, rel=0.02)
    assert min(link.engine.round_trips_us) >= round(
        4 * 10e6 / 57_600
    )  # four bytes on the line, and its samples between
    assert link.engine.uncertainty_us > 1600


def test_another_firmware_and_silence_are_refused() -> None:
    with pytest.raises(BoardError, match="flash StandardFirmata"):
        begun(FirmataBoard(version=(1, 9)))
    hung = FirmataBoard()
    hung.silent = True
    rig = BoardInRig(hung, Surroundings(Nobody()))
    end = ModelEnd(rig)
    rig.to_host.queue.clear()
    with pytest.raises(BoardError, match="no Firmata answers"):
        VirtualLink(end, wiring_of(firmata_config()))


class Deaf(FirmataBoard):
    """A firmware that leaves one of the protocol's commands out."""

    def __init__(self, to: int) -> None:
        super().__init__()
        self._to = to

    def _on_sysex(self, command: int, data: bytes) -> None:
        if command != self._to:
            super()._on_sysex(command, data)

    def _on_command(self, t_us: int, command: int, data: bytes) -> None:
        if command & 0xF0 != self._to:
            super()._on_command(t_us, command, data)

    def _report_analog(self, channel: int, *, on: bool) -> None:
        if self._to != 0xC0:  # setting the mode asks for reports, too
            super()._report_analog(channel, on=on)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (0x6B, "tells no pin capabilities: flash StandardFirmata 2.3 or later"),
        (0x69, "tells no pin capabilities: flash StandardFirmata 2.3 or later"),
        (0xD0, "reports no digital inputs: flash StandardFirmata anew"),
        (0xC0, "sends no samples of A0: flash StandardFirmata anew"),
    ],
)
def test_a_firmware_that_leaves_something_out_is_refused_with_the_remedy(to: int, said: str) -> None:
    with pytest.raises(BoardError, match=said):
        begun(Deaf(to))


class Torn(FirmataBoard):
    """A board of whose greeting the computer heard the end alone."""

    def start(self) -> bytes:
        return super().start()[3:]


def test_a_greeting_heard_from_its_middle_is_waited_out() -> None:
    assert begun(Torn()).about["protocol"] == (2, 5)


class Chatter(FirmataBoard):
    """Some other firmware that prints without end."""

    def start(self) -> bytes:
        return b"Encoder ready\r\n"

    def receive(self, t_us: int, data: bytes) -> bytes:
        return b"ERR: unknown command\r\n" if data else b""


def test_a_board_that_prints_text_is_no_firmata() -> None:
    with pytest.raises(BoardError, match="no Firmata answers"):
        begun(Chatter())


def test_a_pin_that_cannot_do_it_is_named_with_those_that_can() -> None:
    with pytest.raises(BoardError, match=r"pins.lever: pin A0 .* cannot be an analogue input"):
        begun(FirmataBoard(without_analogue=True))
    with pytest.raises(BoardError, match=r"pins.valve: pin 1 .* cannot be an output \(it can be nothing at all\)"):
        begun(text=CONFIG.replace("valve: 8", "valve: 1"))
    light = "safety: {allow_host_timed_outputs: true}\n"
    with pytest.raises(BoardError, match=r"laser_level: pin 7 .* cannot be PWM .*: 3, 5, 6, 9, 10, 11"):
        begun(more=light, text=CONFIG.replace("valve: 8", "valve: 8, laser: 12, laser_level: 7"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("valve: 8", "valve: 8, laser: 12", "safety.allow_host_timed_outputs"),
        ("source: analogue", "source: encoder", "lever.source"),
        ("lever: A0, ", "", "pins.lever"),
        ("lick: 2, ", "", "pins.lick"),
        ("valve: 8", "valve: A3", "pins.valve"),
        ("valve: 8", "valvo: 8", "pins.valvo"),
    ],
)
def test_a_wiring_that_cannot_be_is_refused_by_its_key(old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        wiring_of(firmata_config(text=CONFIG.replace(old, new)))


def test_an_output_that_is_safe_when_high_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"safety.outputs.valve.safe"):
        wiring_of(firmata_config(more="safety: {outputs: {valve: {safe: high}}}\n"))


def test_what_cannot_be_guaranteed_is_said() -> None:
    config = firmata_config()
    assert any("host-timed" in line for line in cautions(wiring_of(config), config))
    lit = firmata_config(
        more="safety: {allow_host_timed_outputs: true}\n", text=CONFIG.replace("valve: 8", "valve: 8, laser: 12")
    )
    assert any("laser is timed by this computer" in line for line in cautions(wiring_of(lit), lit))
    assert Wiring(**wiring_of(lit).plain()) == wiring_of(lit)


def with_lever(disturb: object, seconds: float = 0.5) -> VirtualLink:
    """A begun rig whose lever wire is disturbed from then on."""
    link = begun()
    assert isinstance(link.end, ModelEnd)
    link.end.rig.disturb = disturb  # type: ignore[assignment]
    for _ in range(int(seconds * 20)):
        link.read(50_000_000)
    return link


def test_a_lever_that_is_noisy_or_stuck_at_the_start_is_refused() -> None:
    rng = random.Random(1)
    for disturb, said in (
        (lambda counts: rng.randrange(1024), "noisy or moving: SD"),
        (lambda counts: 1023, "stuck at 1023"),
    ):
        rig = BoardInRig(FirmataBoard(), Surroundings(Nobody()))
        rig.disturb = disturb
        with pytest.raises(BoardError, match=said):
            VirtualLink(ModelEnd(rig), wiring_of(firmata_config()))


def test_a_lever_that_tears_loose_in_a_session_is_told() -> None:
    rng = random.Random(1)
    torn = with_lever(lambda counts: rng.choice((0, counts)))
    assert any("loose wire" in text for text in torn.engine.warnings)
    assert any("an end of its converter" in text for text in torn.engine.warnings)
    assert not with_lever(lambda counts: counts + rng.randrange(2)).engine.warnings
    stuck = with_lever(lambda counts: 512, seconds=0)
    stuck.engine.trials.seen.moved_us -= 60_000_000
    for _ in range(20):
        stuck.read(50_000_000)
    assert any("stuck? check its cable" in text for text in stuck.engine.warnings)


def test_a_board_that_falls_silent_ends_the_session() -> None:
    link = begun()
    assert isinstance(link.end, ModelEnd)
    link.end.rig.board.silent = True
    with pytest.raises(BoardError, match="silent"):
        read_on(link)


def read_on(link: Link, seconds: float = 1.0) -> None:
    """Let a second pass."""
    for _ in range(int(10 * seconds)):
        link.read(100_000_000)


def go_on(board: Board, act: Callable[[], None] = lambda: None) -> None:
    """Do something, and let a few seconds pass."""
    act()
    for _ in range(100):
        board.poll(50_000_000)


def armed(config: Config) -> tuple[VirtualLink, Board]:
    """A rig whose board is armed, as a session does it."""
    link = virtual_link(config)
    return link, arm(link, config)


def test_an_output_without_a_pin_ends_the_session_rather_than_lie() -> None:
    _, board = armed(firmata_config())
    with pytest.raises(BoardError, match=r"mask, which has no pin"):
        go_on(board, lambda: pulse(board, "mask"))


def test_an_output_without_a_pin_is_refused_before_a_session_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = firmata_config(data=str(tmp_path), text=CONFIG.replace(" sync: 9,", ""))
    link = virtual_link(config)
    monkeypatch.setattr(launch, "open_link", lambda config, **_: link)
    with pytest.raises(ProtocolError, match=r"sync, for which the board .* has no pin: .*pins\.sync"):
        launch.launch(launch.Order(config, tmp_path / "config.yaml", rules=Rules(trials=1)))


def test_light_below_full_command_needs_a_pwm_pin() -> None:
    allowed = "safety: {allow_host_timed_outputs: true}\n"
    _, board = armed(firmata_config(more=allowed, text=CONFIG.replace("valve: 8", "valve: 8, laser: 12")))
    with pytest.raises(BoardError, match="laser_level"):
        go_on(board, lambda: pulse(board, "laser", level=128))
    link, board = armed(
        firmata_config(more=allowed, text=CONFIG.replace("valve: 8", "valve: 8, laser: 12, laser_level: 11"))
    )
    pulse(board, "laser", level=128)
    for _ in range(3):
        board.poll(20_000_000)
    assert isinstance(link.end, ModelEnd)
    assert (link.end.rig.board.high[12], link.end.rig.board.state[11]) == (1, 128)


def test_a_host_that_falls_silent_is_the_dead_mans_case() -> None:
    link, board = armed(firmata_config(more=LONG_VALVE))
    assert isinstance(link.end, ModelEnd)
    pulse(board, "valve", width_us=1_800_000)
    for _ in range(3):
        board.poll(20_000_000)
    assert link.end.rig.board.high[8] == 1
    start_us = link.end.now_us
    while link.end.now_us < start_us + 1_000_000:
        link.read(50_000_000)
    (opened, closed) = link.end.rig.around.valve_us[-2:]
    assert opened[1] == 1
    assert closed[1] == 0
    assert closed[0] - start_us < 510_000


def test_a_switch_serves_as_lever() -> None:
    text = CONFIG.replace("lever: A0", "lever: 7").replace("mm_per_count: 0.02", "mm_per_count: 4")
    link = begun(text=text)
    assert isinstance(link.end, ModelEnd)
    trials = link.engine.trials
    for level in (1, 0, 1):
        link.end.rig.board.outside[7] = level
        for _ in range(3):
            link.read(10_000_000)
        assert trials.lib.host_lever(trials.host) == level


MESSAGES = st.one_of(
    st.tuples(st.just(0xE0), st.integers(0, 127), st.integers(0, 7)),
    st.tuples(st.sampled_from((0x90, 0x91, 0xE3)), st.integers(0, 127), st.integers(0, 1)),
    st.sampled_from(((0xF9, 2, 5), (0xF0, 0x71, 65, 0, 0xF7), (0xE0,), (0x90, 3), (7,), (0xF0, 1))),
)


@given(st.lists(MESSAGES, max_size=60), st.lists(st.integers(0, 200), max_size=20))
def test_samples_and_levels_are_read_as_pyfirmata2_reads_them(messages: list[tuple[int, ...]], cuts: list[int]) -> None:
    data = bytes(byte for message in messages for byte in message)
    placed = Placed(14, 0, 10, {}, {"lick": 2, "frame": 4}, None)
    theirs, samples = PinBoard(), [512]
    theirs.able, theirs.channels = {pin: {0: 1, 1: 1, 2: 10} for pin in range(20)}, {0: 14}
    theirs.settle(placed, INPUT_BITS)
    theirs.on_sample = samples.append
    theirs.take(data)
    ours, rest = Trials(0, placed, 512, 0), PinBoard()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        ours.take(1000, data[start:end])
        rest.take(ours.words())
    assert 512 + ours.lib.host_lever(ours.host) == samples[-1]
    assert ours.seen.sample_us == (1000 if len(samples) > 1 else 0)
    assert rest.firmata_version == theirs.firmata_version
    ours.hear(
        2000, b"".join(wire.frame(p) for p in (_HELLO, wire.encode("set_inputs", {"enabled": 255, "invert": 0}, 0)))
    )
    told = [wire.decode(p) for p in wire.FrameSplitter().feed(ours.said())]
    levels = [told_.fields["levels"] for told_ in told if told_.name == "input"]
    assert (levels[-1] if levels else 0) == theirs.levels


def threes(data: bytes) -> list[bytes]:
    return sorted(data[i : i + 3] for i in range(0, len(data), 3))


@pytest.mark.parametrize("roles", [["valve"], ["valve", "mask"], ["mask", "sync"]])
def test_outputs_are_written_as_pyfirmata2_writes_them(roles: list[str]) -> None:
    outputs = {"valve": 8, "sync": 12, "mask": 3}
    theirs = PinBoard()
    theirs.able, theirs.channels = {pin: {0: 1, 1: 1, 2: 10} for pin in range(20)}, {0: 14}
    theirs.settle(Placed(14, 0, 10, outputs, {}, None), INPUT_BITS)
    theirs.give()
    theirs.set_outputs({outputs[role]: 1 for role in roles})
    text = CONFIG.replace("valve: 8, sync: 9, tone: 10", "valve: 8, sync: 12, mask: 3")
    link, board = armed(firmata_config(text=text))
    written: list[bytes] = []
    link.end.write = written.append  # type: ignore[assignment]
    state = dict.fromkeys((name for name, _ in wire.STATE_FIELDS), 0)
    on = sum(1 << wire.OUTPUTS.index(role) for role in roles)
    board.send("table_begin", {"trial": 1, "states": 1, "rules": 0, "generators": 0})
    board.send("table_state", {"index": 0, **state, "outputs": on, "after_us": 300_000, "after_to": wire.END})
    board.send("table_commit")
    while not any(data[0] & 0xF0 == 0x90 for data in written):
        board.poll(1_000_000)
    assert threes(written[-1]) == threes(theirs.give())


def told_by(trials: Trials) -> list[wire.Decoded]:
    return [wire.decode(p) for p in wire.FrameSplitter().feed(trials.said())]


def started() -> Trials:
    """A machine on an analogue lever and two inputs, a sample each millisecond, at 1000 us."""
    trials = Trials(0, Placed(14, 0, 10, {"sync": 9}, {"lick": 2, "frame": 4}, None), 512, 0)
    commands = (
        ("set_inputs", {"enabled": 255, "invert": 0}),
        ("set_lever", {"source": 1, "period_us": 1000, "batch": 1}),
    )
    said = [_HELLO, *(wire.encode(name, values, i) for i, (name, values) in enumerate(commands))]
    trials.hear(1000, b"".join(map(wire.frame, said)))
    told_by(trials)
    return trials


@pytest.mark.parametrize("stepped", [False, True])
def test_nothing_shares_a_microsecond_with_what_is_decided_already(stepped: bool) -> None:
    trials = started()
    if stepped:
        trials.step(2000)  # the sample is told
    trials.take(2000, b"\x90\x04\x00\x90\x14\x00\xe0\x01\x04")
    order = [(one.name, one.board_us) for one in told_by(trials) if one.name in ("input", "lever")]
    if stepped:
        assert order == [("lever", 2000), ("input", 2001), ("input", 2002)]
    else:
        assert order == [("input", 2000), ("lever", 2000), ("input", 2001)]
    trials.step(2001)  # the machine is ahead by a little, and never goes back
    assert trials.lib.host_now(trials.host) >= 2002
    assert trials.lib.host_lever(trials.host) == 1


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=300))
def test_percentiles_are_at_most_seven_per_cent_too_high(times_ns: list[int]) -> None:
    trials = Trials(0, Placed(14, 0, 10, {}, {}, None), 512, 0)
    for ns in times_ns:
        trials.lib.firmata_time(trials.pins, trials.lib.FIRMATA_REPLY, ns)
    found = trials.times_us()
    ranked = sorted(times_ns)
    for percent in (50, 99):
        true_us = ranked[max(0, -(-len(ranked) * percent // 100) - 1)] / 1000
        assert true_us - 0.1 <= found[f"loop_p{percent}_us"] <= true_us * 1.07 + 0.1
    assert found["loop_worst_us"] == round(ranked[-1] / 1000, 1)
    assert trials.replies == len(times_ns)
