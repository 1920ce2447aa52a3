"""Makes frames of what packet.ts made up, sends them from a container, and says who saw which.

Reads one JSON object from stdin: {"sender": namespace, "places": {name: namespace}, "flows": [...], "packets": [...]}.
A place hears the frames that come to its eth0; the host hears what its own stack hands to sockets, after every rule.
Prints {id: ["outside", "outside late", ...]}: "late" is a fragment that is not the first one.
"""

import ctypes
import json
import os
import select
import socket
import struct
import sys
import threading
import time

from scapy.all import (ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6Unknown, IPOption, IPOption_LSRR, IPOption_RR,  # noqa: E402
                       IPOption_Router_Alert, IPOption_SSRR, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                       IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Raw, RouterAlert, conf, in6_chksum)

conf.verb = 0
libc = ctypes.CDLL(None, use_errno=True)
spec = json.load(sys.stdin)
home = os.open("/proc/self/ns/net", os.O_RDONLY)
NUMBERS4 = [1, 2, 4, 6, 17, 33, 41, 47, 50, 51, 89, 103, 112, 132, 136, 253]
NUMBERS6 = [6, 17, 33, 41, 47, 50, 58, 89, 103, 112, 132, 136, 253]
heard = {}
sockets = {}
poller = select.epoll()


def enter(path):
    handle = home if path is None else os.open(path, os.O_RDONLY)
    if libc.setns(handle, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), f"setns {path}")
    if path is not None:
        os.close(handle)


def hear(place, sock):
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    sock.setblocking(False)
    sockets[sock.fileno()] = (place, sock)
    poller.register(sock.fileno(), select.EPOLLIN)


def listen():
    for place, path in spec["places"].items():
        enter(path)
        if path is None:
            for family, numbers in ((socket.AF_INET, NUMBERS4), (socket.AF_INET6, NUMBERS6)):
                for number in numbers:
                    hear(place, socket.socket(family, socket.SOCK_RAW, number))
        else:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.bind(("eth0", 3))
            hear(place, sock)
    enter(None)


def loop():
    while True:
        for handle, _ in poller.poll():
            place, sock = sockets[handle]
            try:
                while True:
                    data, about = sock.recvfrom(65536)
                    if len(about) > 2 and about[2] == 4:  # what this end sent
                        continue
                    note(place, data)
            except BlockingIOError:
                pass


def note(place, data):
    """A token is "#", six digits and "#"; of a later fragment it has "~"."""
    for mark, word in ((b"#", ""), (b"~", " late")):
        at = data.find(mark)
        while at >= 0:
            digits = data[at + 1:at + 7]
            if len(digits) == 6 and digits.isalnum() and data[at + 7:at + 8] == mark:
                try:
                    heard.setdefault(int(digits, 16), set()).add(place + word)
                except ValueError:
                    pass
                at += 7
            at = data.find(mark, at + 1)


def token(p, mark=b"#"):
    return mark + b"%06x" % p["id"] + mark


# ---- frames -------------------------------------------------------------------------------------

def frames(p):
    head = Ether(src=p["fromMac"], dst=p["toMac"])
    for tag in p["tags"]:
        head = head / Dot1Q(vlan=tag)
    if p["kind"] == "ethertype":
        base = bytes.fromhex((p["toMac"] + p["fromMac"]).replace(":", ""))
        return [base + struct.pack("!H", p["number"]) + token(p) * 8]
    if p["kind"] == "arp":
        return [bytes(head / ARP(op=p["type"], hwsrc=p["claimedMac"], psrc=p["source"], pdst=p["target"]) / Raw(token(p) * 4))]
    return [bytes(head / one) for one in (four(p) if p["family"] == 4 else six(p))]


