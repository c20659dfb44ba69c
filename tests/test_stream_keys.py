"""Keys: as files, and over real sockets. Whoever holds no authorised key receives nothing."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
import zmq
from stream_peers import Listening, paced, subscriber, until
from stream_rig import SESSION, StreamRig

from rig.cli import main
from rig.errors import ConfigError
from rig.stream import keys, open_publisher, schema
from rig.stream.address import answers_at


def folders(root: Path, *listeners: str) -> None:
    """A rig's folder of keys, and each listener's, the rig's public key in it."""
    keys.make_key(root / "rig", "rig")
    for name in listeners:
        keys.make_key(root / name, name)
        shutil.copy(root / "rig" / "rig.key", root / name / "rig.key")


def test_only_the_authorised_listen(tmp_path: Path) -> None:
    folders(tmp_path, "imaging", "stranger")
    keys.authorise(tmp_path / "rig", tmp_path / "imaging" / "imaging.key")
    rig = StreamRig(tmp_path / "data", keys=tmp_path / "rig", linger_s=3)
    thread, stop = paced(rig, 1000)
    with (
        zmq.Context() as context,
        Listening(rig.address, tmp_path / "imaging" / "out", tmp_path / "imaging") as imaging,
        Listening(rig.address, tmp_path / "stranger" / "out", tmp_path / "stranger") as stranger,
    ):
        plain = subscriber(context, rig.address, b"")
        ask = context.socket(zmq.DEALER)
        ask.linger = 0
        ask.connect(answers_at(rig.address))
        ask.send(schema.encode(schema.Ping(1, "", 0)))
        host, port = rig.address.removeprefix("tcp://").split(":")
        for door in (int(port), int(port) + 1):
            for _ in range(20):
                with socket.create_connection((host, door)) as one:
                    one.sendall(os.urandom(500))
        until(lambda: imaging.records > 2000)
        stop.set()
        thread.join()
        assert stranger.records == 0
        assert not stranger.listener.status.connected or stranger.listener.copy is None
        rig.end()
        until(lambda: imaging.proofs)
        assert stranger.listener.copy is None
        assert not stranger.proofs
        assert (plain.poll(0), ask.poll(0)) == (0, 0)
        plain.close()
        ask.close()
    assert imaging.proofs[0].good, imaging.proofs[0]
    assert not list((tmp_path / "stranger" / "out").glob("*"))
    log = (tmp_path / "data" / SESSION / "stream.log").read_text(encoding="utf-8")
    assert "imaging connects" in log
    assert "not an authorised key" in log
    assert "without keys where keys are asked for" in log
    assert "stranger connects" not in log


def test_the_way_of_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rig, imaging = str(tmp_path / "rig"), str(tmp_path / "imaging")
    assert main(["keys", "make", "rig", "--folder", rig]) == 0
    assert main(["keys", "make", "imaging", "--folder", imaging]) == 0
    secret = tmp_path / "imaging" / "imaging.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert b"secret" not in (tmp_path / "imaging" / "imaging.key").read_bytes().split(b"\n")[1]
    assert main(["keys", "authorise", str(tmp_path / "imaging" / "imaging.key"), "--folder", rig]) == 0
    capsys.readouterr()
    assert main(["keys", "list", "--folder", rig]) == 0
    assert capsys.readouterr().out.startswith("imaging ")
    assert main(["keys", "revoke", "imaging", "--folder", rig]) == 0
    assert keys.authorised(tmp_path / "rig") == {}
    assert main(["keys", "revoke", "imaging", "--folder", rig]) != 0
    assert main(["keys", "make", "imaging", "--folder", imaging]) != 0, "a key is not overwritten"


def test_what_is_wrong_with_keys(tmp_path: Path) -> None:
    folders(tmp_path, "imaging", "other")
    with pytest.raises(ConfigError, match="rig's own key"):
        keys.authorise(tmp_path / "rig", tmp_path / "imaging" / "rig.key")
    bad = tmp_path / "bad.key"
    bad.write_text("public too-short\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no public key"):
        keys.authorise(tmp_path / "rig", bad)
    keys.authorise(tmp_path / "rig", tmp_path / "imaging" / "imaging.key")
    impostor = tmp_path / "impostor" / "imaging.key"
    impostor.parent.mkdir()
    shutil.copy(tmp_path / "other" / "other.key", impostor)
    with pytest.raises(ConfigError, match="another key goes by this name"):
        keys.authorise(tmp_path / "rig", impostor)
    (tmp_path / "rig" / "rig.secret").chmod(0o644)
    with pytest.raises(ConfigError, match="others can read it"):
        open_publisher("tcp://127.0.0.1:*", SESSION, tmp_path, tmp_path / "rig")
    with pytest.raises(ConfigError, match="rig keys make"):
        open_publisher("tcp://127.0.0.1:*", SESSION, tmp_path, tmp_path / "none")
    with pytest.raises(ConfigError, match="expected one secret key"):
        keys.own_name(tmp_path / "none")
    with pytest.raises(ConfigError, match="letters, digits"):
        keys.make_key(tmp_path, "../rig")
