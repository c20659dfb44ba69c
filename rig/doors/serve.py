"""Answer listeners between sessions: whoever missed the end of one can still fetch it.

During a session `rig run` does this by itself. This command serves the whole data folder until Ctrl-C; end it before
the next session, which needs its port.

examples:
  rig serve
  rig serve --config rigs/left.yaml
"""

from __future__ import annotations

import argparse
import contextlib

import zmq

from rig.config.file import beside, load_config
from rig.errors import ConfigError
from rig.record.folder import sessions
from rig.stream.address import answers_at
from rig.stream.answer import Answerer
from rig.stream.job import Job


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("--config", default="config.yaml", help="this rig's file (default: config.yaml)")


def run(args: argparse.Namespace) -> int:
    """The command."""
    config = load_config(args.config)
    if config.stream is None:
        raise ConfigError(f"{args.config}: stream: none; give it an address, e.g. tcp://127.0.0.1:5555")
    data = beside(args.config, config.data)
    keys = str(beside(args.config, config.stream_keys)) if config.stream_keys else None
    newest = sessions(data)
    session = f"{newest[-1].parent.name}/{newest[-1].name}" if newest else ""
    job = Job(session, str(data), address=answers_at(config.stream), keys=keys, log=str(data / "stream.log"))
    try:
        answerer = Answerer(job)
    except zmq.ZMQError as error:
        raise ConfigError(f"{job.address} cannot be bound ({error}): is a session or another `rig serve` on?") from None
    print(f"answering at {answerer.address} from {data}; Ctrl-C ends it")
    with contextlib.suppress(KeyboardInterrupt):
        answerer.run()
    answerer.close()
    return 0
