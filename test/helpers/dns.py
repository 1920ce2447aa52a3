"""A DNS server for tests: dns.py ADDRESS PORT ZONE-FILE. Prints a line for each query: name and type.

The zone is JSON, read anew for each query:

    { "api.example.org": { "A": ["203.0.113.7"], "AAAA": [], "CNAME": "edge.example.net", "ttl": 300,
                           "rcode": 2, "silent": true, "delay": 0.5 } }

A name that is not in it does not exist (rcode 3). A CNAME is followed inside the zone, the chain and the
addresses in one answer, as a resolver gives it. "*" stands for every name that is not listed.
"""

import json
import socket
import struct
import sys
import threading
import time

TYPES = {1: "A", 28: "AAAA", 5: "CNAME"}


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(name, kind, ttl, data):
    return encode(name) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def read_question(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels).lower(), struct.unpack("!H", packet[at + 1:at + 3])[0], at + 5


def answer(packet, stream):
    name, kind, end = read_question(packet)
    print(name, TYPES.get(kind, kind), flush=True)
    with open(zone_file) as file:
        zone = json.load(file)
    entry, owner, records = zone.get(name, zone.get("*")), name, []
    if entry is not None:
        if entry.get("silent"):
            return None
        time.sleep(entry.get("delay", 0))
    first = entry or {"rcode": 3}
    while entry is not None and "CNAME" in entry:
        records.append(record(owner, 5, entry.get("ttl", 300), encode(entry["CNAME"])))
        owner = entry["CNAME"]
        entry = zone.get(owner)
    for address in (entry or {}).get(TYPES.get(kind, ""), []):
        family = socket.AF_INET6 if kind == 28 else socket.AF_INET
        records.append(record(owner, kind, entry.get("ttl", 300), socket.inet_pton(family, address)))
    head = struct.unpack("!H", packet[:2])[0]
    body = packet[12:end] + b"".join(records)
    flags = 0x8180 | first.get("rcode" if kind != 28 else "rcode6", first.get("rcode", 0))
    if not stream and len(body) > 1200:
        return struct.pack("!HHHHHH", head, flags | 0x200, 1, 0, 0, 0) + packet[12:end]
    return struct.pack("!HHHHHH", head, flags, 1, len(records), 0, 0) + body


def serve_datagram(packet, peer):
    reply = answer(packet, False)
    if reply is not None:
        udp.sendto(reply, peer)


def serve_stream():
    while True:
        connection, _ = tcp.accept()
        with connection:
            while len(size := connection.recv(2, socket.MSG_WAITALL)) == 2:
                reply = answer(connection.recv(struct.unpack("!H", size)[0], socket.MSG_WAITALL), True)
                if reply is None:
                    break
                connection.sendall(struct.pack("!H", len(reply)) + reply)


address, port, zone_file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
udp.bind((address, port))
tcp.bind((address, port))
tcp.listen(16)
threading.Thread(target=serve_stream, daemon=True).start()
print("ready", flush=True)
while True:
    threading.Thread(target=serve_datagram, args=udp.recvfrom(4096), daemon=True).start()
