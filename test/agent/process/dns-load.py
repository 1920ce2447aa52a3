"""Asks a DNS server at even intervals, whatever it answers.

    python3 dns-load.py SERVER SECONDS RATE NAME [DENIED]

NAME has "{n}" where a number goes; every tenth query is for DENIED. Prints JSON: when each query was sent, in seconds since
the start, and when it was answered (null: never), with the code and the number of records of the answer.
"""
import json
import select
import socket
import struct
import sys
import time

server, seconds, rate, name = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
denied = sys.argv[5] if len(sys.argv) > 5 else None


def encode(number, text):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in text.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


queries = []
start = time.monotonic()
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setblocking(False)


def receive(until):
    while True:
        rest = until - time.monotonic()
        ready, _, _ = select.select([sock], [], [], max(0, rest))
        if not ready:
            return
        try:
            answer, _ = sock.recvfrom(4096)
        except OSError:
            # Port unreachable: nobody is there.
            continue
        number, flags, _, count = struct.unpack("!4H", answer[:8])
        if number < len(queries) and queries[number]["answered"] is None:
            queries[number].update(answered=time.monotonic() - start, code=flags & 15, count=count)


total = int(seconds * rate)
for number in range(total):
    receive(start + number / rate)
    text = denied if denied and number % 10 == 9 else name.replace("{n}", str(number % 200))
    queries.append({"name": text, "sent": time.monotonic() - start, "answered": None})
    try:
        sock.sendto(encode(number, text), (server, 53))
    except OSError:
        # The error of an earlier one.
        pass
receive(time.monotonic() + 2)
print(json.dumps(queries))
