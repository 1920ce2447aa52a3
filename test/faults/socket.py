"""Clients of the agent's socket for test/faults/socket.netns.test.ts: one word says which, inputs come on stdin."""

import base64
import json
import resource
import socket
import sys
import threading
import time

path = "/run/drawbridge/agent.sock"


def connect():
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(path)
    return client


def read_all(client):
    data = b""
    while part := client.recv(65536):
        data += part
    return data


def ask():
    """Milliseconds until a well-behaved client has its answer."""
    began = time.monotonic()
    client = connect()
    client.sendall(b'{"id":1,"method":"status"}\n')
    client.shutdown(socket.SHUT_WR)
    answer = json.loads(read_all(client))
    assert answer["id"] == 1 and answer["result"]["protocol"] == 1, answer
    return round((time.monotonic() - began) * 1000)


def inputs():
    """Each input over a connection of its own: how many answers there were, and whether each is JSON of the protocol."""
    answered = 0
    for line in sys.stdin:
        client = connect()
        client.sendall(base64.b64decode(line))
        client.shutdown(socket.SHUT_WR)
        for answer in read_all(client).splitlines():
            parsed = json.loads(answer)
            assert "id" in parsed and ("result" in parsed) != ("error" in parsed), answer
            answered += 1
    print(json.dumps({"answered": answered}))


def endless():
    """A line without an end: closed before 1 MiB is read, or the buffers of the kernel are full."""
    client = connect()
    sent = 0
    try:
        while sent < 16 << 20:
            sent += client.send(b"x" * 65536)
    except (BrokenPipeError, ConnectionResetError):
        pass
    print(json.dumps({"sent": sent, "ms": ask()}))


def many():
    """Connections that say nothing, or half a line, and stay; others come and go meanwhile."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    silent = []
    for number in range(400):
        client = connect()
        if number % 2:
            client.sendall(b'{"id":1,"meth')
        silent.append(client)
    print(json.dumps({"open": len(silent), "ms": max(ask() for _ in range(5))}))


def greedy():
    """Asks for much and reads nothing."""
    client = connect()
    client.setblocking(False)
    sent, until = 0, time.monotonic() + 4
    while time.monotonic() < until:
        try:
            sent += client.send(b'{"id":1,"method":"metrics"}\n' * 2000)
        except BlockingIOError:
            time.sleep(0.01)
    print(json.dumps({"sent": sent, "ms": max(ask() for _ in range(5))}))


def vanishing():
    """Goes away in the middle of an answer, again and again."""
    def once():
        for _ in range(50):
            client = connect()
            client.sendall(b'{"id":1,"method":"metrics"}\n' * 20)
            client.close()
    threads = [threading.Thread(target=once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"ms": ask()}))


globals()[sys.argv[1]]()
