"""recorder.py ADDRESS PORT FILE [GREETING]: answers what comes with "answer", and notes each client's port and its bytes."""

import socket
import sys
import threading

address, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
greeting = sys.argv[4].encode() if len(sys.argv) > 4 else b""
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((address, port))
server.listen(4096)
lock = threading.Lock()


def answer(sock, source):
    try:
        if greeting:
            sock.sendall(greeting)
        while data := sock.recv(65536):
            with lock, open(path, "a") as file:
                file.write(f"{source} {data.hex()}\n")
            sock.sendall(b"answer")
    except OSError:
        pass


open(path, "w").close()
print("ready", flush=True)
while True:
    connection, (_, source) = server.accept()
    threading.Thread(target=answer, args=(connection, source), daemon=True).start()
