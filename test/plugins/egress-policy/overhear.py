"""Prints what of attempts.py arrives: overhear.py frames (every frame at eth0) or sockets (what is delivered to this host)."""

import re
import select
import socket
import sys

if sys.argv[1] == "frames":
    every = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    every.bind(("eth0", 0))
    listening = [every]
else:
    listening = []
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for port in (9, 53, 67, 8080):
            sock = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            listening.append(sock)
        # TCP, ICMP and what has no sockets: raw sockets get what the host's own rules let in.
        for number in (1, 4, 6, 41, 47, 50, 58, 132, 136, 253):
            listening.append(socket.socket(family, socket.SOCK_RAW, number))
print("ready", flush=True)
while True:
    for sock in select.select(listening, [], [])[0]:
        packet = sock.recvfrom(65536)
        if len(packet[1]) > 2 and packet[1][2] == 4 and sys.argv[1] == "frames":
            continue  # what this side sent
        for token in re.findall(rb"<[^<>]+>", packet[0]):
            print(token.decode(errors="replace"), flush=True)
