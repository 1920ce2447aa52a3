"""
A guest behind a tap, as a VM is one: guest.py TAP MAC ADDRESS GATEWAY. Each line of stdin is one order in JSON, each
line of stdout its answer:
  {"ask": [ADDRESS, PORT], "from"?: ADDRESS, "mac"?: MAC}   a datagram; answers with what came back, or null
  {"flood": [ADDRESS, PORT, COUNT, SIZE]}                   so many datagrams of so many bytes, at once
  {"serve": [PORT, TEXT]}                                   from now on answers datagrams to that port
  {"send": HEX}                                             a frame as it is
"""
import fcntl, json, os, select, socket, struct, sys, threading, time

tap, mac, address, gateway = sys.argv[1:5]
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x2, 0x1000
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", tap.encode(), IFF_TAP | IFF_NO_PI))
raw = lambda text: bytes(int(part, 16) for part in text.split(":"))
own, ip = raw(mac), socket.inet_aton(address)
neighbours, answers, services = {}, [], {}
changed = threading.Condition()


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arp(operation, target_mac, target, sender=ip):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, own, sender, target_mac, target)


def datagram(source, target, sport, dport, text):
    udp = struct.pack("!HHHH", sport, dport, 8 + len(text), 0) + text
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, source, target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def receive():
    while True:
        frame = os.read(fd, 65536)
        sender, kind, body = frame[6:12], frame[12:14], frame[14:]
        with changed:
            if kind == b"\x08\x06" and body[24:28] == ip:
                neighbours[body[14:18]] = body[8:14]
                if body[6:8] == b"\0\x01":
                    os.write(fd, body[8:14] + own + b"\x08\x06" + arp(2, body[8:14], body[14:18]))
            if kind == b"\x08\0" and body[9] == 17 and body[16:20] == ip:
                sport, dport = struct.unpack("!HH", body[20:24])
                if dport in services:
                    reply = datagram(ip, body[12:16], dport, sport, services[dport])
                    os.write(fd, sender + own + b"\x08\0" + reply)
                else:
                    answers.append((dport, body[28:].decode()))
            changed.notify_all()


def wait(seconds, holds):
    with changed:
        return changed.wait_for(holds, seconds)


def find(way):
    for _ in range(3):
        if way not in neighbours:
            os.write(fd, b"\xff" * 6 + own + b"\x08\x06" + arp(1, b"\0" * 6, way))
            wait(1, lambda: way in neighbours)
    return way in neighbours


def flood(target, port, count, size):
    way = socket.inet_aton(gateway)
    if not find(way):
        return "no gateway"
    frame = neighbours[way] + own + b"\x08\0" + datagram(ip, socket.inet_aton(target), 20000, port, bytes(size))
    for _ in range(count):
        os.write(fd, frame)
    return count


def ask(target, port, source, sender):
    way = socket.inet_aton(gateway)
    if not find(way):
        return "no gateway"
    sport = 20000 + len(answers) + int(time.time() * 1000) % 20000
    packet = datagram(socket.inet_aton(source), socket.inet_aton(target), sport, port, b"ask")
    os.write(fd, neighbours[way] + sender + b"\x08\0" + packet)
    found = lambda: [text for dport, text in answers if dport == sport]
    wait(1.5, found)
    return (found() or [None])[0]


threading.Thread(target=receive, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    answer = None
    if "ask" in order:
        answer = ask(*order["ask"], order.get("from", address), raw(order.get("mac", mac)))
    if "flood" in order:
        answer = flood(*order["flood"])
    if "serve" in order:
        services[order["serve"][0]] = order["serve"][1].encode()
    if "send" in order:
        os.write(fd, bytes.fromhex(order["send"]))
    print(json.dumps(answer), flush=True)