def four(p):
    options = [make4[extra](p) for extra in p["extras"]]
    number, whole = transport(p)

    def packet(payload, **more):
        return IP(src=p["source"], dst=p["destination"], ttl=p["hops"], proto=number, options=options, **more) / Raw(payload)
    if p["cut"] == "whole":
        return [packet(whole)]
    pieces = cut(p, whole)
    made = [packet(data, id=p["id"] & 0xffff, frag=at // 8, flags="MF" if more else 0) for at, data, more in pieces]
    return arrange(p, made)


def six(p):
    number, whole = transport(p)
    fixed = IPv6(src=p["source"], dst=p["destination"], hlim=p["hops"])
    for extra in p["extras"]:
        fixed = fixed / make6[extra](p)

    def packet(payload, fragment=None):
        base = fixed.copy()
        if fragment is not None:
            base = base / fragment
        base.lastlayer().setfieldval("nh", number)
        return base / Raw(payload)
    if p["cut"] == "whole":
        return [packet(whole)]
    made = [packet(data, IPv6ExtHdrFragment(offset=at // 8, m=int(more), id=p["id"])) for at, data, more in cut(p, whole)]
    return arrange(p, made)


make4 = {
    "lsrr": lambda p: IPOption_LSRR(routers=[p["via"]]),
    "ssrr": lambda p: IPOption_SSRR(routers=[p["via"]]),
    "alert": lambda p: IPOption_Router_Alert(),
    "record": lambda p: IPOption_RR(),
    "timestamp": lambda p: IPOption(b"\x44\x08\x05\x00\x00\x00\x00\x00"),
}
make6 = {
    "hop": lambda p: IPv6ExtHdrHopByHop(),
    "alert": lambda p: IPv6ExtHdrHopByHop(options=[RouterAlert()]),
    "destination": lambda p: IPv6ExtHdrDestOpt(),
    "routing": lambda p: IPv6ExtHdrRouting(type=4, addresses=[p["via"]], segleft=1),
    "atomic": lambda p: IPv6ExtHdrFragment(id=p["id"]),
}


def first_size(p, size):
    """How many bytes of the transport are in the first fragment: a multiple of eight."""
    return 8 if p["cut"] == "tiny" else (size + 16 + 7) // 8 * 8


def payload(p, size):
    """Bytes behind a header of this size: of each fragment one can tell which it is a part of."""
    if p["cut"] == "whole":
        return token(p) * 8
    near = max(0, first_size(p, size) - size)
    return (token(p) * 8)[:near] + (token(p, b"~") * 8)


def cut(p, whole):
    first = first_size(p, size_of(p))
    later = [(at, whole[at:at + 32]) for at in range(first, len(whole), 32)]
    pieces = [(0, whole[:first])] + later
    return [(at, data, index < len(pieces) - 1) for index, (at, data) in enumerate(pieces)]


def arrange(p, made):
    if p["cut"] == "reversed":
        return made[::-1]
    if p["cut"] == "first alone":
        return made[:1]
    if p["cut"] == "late alone":
        return made[1:]
    return made


def size_of(p):
    return {6: 20, 132: 36}.get(p["number"], 8)


def transport(p):
    """The number of the protocol, and its header with everything behind it."""
    number = p["number"]
    data = payload(p, size_of(p))
    if p["kind"] == "neighbour":
        return 58, discovery(p)
    if number in (1, 58):
        return number, icmp(p, data)
    if number == 6:
        made = TCP(sport=p["sport"], dport=p["port"], flags=p["flags"], seq=7, ack=7) / Raw(data)
        return 6, sealed(p, 6, made)
    if number in (17, 136):
        made = UDP(sport=p["sport"], dport=p["port"]) / Raw(data)
        return number, sealed(p, number, made)
    if number == 132:
        return 132, sctp(p, data)
    if number == 33:
        return 33, struct.pack("!HHBBHI", p["sport"], p["port"], 4, 0, 0, 0) + data
    if number == 2:
        return 2, checked(struct.pack("!BBH4s", 0x16, 0, 0, socket.inet_aton("239.1.1.1"))) + data
    return number, struct.pack("!HHHH", 1, 53, 0, 0) + data


def sctp(p, data):
    """An INIT with a parameter of a kind that is skipped, which holds the tokens. Checksum: CRC-32C."""
    parameter = struct.pack("!HH", 0x8009, 4 + len(data)) + data
    init = struct.pack("!BBHIIHHI", 1, 0, 20 + len(parameter), 9, 9999, 1, 1, 9) + parameter
    value = 0xffffffff
    for byte in struct.pack("!HHII", p["sport"], p["port"], 0, 0) + init:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return struct.pack("!HHI", p["sport"], p["port"], 0) + struct.pack("<I", value ^ 0xffffffff) + init


def sealed(p, number, made):
    final = p["via"] if "routing" in p["extras"] else p["destination"]
    if p["family"] == 6:
        data = bytes(made)
        place = 16 if number == 6 else 6
        data = data[:place] + b"\0\0" + data[place + 2:]
        sum_ = in6_chksum(number, IPv6(src=p["source"], dst=final), data)
        return data[:place] + struct.pack("!H", sum_ or 0xffff) + data[place + 2:]
    whole = IP(src=p["source"], dst=p["destination"], proto=number) / made
    return bytes(IP(bytes(whole)).payload)


def icmp(p, data):
    quote = p.get("quote")
    rest = struct.pack("!HH", p["id"] & 0xffff, 1)
    if quote is not None:
        # The container had a datagram of this flow's other direction, it says.
        made = (IP if p["family"] == 4 else IPv6)(src=quote["destination"], dst=quote["source"])
        quoted = bytes(made / UDP(sport=quote["port"], dport=quote["sport"]) / Raw(b"12345678"))
        data, rest = quoted + data, struct.pack("!HH", 0, 576)
    body = struct.pack("!BBH", p["type"], 0, 0) + rest + data
    if p["family"] == 4:
        return checked(body)
    final = p["via"] if "routing" in p["extras"] else p["destination"]
    sum_ = in6_chksum(58, IPv6(src=p["source"], dst=final), body)
    return body[:2] + struct.pack("!H", sum_) + body[4:]


def discovery(p):
    target = socket.inet_pton(socket.AF_INET6, p["target"])
    mac = bytes.fromhex(p["claimedMac"].replace(":", ""))
    kind = p["type"]
    if kind in (130, 131, 132):
        body = struct.pack("!HH", 0, 0) + socket.inet_pton(socket.AF_INET6, "ff05::1:3")
    elif kind == 143:
        body = struct.pack("!HHBBH", 0, 1, 4, 0, 0) + socket.inet_pton(socket.AF_INET6, "ff05::1:3")
    elif kind == 133:
        body = b"\0" * 4 + b"\1\1" + mac
    elif kind == 134:
        body = struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\1\1" + mac
    elif kind == 137:
        body = b"\0" * 4 + target + socket.inet_pton(socket.AF_INET6, "2606:4700::1111") + b"\2\1" + mac
    else:
        body = (b"\x20\0\0\0" if kind == 136 else b"\0" * 4) + target + (b"\2\1" if kind == 136 else b"\1\1") + mac
    # An option that no one knows, of a length that is one: it is skipped.
    body += b"\xfd\x09" + b"\0" * 6 + token(p) * 8
    whole = struct.pack("!BBH", kind, 0, 0) + body
    sum_ = in6_chksum(58, IPv6(src=p["source"], dst=p["destination"]), whole)
    return whole[:2] + struct.pack("!H", sum_) + whole[4:]


def checked(body):
    total = sum(struct.unpack(f"!{(len(body) + 1) // 2}H", body + b"\0" * (len(body) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return body[:2] + struct.pack("!H", ~total & 0xffff) + body[4:]


# ---- the run ------------------------------------------------------------------------------------

def begin_flows():
    """One datagram of each flow, by the one whose it is."""
    for flow in spec["flows"]:
        enter(flow["netns"])
        six_ = ":" in flow["source"]
        with socket.socket(socket.AF_INET6 if six_ else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((flow["source"], flow["sport"]))
            try:
                sock.sendto(b"begun", (flow["destination"], flow["port"]))
            except OSError:
                pass
    enter(None)


listen()
threading.Thread(target=loop, daemon=True).start()
begin_flows()
made = []
for p in spec["packets"]:
    made.append(frames(p))
enter(spec["sender"])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind(("eth0", 0))
    for group in made:
        for frame in group:
            out.send(frame)
        time.sleep(spec["pause"])
enter(None)
time.sleep(spec["patience"])
print(json.dumps({key: sorted(places) for key, places in heard.items()}))
