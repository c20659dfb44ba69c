"""CURVE keys as files: who this computer is, and who may listen.

A folder holds ``NAME.secret`` (one, of this computer; only its owner may read it) and ``NAME.key`` (public, to be
handed on). On the rig, which is always called "rig", ``authorised/`` holds the public keys of its listeners; a listener
holds ``rig.key``. May not: open sockets.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

import zmq

from rig.errors import ConfigError

RIG = "rig"
_Z85 = r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}"


class KeyPair(NamedTuple):
    """Z85 text, 40 characters each."""

    public: bytes
    secret: bytes


def make_key(folder: Path, name: str) -> Path:
    """A new key pair in ``folder``; returns the public file. Raises ConfigError where there is one already."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", name):
        raise ConfigError(f'key "{name}": use up to 32 letters, digits, _-.')
    public, secret = zmq.curve_keypair()
    secret_file, public_file = folder / f"{name}.secret", folder / f"{name}.key"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(secret_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(
                b"Secret key of %b: it stays on this computer.\npublic %b\nsecret %b\n"
                % (name.encode(), public, secret)
            )
        public_file.write_bytes(b"Public key of %b: hand it on.\npublic %b\n" % (name.encode(), public))
    except FileExistsError:
        raise ConfigError(f"{secret_file}: exists; delete it and {public_file.name} first to make a new one") from None
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; choose another folder") from None
    return public_file


def read_public(path: Path) -> bytes:
    """The key in a public file. Raises ConfigError."""
    return _word(path, "public")


def read_pair(folder: Path, name: str = RIG) -> KeyPair:
    """This computer's own keys. Raises ConfigError where they are missing, or open to others."""
    path = folder / f"{name}.secret"
    if not path.is_file():
        raise ConfigError(f"{path}: no such key: make it with `rig keys make {name} --folder {folder}`")
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: others can read it: `chmod 600 {path}`, or make a new one")
    return KeyPair(_word(path, "public"), _word(path, "secret"))


def own_name(folder: Path) -> str:
    """Whose secret lies in a listener's folder. Raises ConfigError unless there is exactly one."""
    found = sorted(path.stem for path in folder.glob("*.secret"))
    if len(found) != 1:
        said = ", ".join(found) or "none"
        raise ConfigError(f"{folder}: expected one secret key, found {said}: `rig keys make NAME --folder {folder}`")
    return found[0]


def authorise(folder: Path, public_file: Path) -> str:
    """Let the owner of a public key listen to this rig; returns the name. Raises ConfigError."""
    key, name = read_public(public_file), public_file.stem
    if name == RIG:
        raise ConfigError(f"{public_file}: this is a rig's own key; authorise the listener's")
    target = folder / "authorised" / f"{name}.key"
    if target.exists() and read_public(target) != key:
        raise ConfigError(f"{target}: another key goes by this name: `rig keys revoke {name} --folder {folder}` first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(public_file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{target}: {error.strerror}") from None
    return name


def revoke(folder: Path, name: str) -> None:
    """From the next connection on, this listener is refused. Raises ConfigError."""
    target = folder / "authorised" / f"{name}.key"
    if not target.is_file():
        raise ConfigError(f"{target}: no such key; known: {', '.join(authorised(folder).values()) or 'none'}")
    target.unlink()


def authorised(folder: Path) -> dict[bytes, str]:
    """Public keys that may listen, and whose they are. Raises ConfigError for a file that is no key."""
    return {read_public(path): path.stem for path in sorted((folder / "authorised").glob("*.key"))}


def _word(path: Path, name: str) -> bytes:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    found = re.search(rf"^{name} ({_Z85})$", text, re.MULTILINE)
    if not found:
        raise ConfigError(f"{path}: no {name} key in it; make a new one with `rig keys make`")
    return found[1].encode()
