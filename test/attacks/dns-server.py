"""A DNS server that says what an attacker's zone would say: dns-server.py ADDRESS.

nN.big.example.net    900 addresses of its own, by TCP
dead*.example.net     nothing, ever
api.example.org       198.51.100.1
alias.example.net     a CNAME for edge.cdn.example, which is 198.51.100.5
everything else       198.51.100.2
"""

import re
import socket
import socketserver
import struct
import sys
import threading

asked = open("/run/dns-asked.log", "a", buffering=1)


def name_bytes(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(name, kind, data, ttl=300):
    return name + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def answer(message, by_tcp):
    offset, labels = 12, []
    while message[offset]:
        labels.append(message[offset + 1 : offset + 1 + message[offset]].decode("latin1"))
        offset += 1 + message[offset]
    kind = struct.unpack("!H", message[offset + 1 : offset + 3])[0]
    question = message[12 : offset + 5]
    name = ".".join(labels).lower()
    asked.write(f"{name} {kind}\n")
    if name.startswith("dead"):
        return None
    records = []
    big = re.match(r"n(\d+)\.big\.", name)
    if name == "alias.example.net" and kind in (1, 5, 28):
        records = [record(b"\xc0\x0c", 5, name_bytes("edge.cdn.example"))]
        if kind == 1:
            records.append(record(name_bytes("edge.cdn.example"), 1, socket.inet_aton("198.51.100.5")))
    elif kind == 1 and big:
        number = int(big[1])
        records = [
            record(b"\xc0\x0c", 1, bytes([20 + number // 64, (number % 64) * 4 + (one >> 8), one & 255, 9]))
            for one in range(900)
        ]
    elif kind == 1:
        last = {"api.example.org": 1, "edge.cdn.example": 5}.get(name, 2)
        records = [record(b"\xc0\x0c", 1, bytes([198, 51, 100, last]))]
    if big and not by_tcp:
        return message[:2] + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) + question
    return message[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0) + question + b"".join(records)


class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            size = struct.unpack("!H", self.request.recv(2, socket.MSG_WAITALL))[0]
            said = answer(self.request.recv(size, socket.MSG_WAITALL), True)
            if said is not None:
                self.request.sendall(struct.pack("!H", len(said)) + said)
        except (OSError, struct.error):
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512


tcp = Server((sys.argv[1], 53), Tcp)
threading.Thread(target=tcp.serve_forever, daemon=True).start()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
udp.bind((sys.argv[1], 53))
while True:
    message, peer = udp.recvfrom(4096)
    said = answer(message, False)
    if said is not None:
        udp.sendto(said, peer)
