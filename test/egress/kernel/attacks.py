# Attempts to get out, each a function that sends frames with a token in them and returns the token.
# Read into battery.py. "mallory" has mode restricted; "social" and "openly" are siblings that may talk.

from scapy.all import (ARP, GRE, ICMP, IP, TCP, UDP, BOOTP, DHCP, Dot1Q, Dot1AD, Ether, ICMPv6EchoRequest, ICMPv6ND_NA,  # noqa: E402
                       ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_Redirect, ICMPv6NDOptDstLLAddr, ICMPv6MLReport, IPOption_LSRR, IPOption_SSRR,
                       IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, IPerror, UDPerror,
                       LLC, Raw, fragment, conf)

conf.verb = 0
PRIVATE4, PRIVATE6, PUBLIC4, PUBLIC6, META4 = "10.1.2.3", "fd00:1::3", "8.8.8.8", "2606:4700::1111", "169.254.169.254"
held = {}
counter = [0]


def attack(name):
    word, _, argument = name.partition(" ")
    counter[0] += 1
    token = f"token-{counter[0]}-{word}"
    answer = globals()[f"try_{word}"](token.encode() + b";", *argument.split())
    time.sleep(0.2)
    # An ICMP error that comes back to the sender quotes what it sent.
    sender = next((part for part in argument.split() if part in containers), "mallory")
    places = sorted({entry.split(":")[0] for entry in heard if entry.split(":", 1)[1] == token} - {sender})
    return answer if answer is not None else places


def send(name, *frames):
    with inside(name):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("eth0", 0))
            for frame in frames:
                sock.send(bytes(frame))


def who(name):
    c = containers[name]
    gateway = {"db0": "02:db:00:00:00:00", "db1": "02:db:00:00:00:01"}.get(c["bridge"], "02:db:00:00:00:99")
    return c["mac"], c["ip4"], c["ip6"], c["fe80"], gateway


def packet(name, target, **change):
    mac, ip4, ip6, _, gateway = who(name)
    six = ":" in target
    return (Ether(src=change.get("mac", mac), dst=change.get("to", gateway))
            / (IPv6(src=change.get("source", ip6), dst=target) if six else IP(src=change.get("source", ip4), dst=target)))


def datagram(name, target, token, port=53, **change):
    return packet(name, target, **change) / UDP(sport=change.get("sport", 4444), dport=port) / Raw(token)


def try_plain(t, name, target, port="53"):
    send(name, datagram(name, target, t, int(port)))


def try_from_source(t, source, target):
    send("mallory", datagram("mallory", target, t, source=source))


def try_extra_address(t, name, source, target):
    send(name, datagram(name, target, t, source=source))


def try_stolen_mac(t, target):
    mac, ip4, ip6, _, _ = who("openly")
    send("mallory", datagram("mallory", target, t, mac=mac, source=ip6 if ":" in target else ip4))


def try_own_address_other_mac(t):
    send("mallory", datagram("mallory", PUBLIC4, t, mac="02:00:00:00:77:77"))


def try_arp(t, name, operation, claimed, mac=""):
    own = who(name)[0]
    send(name, Ether(src=own, dst="ff:ff:ff:ff:ff:ff") / ARP(op=int(operation), hwsrc=mac or own, psrc=claimed, pdst=claimed if operation == "2" else "10.88.0.1") / Raw(t))


def try_arp_poisons_host(t):
    send("mallory", Ether(src=who("mallory")[0], dst="ff:ff:ff:ff:ff:ff") / ARP(op=2, hwsrc=who("mallory")[0], psrc=who("openly")[1], pdst=who("openly")[1]))
    time.sleep(0.1)
    return ["host"] if who("mallory")[0] in run("ip", "neigh", "show", who("openly")[1], check=False) else []


def try_advertisement(t, name, target):
    mac, _, ip6, _, _ = who(name)
    send(name, Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=ip6, dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt=target, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac) / Raw(t))


def try_duplicate_address_detection(t, name, target):
    send(name, Ether(src=who(name)[0], dst="33:33:00:00:00:01") / IPv6(src="::", dst="ff02::1", hlim=255) / ICMPv6ND_NS(tgt=target) / Raw(t))


