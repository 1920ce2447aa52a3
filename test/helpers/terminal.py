"""Runs a program on a terminal of its own and types: terminal.py COLUMNS JSON-list PROGRAM ARGS...

An entry of the list is [WORDS, TEXT]: TEXT is typed when WORDS were on the screen since the last typing and nothing
has come for a moment. In place of TEXT, [COLUMNS, ROWS] gives the window another size, and "ESC ] 777 ; COLUMNS ; ROWS
BEL" stands in what is printed, where that was. Prints everything that the terminal was sent, and ends with the program's status.
"""
import fcntl, json, os, pty, select, struct, sys, termios, time

columns, lines, command = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
seen = b""


def read(quiet):
    """Whether the program goes on; returns after it was quiet for so many seconds."""
    global seen
    while select.select([terminal], [], [], quiet)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            return False
        if not part:
            return False
        seen += part
    return True


typed = 0
for words, text in lines:
    end = time.monotonic() + 20
    while read(0.3) and words.encode() not in seen[typed:] and time.monotonic() < end:
        pass
    typed = len(seen)
    if isinstance(text, str):
        os.write(terminal, text.encode())
    else:
        seen += b"\x1b]777;%d;%d\x07" % tuple(text)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", text[1], text[0], 0, 0))
while read(20):
    pass
sys.stdout.buffer.write(seen)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
