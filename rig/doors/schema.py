"""Print the JSON Schema of config.yaml, for editors that complete and check while you type.

example:
  rig schema > config.schema.json
"""

from __future__ import annotations

import argparse
import json

from rig.config import json_schema


def arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to say."""


def run(args: argparse.Namespace) -> int:
    """The command."""
    print(json.dumps(json_schema(), indent=1))
    return 0