def try_router_advertisement(t, name):
    mac, _, _, fe80, _ = who(name)
    send(name, Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=fe80, dst="ff02::1", hlim=255) / ICMPv6ND_RA() / Raw(t))


def try_router_advertisement_behind_headers(t, name):
    mac, _, _, fe80, _ = who(name)
    inner = bytes(IPv6(src=fe80, dst="ff02::1", hlim=255) / ICMPv6ND_RA() / Raw(t))[40:]
    head = Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=fe80, dst="ff02::1", hlim=255)
    padded = b"\x3a\x00" + b"\x01\x04\0\0\0\0"
    data = padded + inner
    send(name, Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=fe80, dst="ff02::1", hlim=255, nh=60) / Raw(data),
         head / IPv6ExtHdrFragment(nh=60, offset=0, m=1, id=7) / Raw(data[:8]), head / IPv6ExtHdrFragment(nh=60, offset=1, m=0, id=7) / Raw(data[8:]))


def try_redirect(t, name):
    mac, _, _, fe80, _ = who(name)
    send(name, Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=fe80, dst="ff02::1", hlim=255) / ICMPv6ND_Redirect(tgt=fe80, dst="2001:db8::10") / Raw(t))


def try_dhcp_server(t, name):
    mac, ip4, _, fe80, _ = who(name)
    send(name, Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / IP(src=ip4, dst="255.255.255.255") / UDP(sport=67, dport=68) / BOOTP(op=2) / DHCP(options=[("message-type", "offer"), "end"]) / Raw(t),
         Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=fe80, dst="ff02::1") / UDP(sport=547, dport=546) / Raw(t))


def try_vlan(t, name, vid, target):
    mac, ip4, _, _, gateway = who(name)
    inner = IP(src=ip4, dst=target) / UDP(sport=1, dport=53) / Raw(t)
    for to in (gateway, "ff:ff:ff:ff:ff:ff"):
        send(name, Ether(src=mac, dst=to) / Dot1Q(vlan=int(vid)) / inner, Ether(src=mac, dst=to, type=0x88A8) / Dot1AD(vlan=int(vid)) / inner,
             Ether(src=mac, dst=to) / Dot1Q(vlan=int(vid)) / Dot1Q(vlan=int(vid)) / inner)


def try_ethertypes(t, name):
    mac = who(name)[0]
    send(name, *[Ether(src=mac, dst="ff:ff:ff:ff:ff:ff", type=kind) / Raw(t + b"x" * 40) for kind in (0x88B5, 0x8864, 0x88CC, 0x86DE, 0x8847, 0x888E)],
         bytes.fromhex("ffffffffffff" + mac.replace(":", "")) + struct.pack("!H", 60) + bytes(LLC(dsap=0x42, ssap=0x42, ctrl=3)) + t + b"x" * 30)


def try_reserved_multicast(t, name, target, port):
    send(name, *[datagram(name, target, t, int(port), to=f"01:80:c2:00:00:{last:02x}") for last in range(16)])


def try_broadcast_mac(t, name, target, port):
    send(name, datagram(name, target, t, int(port), to="ff:ff:ff:ff:ff:ff"), datagram(name, target, t, int(port), to="01:00:5e:00:00:05"))


def try_direct_to_sibling(t, name, other):
    mac, _, _, fe80, _ = who(name)
    there, ip4, ip6, other80, _ = who(other)
    send(name, datagram(name, ip4, t, to=there), datagram(name, ip6, t, to=there), datagram(name, other80, t, to=there, source=fe80),
         Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac, psrc=who(name)[1], pdst=ip4) / Raw(t),
         datagram(name, "10.88.255.255", t, to="ff:ff:ff:ff:ff:ff"), datagram(name, "224.0.0.251", t, to="01:00:5e:00:00:fb"))


def try_routed_to_sibling(t, name, other):
    send(name, datagram(name, who(other)[1], t), datagram(name, who(other)[2], t))


