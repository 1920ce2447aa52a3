"""Makes TCP connections by hand, from a container in which the kernel's own resets are dropped.

handmade.py ADDRESS PORT PATIENCE < JSON
    [{"id": …, "segments": [[offset, hex], …], "withSyn": hex}, …]     in the order in which they are sent
Prints {id: what came}: "no answer" to the SYN, else "reset", "data", or "nothing" within so many seconds.
"""

import json
import select
import socket
import struct
import sys
import time

address, port, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
first = 1000

finder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
finder.connect((address, port))
own = finder.getsockname()[0]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)
raw.connect((address, 0))
head = socket.inet_aton(own) + socket.inet_aton(address)


def send(source, sequence, acknowledged, flags, data=b""):
    segment = struct.pack("!HHIIBBHHH", source, port, sequence & 0xFFFFFFFF, acknowledged, 5 << 4, flags, 64000, 0, 0) + data
    words = head + struct.pack("!HH", 6, len(segment)) + segment
    total = sum(struct.unpack(f"!{(len(words) + 1) // 2}H", words + b"\0" * (len(words) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    raw.send(segment[:16] + struct.pack("!H", ~total & 0xFFFF) + segment[18:])


def packets(until):
    while (left := until - time.monotonic()) > 0:
        if select.select([raw], [], [], left)[0]:
            packet = raw.recv(65535)
            segment = packet[(packet[0] & 15) * 4:]
            theirs, to, sequence, acknowledged, offset, flags = struct.unpack("!HHIIBB", segment[:14])
            if theirs == port:
                yield to, sequence, acknowledged, flags, segment[(offset >> 4) * 4:]


cases = json.load(sys.stdin)
ports = {20000 + place: case for place, case in enumerate(cases)}
said = {source: "no answer" for source in ports}
for source, case in ports.items():
    send(source, first, 0, SYN, bytes.fromhex(case.get("withSyn", "")))
for source, sequence, acknowledged, flags, data in packets(time.monotonic() + 2):
    if flags & (SYN | ACK) == SYN | ACK and source in said and said[source] == "no answer":
        said[source] = "nothing"
        send(source, first + 1, sequence + 1, ACK)
        for offset, text in ports[source]["segments"]:
            send(source, first + 1 + offset, sequence + 1, ACK | PSH, bytes.fromhex(text))
    elif source in said and said[source] == "nothing" and (flags & RST or data):
        said[source] = "reset" if flags & RST else "data"
for source, sequence, acknowledged, flags, data in packets(time.monotonic() + patience):
    if source in said and said[source] == "nothing" and (flags & RST or data):
        said[source] = "reset" if flags & RST else "data"
    if "nothing" not in said.values():
        break
print(json.dumps({case["id"]: said[source] for source, case in ports.items()}))
