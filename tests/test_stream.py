"""The stream, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.errors import ConfigError
from rig.stream import open_publisher


def test_no_address_is_no_stream(tmp_path: Path) -> None:
    with open_publisher(None, "M07/2026-03-02_1", tmp_path) as publisher:
        publisher.committed(0)
        assert publisher.address is None


def test_a_taken_address_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.stream.RETRY_S", 0.1)
    with open_publisher("tcp://127.0.0.1:*", "M07/2026-03-02_1", tmp_path) as publisher:
        assert publisher.address is not None
        with pytest.raises(ConfigError, match="cannot be bound"):
            open_publisher(publisher.address, "M07/2026-03-02_2", tmp_path)
