"""Print the records of a journal, with Python's standard library alone.

    python read_journal.py journal

One line a record: offset, kind, host_ns, payload in hex. Bytes that are no record go to stderr.
"""

import struct
import sys
import zlib

HEADER = b"rig journal 1\n"
SYNC = b"\xf5\xa9"

with open(sys.argv[1], "rb") as file:
    data = file.read()

at = lost_from = len(HEADER) if data.startswith(HEADER) else 0
while True:
    at = data.find(SYNC, at)
    if at < 0 or at + 19 > len(data):
        break
    check, length, kind, host_ns = struct.unpack_from("<IIBq", data, at + 2)
    end = at + 19 + length
    if end > len(data) or zlib.crc32(data[at + 6 : end]) ^ (at & 0xFFFFFFFF) != check:
        at += 1  # no record begins here after all
        continue
    if at > lost_from:
        print(f"{at - lost_from} bytes at {lost_from} are no record", file=sys.stderr)
    print(at, kind, host_ns, data[at + 19 : end].hex())
    at = lost_from = end
if lost_from < len(data):
    print(f"{len(data) - lost_from} bytes at {lost_from} are no record", file=sys.stderr)
