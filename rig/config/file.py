"""The door to config.yaml: opens the file, and says where the paths in it lead.

Floor 1: one kind of I/O, reading a small text file. What the text means is ``rig.config``'s.
"""

from __future__ import annotations

from pathlib import Path

from rig.config import Config, parse_config
from rig.errors import ConfigError


def load_config(path: str | Path = "config.yaml") -> Config:
    """The rig that a file describes. Raises ConfigError for a file that cannot be read, and as ``parse_config``."""
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: not found; go to the folder that holds it, or name it with --config") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8; save the file as UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; is it a file you may read?") from None
    return parse_config(text, str(path))


def beside(config_path: str | Path, place: str) -> Path:
    """Where a path written in a configuration leads: from the file's own folder, ``~`` being the user's home."""
    return Path(config_path).parent / Path(place).expanduser()


def read_beside(config_path: str | Path, place: str) -> bytes:
    """The bytes of a file that is named from a configuration's folder; ConfigError where it cannot be read."""
    path = beside(config_path, place)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; a file is looked for from {config_path}") from None
