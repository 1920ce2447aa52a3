"""Traffic for the benchmark, run inside a network namespace: `packets.py serve ADDRESS`, `packets.py MODE ADDRESS PORT SECONDS`.

serve     a sink on port 5001, an echo on 5002, and on 80 one that closes each connection at once; until it is ended
send      megabits per second into the sink
connect   connections per second, one after the other, each reset at once so that no port waits
echo      microseconds for one byte there and back, median
dns       milliseconds until a new name is answered, median; what has no answer within two seconds counts as these
hold      nothing: opens connections and keeps them, as many as it gets
"""

import resource
import socket
import struct
import sys
import threading
import time


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(address, port, handle):
    server = socket.socket(family(address))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen(1024)

    def loop():
        while True:
            connection, _ = server.accept()
            handle(connection)

    threading.Thread(target=loop, daemon=True).start()


def sink(connection):
    def drain():
        buffer = bytearray(1 << 20)
        while connection.recv_into(buffer):
            pass
    threading.Thread(target=drain, daemon=True).start()


def echo(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def answer():
        try:
            while data := connection.recv(64):
                connection.sendall(data)
        except OSError:
            pass
    threading.Thread(target=answer, daemon=True).start()


def connect(address, port):
    sock = socket.socket(family(address))
    sock.settimeout(5)
    sock.connect((address, port))
    return sock


def ask(address, port, end):
    times = []
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        sock.settimeout(2)
        while time.perf_counter() < end or not times:
            number = time.perf_counter_ns()
            name = b"".join(bytes([len(one)]) + one for one in (b"q%d" % number, b"example", b"net")) + b"\0"
            query = struct.pack("!HHHHHH", number & 0xFFFF, 0x100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)
            before = time.perf_counter_ns()
            try:
                sock.send(query)
                while struct.unpack("!H", sock.recv(4096)[:2])[0] != number & 0xFFFF:
                    pass
            except OSError:
                pass
            times.append(time.perf_counter_ns() - before)
    return sorted(times)[len(times) // 2] / 1e6


def hold(address, port, end):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    held = []
    while time.perf_counter() < end:
        try:
            sock = socket.socket(family(address))
            sock.settimeout(0.1)
            sock.connect((address, port))
            held.append(sock)
        except OSError:
            pass


def main():
    mode, address, *rest = sys.argv[1:]
    if mode == "serve":
        listen(address, 5001, sink)
        listen(address, 5002, echo)
        listen(address, 80, lambda connection: connection.close())
        print("ready", flush=True)
        threading.Event().wait()
    port, seconds = int(rest[0]), float(rest[1])
    end = time.perf_counter() + seconds
    count = 0
    start = time.perf_counter()
    if mode == "send":
        data = bytes(1 << 20)
        with connect(address, port) as sock:
            while time.perf_counter() < end:
                count += sock.send(data)
        print(count * 8 / 1e6 / (time.perf_counter() - start))
    elif mode == "connect":
        while time.perf_counter() < end:
            sock = connect(address, port)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            count += 1
        print(count / (time.perf_counter() - start))
    elif mode == "echo":
        times = []
        with connect(address, port) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while time.perf_counter() < end:
                before = time.perf_counter_ns()
                sock.sendall(b"x")
                sock.recv(64)
                times.append(time.perf_counter_ns() - before)
        print(sorted(times)[len(times) // 2] / 1000)
    elif mode == "dns":
        print(ask(address, port, end))
    elif mode == "hold":
        hold(address, port, end)


main()
