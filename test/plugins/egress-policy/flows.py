"""Sends from a container's side without end, with all that CAP_NET_ADMIN allows: frames of the coming MAC and address.

flows.py GATEWAY_MAC SOURCE4 SOURCE6 DESTINATION4 DESTINATION6
Waits for eth0, brings it up, and sends datagrams from port 4444 to port 9; prints "in ADDRESS" for each datagram that
arrives at its port 4444, whatever the kernel makes of it.
"""
import fcntl
import socket
import struct
import sys
import time

gateway, sources, destinations = sys.argv[1], sys.argv[2:4], sys.argv[4:6]
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def mac(text):
    return bytes(int(part, 16) for part in text.split(":"))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(pseudo, payload):
    head = struct.pack("!HHHH", 4444, 9, 8 + len(payload), 0)
    value = checksum(pseudo + head + payload) or 0xFFFF
    return struct.pack("!HHHH", 4444, 9, 8 + len(payload), value) + payload


def frame(own, source, destination):
    payload = b"out"
    if ":" in source:
        ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
        body = udp(ends + struct.pack("!IHBB", 8 + len(payload), 0, 0, 17), payload)
        head = struct.pack("!IHBB", 6 << 28, len(body), 17, 64) + ends
        return mac(gateway) + own + b"\x86\xdd" + head + body
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    body = udp(ends + struct.pack("!BBH", 0, 17, 8 + len(payload)), payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 17, 0) + ends
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return mac(gateway) + own + b"\x08\x00" + head + body


def raise_link(control):
    request = struct.pack("16sh14x", b"eth0", 0)
    flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
    if not flags & IFF_UP:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"eth0", flags | IFF_UP))


def hears(raw):
    while True:
        try:
            data, address = raw.recvfrom(2048)
        except BlockingIOError:
            return
        if address[2] == socket.PACKET_OUTGOING:
            continue
        if data[12:14] == b"\x08\x00" and data[23] == 17 and data[36:38] == struct.pack("!H", 4444):
            print("in", socket.inet_ntoa(data[26:30]), flush=True)
        if data[12:14] == b"\x86\xdd" and data[20] == 17 and data[56:58] == struct.pack("!H", 4444):
            print("in", socket.inet_ntop(socket.AF_INET6, data[22:38]), flush=True)


control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("waiting", flush=True)
raw = None
while True:
    try:
        if raw is None:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            raw.bind(("eth0", 0))
            raw.setblocking(False)
        raise_link(control)
        with open("/proc/self/net/dev"):
            own = raw.getsockname()[4]
        for source, destination in zip(sources, destinations):
            raw.send(frame(own, source, destination))
        hears(raw)
    except OSError:
        # There is no interface yet, or not any more, or it is down.
        if raw is not None:
            raw.close()
        raw = None
    time.sleep(0.0005)
