"""Sends malformed DNS messages, always the same for a seed: some by UDP, some by TCP, many of them nearly right.

    python3 fuzz.py SERVER COUNT SEED
"""
import random
import socket
import struct
import sys
import time

server, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def good():
    text = rng.choice(["evil.example", "x.example.com", "a.b.c.d.e.f.g.example.com", "www.x.test"])
    option = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    edns = rng.random() < 0.5
    head = struct.pack("!6H", rng.randrange(65536), 0x0100, 1, 0, 0, int(edns))
    return head + name(text) + struct.pack("!2H", rng.choice([1, 28, 16, 65, 12, 255, 251]), 1) + (option if edns else b"")


def bad():
    message = bytearray(good())
    kind = rng.randrange(8)
    if kind == 0:
        return rng.randbytes(rng.randrange(1400))
    if kind == 1:
        return bytes(message[: rng.randrange(len(message))])
    if kind == 2:
        return bytes(message) + rng.randbytes(rng.randrange(500))
    if kind == 3:
        # Pointers: to themselves, forward, past the end.
        at = rng.randrange(12, len(message))
        return bytes(message[:at]) + struct.pack("!H", 0xC000 | rng.randrange(0x4000)) + bytes(message[at:])
    if kind == 4:
        # Counts that promise what does not come.
        struct.pack_into("!4H", message, 4, *[rng.choice([0, 1, 2, 255, 65535]) for _ in range(4)])
        return bytes(message)
    if kind == 5:
        return bytes(message[:12]) + b"\x3f" * rng.randrange(1, 1200)
    for _ in range(rng.randrange(1, 6)):
        message[rng.randrange(len(message))] = rng.randrange(256)
    return bytes(message)


udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setblocking(False)
for number in range(count):
    message = bad()
    if number % 50 == 0:
        try:
            with socket.create_connection((server, 53), timeout=1) as tcp:
                length = rng.choice([len(message), rng.randrange(65536), 0])
                tcp.sendall(struct.pack("!H", length) + message)
                if rng.random() < 0.3:
                    tcp.settimeout(0.05)
                    tcp.recv(4096)
        except OSError:
            pass
        continue
    try:
        udp.sendto(message, (server, 53))
        while True:
            udp.recv(4096)
    except OSError:
        pass
    if number % 20 == 0:
        time.sleep(0.002)
