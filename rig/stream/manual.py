"""Makes docs/stream.md out of :mod:`rig.stream.schema`: `python -m rig.stream.manual`, or `make generated`."""

from __future__ import annotations

import inspect
import re

from rig.stream import schema

_FIELD = re.compile(r"^    (\w+): ([^#\n]+?)(?:  # (.*))?$", re.MULTILINE)
ABOVE = """\
# The stream

Made from `rig/stream/schema.py` by `make generated`; change it there. How to listen: [imaging.md](imaging.md).

A rig says every record of its journal twice: live on `stream` (config.yaml; tcp://127.0.0.1:5555 as shipped), and on
the next port to whoever asks for it by number. Without `stream_keys` it can be reached from the rig computer alone;
with them both ports speak CURVE (RFC 26), and only keys that `rig keys authorise` has taken may connect.

- **Live** is a ZMQ publisher: subscribe with a SUB socket. A message is one frame: topic, space, msgpack. Who is too
  slow loses live messages, and sees it: `number` counts the records of a session without a gap, `nth` those of one
  topic.
- **Asking** is a ZMQ ROUTER: a DEALER sends one frame of msgpack and gets one back. It answers during a session and for
  a while after it; `rig serve` answers between sessions. Requests are at most {limit} bytes. What is no request is not
  answered, and is logged (stream.log, in the session's folder). There are two requests; neither changes anything.

Version {version}. Fields are only ever added at the end of an array: take the ones you know, leave the rest.
"""
BELOW = """\
## Whole, whatever happens

1. Subscribe; hold live messages. 2. `ping` with an empty session: `now` is the present one, `count` how many records it
has. 3. `from` the first number you lack (with the check of the last record you hold), until an answer is empty; go on
with the messages held, dropping those with a number below the one due. 4. A number above the one due is a gap: `from`
the one due. 5. A session is over when `state` is not `live`: compare `count`, and the SHA-256 of what you hold with
`digest`, then `ping` with an empty session: the rig need not wait for you any longer. `rig listen` does exactly this.

## Time

`board_us` is the board's clock at the moment itself. `at_ns` is that moment on the rig computer's monotonic clock, on
the newest `clock` line known when the message was made; `bound_us` says how far it may be off. To bring it to your own
clock, ping now and then: the rig read the ping at `rig_ns`, between your sending and your reading. The shortest round
trips tell most.
"""


def _rows(struct: type) -> list[str]:
    lines = ["| field | type | what it is |", "| --- | --- | --- |"]
    for name, kind, comment in _FIELD.findall(inspect.getsource(struct)):
        shown = kind.strip().replace(" | ", " or ").replace("None", "null")
        lines.append(f"| `{name}` | {shown} | {comment} |")
    return lines


def _section(title: str, struct: type, first: str = "") -> list[str]:
    said = " ".join((struct.__doc__ or "").replace(":func:", "").split())
    return [f"## {title}", "", said + (f" The array begins with `{first}`." if first else ""), "", *_rows(struct), ""]


def markdown() -> str:
    """The whole page."""
    lines = [ABOVE.format(limit=schema.MAX_REQUEST_BYTES, version=schema.VERSION)]
    lines += ["## Topics", "", "| topic | what |", "| --- | --- |"]
    lines += [f"| `{topic}` | {what} |" for topic, what in schema.TOPICS.items()]
    lines += ["", *_section("A message", schema.Message)]
    lines += _section("Request: ping", schema.Ping, '"ping"') + _section("Request: from", schema.From, '"from"')
    for title, struct, tag in (
        ("Answer: pong", schema.Pong, "pong"),
        ("Answer: records", schema.Records, "records"),
        ("Answer: differs", schema.Differs, "differs"),
    ):
        lines += _section(title, struct, f'"{tag}"')
    lines += [
        "A record's `check`: CRC-32 over its length (u32), kind (u8), host_ns (i64), little-endian, and payload.",
        "",
        BELOW,
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown(), end="")
