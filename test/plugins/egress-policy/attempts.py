"""Attempts to get out, sent as frames from inside a container: attempts.py FACTS.

FACTS is JSON: "name", "mac", "ip4", "ip6", "fe80", "gateway" (MAC), and of a sibling "other" the same. Each line on
stdin names an attempt and its arguments. What gets out carries "<NAME LINE>".
"""

import json
import socket
import sys

from scapy.all import (ARP, BOOTP, DHCP, GRE, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_RA,
                       ICMPv6NDOptDstLLAddr, IPOption_LSRR, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, Raw, conf, fragment)

conf.verb = 0
facts = json.loads(sys.argv[1])
mac, gateway, other = facts["mac"], facts["gateway"], facts["other"]
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind(("eth0", 0))


def send(*frames):
    for frame in frames:
        sock.send(bytes(frame))


def head(target, source=None, hwsrc=mac, to=gateway):
    six = ":" in target
    own = facts["ip6"] if six else facts["ip4"]
    return Ether(src=hwsrc, dst=to) / (IPv6(src=source or own, dst=target) if six else IP(src=source or own, dst=target))


def plain(t, target, port="9", sport="4444"):
    send(head(target) / UDP(sport=int(sport), dport=int(port)) / Raw(t))


def from_source(t, source, target):
    send(head(target, source) / UDP(sport=1, dport=9) / Raw(t))


def as_sibling(t, target):
    send(head(target, other["ip6" if ":" in target else "ip4"], hwsrc=other["mac"]) / UDP(sport=1, dport=9) / Raw(t))


def other_mac(t, target):
    send(head(target, hwsrc="02:00:00:00:77:77") / UDP(sport=1, dport=9) / Raw(t))


def gratuitous_arp(t, claimed):
    for operation in (1, 2):
        send(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=operation, hwsrc=mac, psrc=claimed, pdst=claimed) / Raw(t))


def advertisement(t, claimed):
    send(Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=facts["ip6"], dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=claimed, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac) / Raw(t))
    send(Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=facts["ip6"], dst="ff02::1", hlim=255) / ICMPv6ND_RA(routerlifetime=900) / Raw(t))


def dhcp_server(t):
    send(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / IP(src=facts["ip4"], dst="255.255.255.255") / UDP(sport=67, dport=68) / BOOTP(op=2) / DHCP(options=[("message-type", "offer"), "end"]) / Raw(t))


def vlan(t, target):
    for tag in (0, 5):
        send(Ether(src=mac, dst=gateway) / Dot1Q(vlan=tag) / IP(src=facts["ip4"], dst=target) / UDP(sport=1, dport=9) / Raw(t))


def raw_frames(t):
    send(*[Ether(src=mac, dst="ff:ff:ff:ff:ff:ff", type=kind) / Raw(t + b" " * 40) for kind in (0x88B5, 0x8864, 0x8847)])


def fragments(t, target):
    whole = head(target) / UDP(sport=1, dport=9) / Raw(t + b" " * 80)
    if ":" in target:
        data = bytes(whole[IPv6].payload)
        send(*[head(target) / IPv6ExtHdrFragment(nh=17, offset=at // 8, m=int(at + 24 < len(data)), id=7) / Raw(data[at:at + 24]) for at in range(0, len(data), 24)])
    else:
        send(*[Ether(src=mac, dst=gateway) / piece for piece in fragment(whole[IP], 24)])


def extension(t, target):
    send(head(target) / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=9) / Raw(t))


def protocols(t, target):
    for number in (4, 41, 47, 50, 132, 136, 253):
        packet = head(target)
        packet[IPv6 if ":" in target else IP].setfieldval("nh" if ":" in target else "proto", number)
        send(packet / Raw(b"\0\x01\0\x09\0\0\0\0\0\0\0\0" + t))
    if ":" not in target:
        send(head(target) / GRE() / IP(src=facts["ip4"], dst=target) / UDP(sport=1, dport=9) / Raw(t))


def ping(t, target):
    send(head(target) / (ICMPv6EchoRequest(data=t) if ":" in target else ICMP() / Raw(t)))


def segment(t, target, port):
    for flags in ("A", "PA", "SA", "F", ""):
        send(head(target) / TCP(sport=5000, dport=int(port), flags=flags, seq=9, ack=9) / Raw(t))


def source_route(t, first, final):
    send(Ether(src=mac, dst=gateway) / IP(src=facts["ip4"], dst=first, options=[IPOption_LSRR(routers=[final])]) / UDP(sport=1, dport=9) / Raw(t))


def loopback(t):
    send(head("127.0.0.1") / UDP(sport=1, dport=9) / Raw(t), head("10.1.0.1", "127.0.0.1") / UDP(sport=1, dport=9) / Raw(t))


def sibling(t):
    for key in ("ip4", "ip6"):
        for to in (other["mac"], gateway, "ff:ff:ff:ff:ff:ff"):
            send(head(other[key], to=to) / UDP(sport=1, dport=9) / Raw(t))
    send(head(other["fe80"], facts["fe80"], to=other["mac"]) / UDP(sport=1, dport=9) / Raw(t))


def link_local(t, target):
    send(head(target, facts["fe80"]) / UDP(sport=1, dport=9) / Raw(t))


for line in sys.stdin:
    word, *arguments = line.split()
    globals()[word](f"<{facts['name']} {line.strip()}>".encode(), *arguments)
