"""Clients and a server for the rows of checked names: `first-bytes.py MODE ADDRESS NAME SECONDS WIDTH`.

serve     takes a ClientHello on port 4443 and sends zeros until nobody reads them; until it is ended
request   requests per second over HTTP/1 at port 80, a new connection for each, of WIDTH processes; then the processor
          time of all of them for one, in microseconds
first     microseconds from connect() to the first byte of such an answer, one line each, one connection after the other
take      megabits per second of what `serve` sends, and the processor time of this process in milliseconds
"""

import os
import socket
import ssl
import struct
import sys
import threading
import time


def ask(address, request):
    sock = socket.socket()
    sock.settimeout(5)
    sock.connect((address, 80))
    sock.sendall(request)
    return sock, sock.recv(4096)


def end(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def repeat(address, request, seconds):
    stop = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < stop:
        sock, answer = ask(address, request)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"answered {answer[:80]!r}")
        end(sock)
        count += 1
    return count


def used():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def hello(name):
    """The first bytes of a client of TLS: what follows is nobody's business here, so no time goes into ciphers."""
    sent = ssl.MemoryBIO()
    client = ssl._create_unverified_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return sent.read()


def serve(address):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, 4443))
    server.listen(1024)
    zeros = bytes(1 << 18)

    def answer(sock):
        try:
            sock.recv(4096)
            while True:
                sock.sendall(zeros)
        except OSError:
            sock.close()

    print("ready", flush=True)
    while True:
        sock, _ = server.accept()
        threading.Thread(target=answer, args=(sock,), daemon=True).start()


def main():
    mode, address, name, seconds, width = sys.argv[1:]
    seconds = float(seconds)
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
    if mode == "serve":
        serve(address)
    elif mode == "request":
        children = []
        for _ in range(int(width)):
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                os.write(write, str(repeat(address, request, seconds)).encode())
                os._exit(0)
            os.close(write)
            children.append((child, read))
        count = sum(int(os.read(read, 20) or 0) for _, read in children)
        for child, _ in children:
            os.waitpid(child, 0)
        print(count / seconds, used() * 1e6 / max(count, 1))
    elif mode == "first":
        stop = time.perf_counter() + seconds
        while time.perf_counter() < stop:
            began = time.perf_counter_ns()
            sock, _ = ask(address, request)
            print((time.perf_counter_ns() - began) / 1000)
            end(sock)
    elif mode == "take":
        sock = socket.socket()
        sock.settimeout(5)
        sock.connect((address, 4443))
        sock.sendall(hello(name))
        buffer = bytearray(1 << 20)
        began, before, count = time.perf_counter(), used(), 0
        while time.perf_counter() < began + seconds and (got := sock.recv_into(buffer)):
            count += got
        print(count * 8 / 1e6 / (time.perf_counter() - began), (used() - before) * 1e3)
        end(sock)


main()
