"""A host, its bridges and containers, and an internet, all in this process's own network namespaces.

Reads one JSON object from stdin: {"containers": [...], "stages": [...]}. Each stage may load nft text, run
commands on the host, probe from containers (all at once) and attack (one after another). Prints {id: result}.
A probe's result is "answer", an errno's name, or "silence". An attack's result is the list of places where
its frames were seen: empty when nothing got out.
"""

import ctypes
import errno
import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
NEWNET = 0x40000000
SCTP = 132
spec = json.load(sys.stdin)
spaces = {"host": os.open("/proc/self/ns/net", os.O_RDONLY)}
containers = {c["name"]: c for c in spec["containers"]}

INTERNET4 = ["8.8.8.8", "203.0.113.10", "198.51.100.20", "10.1.2.3", "192.168.7.7", "100.64.1.1", "169.254.169.254",
             "100.100.100.200", "168.63.129.16", "198.18.0.1"]
INTERNET6 = ["2606:4700::1111", "2001:db8::10", "2a00:1450::20", "fd00:1::3", "fd00:ec2::254", "64:ff9b::808:808", "64:ff9b::a01:203", "64:ff9b:1::808:808",
             "2002:808:808::1", "2002:a01:203::1", "fec0::1"]
TCP_PORTS, UDP_PORTS = [22, 53, 80, 443, 5000], [53, 443, 500]


