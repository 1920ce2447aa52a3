"""A cable between a tap of this namespace and one of another: wire.py NAME NETNS THERE. A tap is what a VM has for a NIC."""

import ctypes
import fcntl
import os
import select
import struct
import sys

IFF_TAP, IFF_NO_PI, TUNSETIFF, CLONE_NEWNET = 0x0002, 0x1000, 0x400454CA, 0x40000000


def tap(name):
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return end


here, netns, there = sys.argv[1:]
near = tap(here)
with open(netns) as namespace:
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
        sys.exit(f"setns: {os.strerror(ctypes.get_errno())}")
far = tap(there)
print("ready", flush=True)
other = {near: far, far: near}
while True:
    for end in select.select([near, far], [], [])[0]:
        try:
            os.write(other[end], os.read(end, 65536))
        except OSError:
            # An end that is down takes nothing.
            pass
