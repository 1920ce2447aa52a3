"""What a container does to the DNS of its host: dns-flood.py KIND SERVER SECONDS.

denied     datagrams for names that are not in the policy, as fast as they go
dead       names under a wildcard that nobody answers, 200 at a time
tunnel     new names under a wildcard that are answered
tcp        16 connections, each full of queries for denied names
deaf       16 connections full of queries for long answers, none of which is read
fill       names under a wildcard with 900 addresses each, one after the other
"""

import socket
import struct
import sys
import time

kind, server, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
ends = time.monotonic() + seconds


def query(name, number=0, kind=1):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    return struct.pack("!HHHHHH", number & 0xFFFF, 0x100, 1, 0, 0, 1) + labels + struct.pack("!HH", kind, 1) + opt


def framed(message):
    return struct.pack("!H", len(message)) + message


def connected():
    one = socket.create_connection((server, 53))
    one.setblocking(False)
    return one


def by_udp(names):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setblocking(False)
    udp.connect((server, 53))
    for number, name in enumerate(names):
        if time.monotonic() > ends:
            return number
        try:
            udp.send(query(name, number))
            udp.recv(4096)
        except OSError:
            pass


def endless(pattern):
    number = 0
    while True:
        yield pattern % number
        number += 1


def by_tcp(message, is_read):
    block = framed(message) * 200
    open_ones = {number: (connected(), b"") for number in range(16)}
    sent = 0
    while time.monotonic() < ends:
        for number, (one, rest) in list(open_ones.items()):
            rest = rest or block
            try:
                done = one.send(rest)
                sent += done
                open_ones[number] = (one, rest[done:])
            except BlockingIOError:
                pass
            except OSError:
                try:
                    open_ones[number] = (connected(), b"")
                except OSError:
                    continue
            if is_read:
                try:
                    one.recv(65536)
                except OSError:
                    pass
        time.sleep(0.0005)
    return sent


def fill():
    done = 0
    for number in range(10_000):
        if time.monotonic() > ends or number > 80:
            return done
        one = socket.create_connection((server, 53))
        one.settimeout(5)
        one.sendall(framed(query(f"n{number}.big.example.net", number)))
        try:
            size = struct.unpack("!H", one.recv(2, socket.MSG_WAITALL))[0]
            answer = one.recv(size, socket.MSG_WAITALL)
            done += struct.unpack("!H", answer[6:8])[0]
        except (OSError, struct.error):
            pass
        one.close()
    return done


if kind == "denied":
    print(by_udp(endless("d%d.denied.example")))
elif kind == "dead":
    print(by_udp(endless("dead%d.example.net")))
elif kind == "tunnel":
    print(by_udp(endless("t%d.example.net")))
elif kind == "tcp":
    print(by_tcp(query("tcp.denied.example"), True))
elif kind == "deaf":
    print(by_tcp(query("n1.big.example.net"), False))
elif kind == "fill":
    print(fill())