def try_protocols(t, name, target):
    six = ":" in target
    for number in (4, 41, 47, 50, 132, 136, 253) if not six else (4, 41, 47, 50, 132, 136, 253, 59):
        base = packet(name, target)
        base[IPv6 if six else IP].setfieldval("nh" if six else "proto", number)
        head = struct.pack("!HHII", 1, 53, 0, 0) if number == 132 else struct.pack("!HHHH", 1, 53, 0, 0)
        send(name, base / Raw(head + t))


def try_fragments(t, name, target):
    whole = datagram(name, target, t + b"y" * 64)
    if ":" in target:
        udp = bytes(whole[IPv6].payload)
        head = packet(name, target)
        send(name, *[head / IPv6ExtHdrFragment(nh=17, offset=at // 8, m=int(at + 16 < len(udp)), id=counter[0]) / Raw(udp[at:at + 16]) for at in range(0, len(udp), 16)])
        # A later fragment alone, and an atomic one.
        send(name, head / IPv6ExtHdrFragment(nh=17, offset=8, m=0, id=99) / Raw(t), head / IPv6ExtHdrFragment(nh=17, offset=0, m=0, id=98) / Raw(udp))
        return
    udp = bytes(whole[IP].payload)
    head = packet(name, target)
    pieces = []
    for at in range(0, len(udp), 16):
        piece = head.copy()
        piece[IP].id, piece[IP].frag, piece[IP].flags = counter[0], at // 8, "MF" if at + 16 < len(udp) else 0
        pieces.append(piece / Raw(udp[at:at + 16]))
    send(name, *[set_proto(p) for p in pieces])
    late = head.copy()
    late[IP].id, late[IP].frag = 77, 8
    send(name, set_proto(late / Raw(t)))


def set_proto(frame):
    frame[IP].proto = 17
    return frame


def try_extension_headers(t, name, target):
    for header in (IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(type=0, addresses=[]), IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt()):
        send(name, packet(name, target) / header / UDP(sport=1, dport=53) / Raw(t))


def try_source_route(t, name, first, final):
    mac, ip4, _, _, gateway = who(name)
    for option in (IPOption_LSRR, IPOption_SSRR):
        send(name, Ether(src=mac, dst=gateway) / IP(src=ip4, dst=first, options=[option(routers=[final])]) / UDP(sport=1, dport=53) / Raw(t))


def try_routing_header(t, name, first, final):
    for kind in (0, 2, 3, 4):
        send(name, packet(name, first) / IPv6ExtHdrRouting(type=kind, segleft=1, addresses=[final]) / UDP(sport=1, dport=53) / Raw(t))


def try_icmp_error_about_a_flow(t, name, target):
    mac, ip4, _, _, gateway = who(name)
    send(name, datagram(name, PUBLIC4, b"flow", sport=5151))
    time.sleep(0.1)
    about = bytes(IP(src=PUBLIC4, dst=ip4) / UDP(sport=53, dport=5151) / Raw(b"seen"))
    send(name, Ether(src=mac, dst=gateway) / IP(src=ip4, dst=target) / ICMP(type=3, code=3) / Raw(about + t))


def try_ping_payload(t, name, target):
    send(name, packet(name, target) / (ICMPv6EchoRequest(data=t) if ":" in target else ICMP() / Raw(t)))


def try_segment_without_connection(t, name, target, port):
    for flags in ("A", "PA", "SA", "FPU", ""):
        send(name, packet(name, target) / TCP(sport=5000, dport=int(port), flags=flags, seq=9, ack=9) / Raw(t))


def try_loopback(t, name):
    send(name, datagram(name, "127.0.0.1", t, 443), datagram(name, "10.88.0.1", t, 443, source="127.0.0.1"))


def try_hold(t, name, key, target, port):
    """Opens a connection and keeps it; says whether it could."""
    with inside(name):
        sock = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(0.7)
    held[key] = sock
    try:
        sock.connect((target, int(port)))
    except OSError as error:
        return [type(error).__name__]
    return []


def try_use_held(t, key):
    """Sends on a connection that was kept; heard means that it got there."""
    try:
        held[key].send(t)
    except OSError:
        pass


def try_from_outside(t, target, port="53"):
    with inside("internet"):
        with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(t, (target, int(port)))


def try_from_host(t, target, port="53"):
    with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(t, (target, int(port)))
