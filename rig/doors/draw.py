"""Draw a protocol's states as Mermaid (which Markdown shows) or SVG.

examples:
  rig draw protocols/cued_lever.py
  rig draw cued_lever --format svg > cued_lever.svg
"""

from __future__ import annotations

import argparse
import random

from rig.experiment.draw import mermaid, svg
from rig.experiment.protocol import load_protocol
from rig.experiment.task import Past


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("protocol", help="name or file of a protocol")
    parser.add_argument("--format", choices=("mermaid", "svg"), default="mermaid", help="default: mermaid")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter")
    parser.add_argument("--seed", type=int, default=1, help="of the trial that is drawn")


def run(args: argparse.Namespace) -> int:
    """The command."""
    experiment = load_protocol(args.protocol)
    changes = dict(text.split("=", 1) for text in args.set if "=" in text)
    trial = experiment.trial(experiment.params.values_with(changes), Past(), random.Random(args.seed))
    print((svg if args.format == "svg" else mermaid)(trial), end="")
    return 0