def enter(name):
    if libc.setns(spaces[name], NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def inside(name):
    class Inside:
        def __enter__(self):
            enter(name)

        def __exit__(self, *_):
            enter("host")
    return Inside()


def make_space(name):
    if libc.unshare(NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    spaces[name] = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")
    write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
    enter("host")


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def run(*command, stdin="", check=True):
    done = subprocess.run(command, input=stdin.encode(), capture_output=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.decode()[:2000]}")
    return done.stdout.decode()


def batch(lines, *options):
    run("ip", *options, "-batch", "-", stdin="\n".join(lines) + "\n")


def path(name):
    return f"/proc/{os.getpid()}/fd/{spaces[name]}"


def build():
    write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")
    write("/proc/sys/net/ipv4/conf/all/rp_filter", "0")
    write("/proc/sys/net/ipv4/conf/default/rp_filter", "0")
    for name in ("all", "default"):
        write(f"/proc/sys/net/ipv4/conf/{name}/accept_source_route", "1")
    write("/proc/sys/net/ipv4/icmp_ratelimit", "0")
    write("/proc/sys/net/ipv6/icmp/ratelimit", "0")
    write("/proc/sys/net/ipv4/icmp_msgs_per_sec", "100000")
    write("/proc/sys/net/ipv4/icmp_msgs_burst", "100000")
    make_space("internet")
    for name in containers:
        make_space(name)
    lines = ["link set lo up", "link add up0 type veth peer name eth0", "link set up0 up",
             "addr add 192.0.2.1/24 dev up0", "addr add 2001:db8:ffff::1/64 dev up0",
             "addr add 192.0.2.99/32 dev lo"]
    for number in (0, 1):
        lines += [f"link add db{number} address 02:db:00:00:00:0{number} type bridge forward_delay 0 mcast_snooping 0", f"link set db{number} up",
                  f"addr add 10.{88 + number}.0.1/16 dev db{number}", f"addr add fd00:{88 + number}::1/64 dev db{number}",
                  f"addr add fe80::1/64 dev db{number}"]
    for c in containers.values():
        if c["bridge"] == c["port"]:  # as ptp makes it: no bridge, the gateway is on the host's end
            lines += [f"link add {c['port']} address 02:db:00:00:00:99 type veth peer name e{c['port']} address {c['mac']}",
                      f"link set {c['port']} up", f"addr add {c['gateway4']}/24 dev {c['port']}", f"addr add {c['gateway6']}/64 dev {c['port']}"]
            continue
        lines += [f"link add {c['port']} type veth peer name e{c['port']} address {c['mac']}",
                  f"link set {c['port']} master {c['bridge']} up"]
    batch(lines)
    run("ip", "link", "set", "eth0", "netns", path("internet"))
    for c in containers.values():
        run("ip", "link", "set", f"e{c['port']}", "netns", path(c["name"]))
    batch(["route add default via 192.0.2.2"])
    batch(["route add default via 2001:db8:ffff::2"], "-6")
    write("/proc/sys/net/ipv4/ip_forward", "1")
    write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
    write("/proc/sys/net/ipv4/conf/db0/route_localnet", "1")
    with inside("internet"):
        batch(["link set lo up", "link set eth0 up", "addr add 192.0.2.2/24 dev eth0", "addr add 2001:db8:ffff::2/64 dev eth0",
               *[f"addr add {a} dev lo" for a in INTERNET4 + INTERNET6], "route add 10.88.0.0/14 via 192.0.2.1"])
        batch(["route add fd00:88::/64 via 2001:db8:ffff::1", "route add fd00:89::/64 via 2001:db8:ffff::1",
               "route add fd00:90::/64 via 2001:db8:ffff::1"], "-6")
    for c in containers.values():
        length = 24 if c["bridge"] == c["port"] else 16
        with inside(c["name"]):
            batch(["link set lo up", f"link set e{c['port']} name eth0", "link set eth0 up",
                   f"addr add {c['ip4']}/{length} dev eth0", f"addr add {c['ip6']}/64 dev eth0",
                   f"route add default via {c['gateway4']}"])
            batch([f"route add default via {c['gateway6']}"], "-6")


# ---- servers: one thread, every socket ----------------------------------------------------------

heard = set()  # "place:token" for every datagram, frame or connection with a token in it
poller = select.epoll()
sockets = {}


def listen(place, kind, sock):
    sock.setblocking(False)
    sockets[sock.fileno()] = (place, kind, sock)
    poller.register(sock.fileno(), select.EPOLLIN)


def serve(place, addresses):
    with inside(place):
        for address in addresses:
            six = ":" in address
            family = socket.AF_INET6 if six else socket.AF_INET
            for port in UDP_PORTS:
                sock = socket.socket(family, socket.SOCK_DGRAM)
                sock.bind((address, port))
                listen(place, "udp", sock)
        for family, anything in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            for port in TCP_PORTS:
                sock = socket.socket(family, socket.SOCK_STREAM)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((anything, port))
                sock.listen(256)
                listen(place, "tcp", sock)


def sniff(place, interface):
    with inside(place):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.bind((interface, 3))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        listen(place, "frames", sock)


def note(place, data):
    at = data.find(b"token-")
    while at >= 0:
        heard.add(f"{place}:{data[at:at + 40].split(b';')[0].decode(errors='replace')}")
        at = data.find(b"token-", at + 1)


connections = {}


def loop():
    while True:
        for handle, _ in poller.poll():
            place, kind, sock = sockets[handle]
            try:
                if kind == "tcp":
                    peer, _ = sock.accept()
                    connections[peer.fileno()] = peer
                    listen(place, "stream", peer)
                elif kind == "stream":
                    data = sock.recv(65536)
                    if data:
                        note(place, data)
                        sock.send(b"seen")
                    else:
                        poller.unregister(handle)
                        sock.close()
                elif kind == "udp":
                    data, peer = sock.recvfrom(65536)
                    note(place, data)
                    sock.sendto(b"seen", peer)
                else:
                    while True:
                        data, about = sock.recvfrom(65536)
                        if about[2] != 4:  # not what this side sent
                            note(place, data)
            except BlockingIOError:
                pass
            except OSError:
                if kind == "stream":
                    poller.unregister(handle)
                    sock.close()


# ---- probes: all sockets first, then one wait ---------------------------------------------------

def probe_all(probes, patience):
    waiting, results, poll = {}, {}, select.poll()
    order = sorted(probes, key=lambda p: p["from"])
    for p in order:
        enter(p["from"])
        try:
            sock = probe(p)
            waiting[sock.fileno()] = (p, sock)
            poll.register(sock.fileno(), select.POLLOUT if p["protocol"] in ("tcp", "sctp") else select.POLLIN)
        except OSError as error:
            results[p["id"]] = errno.errorcode.get(error.errno, str(error))
    enter("host")
    deadline = time.monotonic() + patience
    while waiting and time.monotonic() < deadline:
        for handle, _ in poll.poll(max(0, (deadline - time.monotonic()) * 1000)):
            p, sock = waiting.pop(handle)
            poll.unregister(handle)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            results[p["id"]] = errno.errorcode.get(error, str(error)) if error else "answer"
            sock.close()
    for p, sock in waiting.values():
        results[p["id"]] = "silence"
        sock.close()
    return results


def probe(p):
    six = ":" in p["address"]
    family = socket.AF_INET6 if six else socket.AF_INET
    host, _, zone = p["address"].partition("%")
    target = (host, p.get("port", 0)) + ((0, socket.if_nametoindex(zone)) if zone else ())
    if p["protocol"] == "icmp":
        sock = socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
    elif p["protocol"] == "udp":
        sock = socket.socket(family, socket.SOCK_DGRAM)
    else:
        sock = socket.socket(family, socket.SOCK_STREAM, SCTP if p["protocol"] == "sctp" else 0)
    sock.setblocking(False)
    if p.get("sport"):
        sock.bind(("", p["sport"]))
    try:
        sock.connect(target)
    except BlockingIOError:
        pass
    if p["protocol"] == "icmp":
        sock.send(struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0, 1) + b"probe")
    elif p["protocol"] == "udp":
        sock.send(b"probe")
    return sock


exec(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "attacks.py")).read())


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    build()
    serve("internet", INTERNET4 + INTERNET6 + ["192.0.2.2"])
    serve("host", ["10.88.0.1", "10.89.0.1", "192.0.2.1", "192.0.2.99", "127.0.0.1", "fd00:88::1", "fd00:89::1", "2001:db8:ffff::1"])
    for name, c in containers.items():
        if c.get("serves"):
            serve(name, [c["ip4"], c["ip6"]])
            sniff(name, "eth0")
    sniff("internet", "eth0")
    threading.Thread(target=loop, daemon=True).start()
    # Neighbours first, so that a probe does not wait for them.
    warm = [{"id": f"{n}{a}", "from": n, "protocol": "udp", "address": a, "port": 9} for n, c in containers.items()
            for a in (c["gateway4"], c["gateway6"])]
    warm += [{"id": f"w{a}", "from": "host", "protocol": "icmp", "address": a} for a in ("192.0.2.2", "2001:db8:ffff::2")]
    for _ in range(5):
        if "silence" not in probe_all(warm, 1.0).values():
            break
    results = {}
    for stage in spec["stages"]:
        if stage.get("nft"):
            run("nft", "-f", "-", stdin=stage["nft"])
        for number, command in enumerate(stage.get("run", [])):
            results[f"{stage.get('name', '')} {number}"] = run(*command)
        results.update(probe_all(stage.get("probes", []), stage.get("patience", 1.0)))
        for name in stage.get("attacks", []):
            results[name] = attack(name)
    results["ruleset"] = run("nft", "list", "ruleset") if spec.get("list") else ""
    print(json.dumps(results))


main()
