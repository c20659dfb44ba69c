"""Keys for a stream beyond this computer: make them, and say who may listen.

The rig makes a key once (and says `stream_keys: keys` in config.yaml), the imaging computer makes its own. Carry
imaging.key to the rig and rig.key to the imaging computer's folder; both are public. Then the rig authorises.

examples:
  rig keys make rig --folder keys             on the rig
  rig keys make imaging --folder keys         on the imaging computer
  rig keys authorise imaging.key --folder keys
  rig keys list --folder keys
  rig keys revoke imaging --folder keys
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rig.errors import ConfigError
from rig.stream import keys


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("what", choices=("make", "authorise", "revoke", "list"))
    parser.add_argument("name", nargs="?", help="make, revoke: a name; authorise: a public key's file")
    parser.add_argument("--folder", type=Path, default=Path("keys"), metavar="DIR", help="default: keys")


def run(args: argparse.Namespace) -> int:
    """The command."""
    if args.what == "list":
        for key, name in keys.authorised(args.folder).items():
            print(f"{name:<20}{key.decode()}")
        return 0
    if args.name is None:
        raise ConfigError(f"rig keys {args.what}: say a name")
    if args.what == "make":
        print(f"{keys.make_key(args.folder, args.name)}: hand this on; the .secret beside it stays here")
    elif args.what == "authorise":
        print(f"{keys.authorise(args.folder, Path(args.name))} may listen from now on")
    else:
        keys.revoke(args.folder, args.name)
        print(f"{args.name} may not connect again (a connection there is goes on until it ends)")
    return 0
