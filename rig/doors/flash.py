"""Write the firmware onto a board, then ask it who it is: an answer of another version or with other pins is an error.

examples:
  rig flash --board mega2560                       the only serial port there is
  rig flash --board uno328p --port /dev/ttyACM1
  rig flash --board mega2560 --hex firmware/build/mega2560.hex     one that was built here
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from pathlib import Path

from rig import pins, wire
from rig.board import Board, Hello
from rig.errors import BoardError
from rig.link import SerialLink, ports
from rig.session.setup import pin_table

BOARDS = ("mega2560", "uno328p", "teensy4")
HEX = Path(__file__).parents[1] / "hex"
BOOT_S = 2.0  # an Arduino's boot loader waits for another upload first
_AVRDUDE = {
    "mega2560": ["-p", "atmega2560", "-c", "wiring", "-b", "115200", "-D"],
    "uno328p": ["-p", "atmega328p", "-c", "arduino", "-b", "115200"],
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("--board", choices=BOARDS, default="mega2560", help="default: mega2560")
    parser.add_argument("--port", help="serial port (default: the only one there is)")
    parser.add_argument("--hex", type=Path, help="the program (default: the one that came with this package)")


def command_of(board: str, port: str, program: Path) -> list[str]:
    """The programmer's command. Raises BoardError where it is not installed."""
    tool = "teensy_loader_cli" if board == "teensy4" else "avrdude"
    found = shutil.which(tool)
    if found is None:
        raise BoardError(f"{tool} is not installed: apt-get install {tool.replace('_', '-')}")
    if board == "teensy4":
        return [found, "--mcu=TEENSY41", "-w", "-v", str(program)]
    return [found, *_AVRDUDE[board], "-P", port, "-U", f"flash:w:{program}:i"]


def program_of(board: str, given: Path | None) -> Path:
    """The hex file to write."""
    program = given or HEX / f"{board}.hex"
    if not program.exists():
        remedy = "build it with the Arduino IDE" if board == "teensy4" else "`make -C firmware ship`"
        raise BoardError(f"{program} is not there: {remedy}, or give --hex FILE")
    return program


def port_of(given: str | None) -> str:
    """The port to use."""
    found = [name for name, _ in ports()]
    if given is None and len(found) != 1:
        raise BoardError(f"which port? there are: {', '.join(found) or 'none'}; say --port")
    return given or found[0]


def answered(port: str, board: str, wait_s: float = BOOT_S) -> Hello:
    """The hello of the board that was just written. Raises BoardError where it is not that board, or has other pins."""
    link = SerialLink(port)
    try:
        time.sleep(wait_s)
        hello = Board(link).connect()
    finally:
        link.close()
    kind = wire.BoardKind(hello.board)
    if kind.name.lower() not in (board, "pty"):
        raise BoardError(f"{port}: a {kind.name.lower()} answered, not a {board}")
    if table := pin_table(kind):
        pins.check(board, table, {}, hello.pins_hash)
    return hello


def run(args: argparse.Namespace) -> int:
    """The command."""
    program, port = program_of(args.board, args.hex), port_of(args.port)
    command = command_of(args.board, port, program)
    print(" ".join(command))
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise BoardError(f"{Path(command[0]).name} failed ({done.returncode}): is {port} the {args.board}, and free?")
    hello = answered(port, args.board)
    print(
        f"{args.board} on {port}: list {hello.wire_hash:08x}, {hello.states} states, {hello.rules} rules, "
        f"{hello.generators} generators, {hello.queue_bytes} bytes of events; life {hello.boot}"
    )
    return 0
