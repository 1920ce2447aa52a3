"""flood.py RATE NETNS...: sends so many datagrams a second, from each namespace in turn, until it is ended.

Every other one goes to 8.8.8.8, the rest to addresses of 9.9.9.0/24; each to a port of its own.
"""
import ctypes
import itertools
import socket
import sys
import time

rate, namespaces = int(sys.argv[1]), sys.argv[2:]
libc = ctypes.CDLL(None, use_errno=True)


def socket_in(netns):
    """A socket that belongs to a namespace: it keeps to it when this process is in another one."""
    with open(netns) as there:
        if libc.setns(there.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), netns)
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


sockets = [socket_in(netns) for netns in namespaces]
began = time.monotonic()
for number in itertools.count():
    turn = number // len(sockets)
    to = ("8.8.8.8", 1024 + turn // 2 % 60000) if turn % 2 else (f"9.9.9.{turn // 2 % 250 + 1}", 1024 + turn // 500 % 60000)
    try:
        sockets[number % len(sockets)].sendto(b"x", to)
    except OSError:
        # Refused by the host's own rules while they are away, or no room.
        pass
    if number % 200 == 0:
        ahead = number / rate - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
