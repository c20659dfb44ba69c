"""The pages about the stream: fresh, and their example runs as it stands there."""

from __future__ import annotations

import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from stream_peers import paced, until
from stream_rig import StreamRig

from rig import wire
from rig.events import Kind
from rig.stream import manual, schema
from rig.stream.address import answers_at

ROOT = Path(__file__).parents[1]
THREE = ("zmq", "msgspec", "numpy")


def test_the_page_of_the_stream_is_fresh() -> None:
    text = (ROOT / "docs" / "stream.md").read_text(encoding="utf-8")
    assert text == manual.markdown(), "docs/stream.md is stale: run `make generated`"
    for struct in (schema.Message, schema.Ping, schema.From, schema.Pong, schema.Records, schema.Differs):
        for name in struct.__struct_fields__:
            assert f"| `{name}` |" in text


def test_the_python_example_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "imaging.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found
    lines = [line for line in found[1].splitlines() if line.strip()]
    assert len(lines) <= 20
    rig = StreamRig(tmp_path / "data")
    program = (
        found[1].replace("tcp://127.0.0.1:5555", rig.address).replace("tcp://127.0.0.1:5556", answers_at(rig.address))
    )
    example = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True)
    said_so = example.stdout
    assert said_so
    thread, stop = paced(rig, 200)
    assert "is live" in said_so.readline()
    stop.set()
    thread.join()
    press = wire.encode_event(
        "rule", 1, 5000, {"rule": 0, "decision": 3, "counts": 300, "since_us": 4000, "peak_counts": 0}
    )

    def pressed() -> bool:
        """Once more, since its subscription may still be on the way; has it told of one?"""
        host_ns = time.monotonic_ns()
        rig.journal.append_batch(int(Kind.EVENT), host_ns, [press])
        rig.journal.commit()
        rig.publisher.committed(host_ns)
        rig.made += 1
        return bool(select.select([said_so], [], [], 0)[0])

    until(pressed)
    example.send_signal(signal.SIGTERM)
    said = example.communicate(timeout=100)[0].splitlines()
    rig.end()
    assert said
    assert all(re.fullmatch(r"press, record \d+, at \d+\.\d{6} s of this computer's clock", line) for line in said)
    at_s = float(said[-1].split()[4])
    assert abs(at_s - time.monotonic()) < 60


def test_listening_needs_three_packages_alone() -> None:
    """Everything that `rig listen` and `rig keys` import, with all other packages refused."""
    program = f"""
import sys, sysconfig
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top not in {(*THREE, "rig")!r}:
            raise ImportError(name + " is not among what a listener needs")
sys.meta_path.insert(0, Refuse())
from rig.cli import main
for words in (["listen", "--help"], ["keys", "--help"]):
    try:
        main(words)
    except SystemExit as end:
        assert not end.code
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Listen to a rig" in done.stdout


def test_a_listener_of_three_packages_says_so_without_lsl(tmp_path: Path) -> None:
    program = "import sys; sys.modules['pylsl'] = None; from rig.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["listen", "tcp://127.0.0.1:5", "--out", str(tmp_path), "--lsl"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "pip install 'rig[lsl]'" in done.stderr
