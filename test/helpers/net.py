"""The first process of a private host: see host.ts.

Started in new network, mount and process namespaces. Makes the private parts of the file system, then
answers requests, one JSON object a line, each in a thread of its own: a thread can enter a network
namespace alone (setns works per thread), so that no program has to be started for a packet.
Everything made here ends with this process.
"""

import ctypes
import errno
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2

out_lock = threading.Lock()
spawn_lock = threading.Lock()
children = set()
background = {}
servers = {}


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind, flags=0, data=""):
    check(libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()), f"mount {kind} {target}")


def send(message):
    line = (json.dumps(message) + "\n").encode()
    with out_lock:
        os.write(control, line) if len(line) <= 4096 else write_all(line)


def write_all(data):
    while data:
        data = data[os.write(control, data):]


# ---- the file system of the host ---------------------------------------------------------------

def make_file_system():
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "/run", "tmpfs")
    for folder in ("/etc", "/opt", "/usr/local"):
        overlay(folder)
    # Hides the layers of the overlays, which hold on to them, and the networks and policies of the machine, below
    # which nobody but root could make a folder.
    for folder in ("/run", "/var/lib", "/var/log", "/var/cache", "/etc/cni", "/etc/drawbridge"):
        if os.path.isdir(folder):
            mount("tmpfs", folder, "tmpfs", 0, "mode=755")
    for folder in ("/run/netns", "/run/lock", "/etc/cni/net.d", "/etc/drawbridge"):
        os.makedirs(folder, exist_ok=True)


def overlay(folder):
    if not os.path.isdir(folder):
        return
    upper, work = f"/run/upper{folder}", f"/run/work{folder}"
    os.makedirs(upper)
    os.makedirs(work)
    try:
        mount("overlay", folder, "overlay", 0, f"lowerdir={folder},upperdir={upper},workdir={work}")
    except OSError:
        # A kernel without overlay, or an overlay too many: a copy, of the small one only.
        if folder == "/etc":
            subprocess.run(["cp", "-a", "/etc/.", upper], check=False)
            mount(upper, folder, "", MS_BIND)


def make_network():
    up("lo")
    # What systemd's sysctl.d and a fresh kernel have, whatever this machine was set to.
    write("/proc/sys/net/ipv4/ip_forward", "0")
    write("/proc/sys/net/ipv6/conf/all/forwarding", "0")
    write("/proc/sys/net/ipv4/conf/all/rp_filter", "0")
    write("/proc/sys/net/ipv4/conf/default/rp_filter", "2")
    write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")


def write(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError:
        pass


def up(name):
    import fcntl
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", name.encode(), 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(sock, 0x8913, request))[1]
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", name.encode(), flags | 1))


# ---- network namespaces ------------------------------------------------------------------------

def enter(netns):
    if netns:
        handle = os.open(netns, os.O_RDONLY)
        try:
            check(libc.setns(handle, CLONE_NEWNET), f"setns {netns}")
        finally:
            os.close(handle)


def op_netns_add(request):
    path = request["path"]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY))
    check(libc.unshare(CLONE_NEWNET), "unshare")
    mount(f"/proc/self/task/{threading.get_native_id()}/ns/net", path, "", MS_BIND)
    if request.get("lo", True):
        up("lo")
    write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
    return {"inode": str(os.stat(path).st_ino)}


def op_netns_remove(request):
    path = request["path"].encode()
    libc.umount2(path, MNT_DETACH)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    return {}


# ---- programs ----------------------------------------------------------------------------------

def start(request, **pipes):
    enter(request.get("netns"))
    with spawn_lock:
        child = subprocess.Popen(request["cmd"], env=request["env"], cwd=request.get("cwd") or "/", start_new_session=True, **pipes)
        children.add(child.pid)
    return child


def op_exec(request):
    began = time.monotonic()
    try:
        child = start(request, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        return {"code": 127, "stdout": "", "stderr": str(error), "ms": 0, "timedOut": False}
    timed_out = False
    try:
        stdout, stderr = child.communicate((request.get("input") or "").encode(), request["timeout"] / 1000)
    except subprocess.TimeoutExpired:
        timed_out = True
        os.killpg(child.pid, signal.SIGKILL)
        stdout, stderr = child.communicate()
    children.discard(child.pid)
    return {
        "code": child.returncode,
        "stdout": stdout.decode(errors="replace"),
        "stderr": stderr.decode(errors="replace"),
        "ms": round((time.monotonic() - began) * 1000, 1),
        "timedOut": timed_out,
    }


def op_spawn(request):
    log = os.open(request["log"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    child = start(request, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    os.close(log)
    background[child.pid] = child
    return {"pid": child.pid}


def op_stop(request):
    child = background[request["pid"]]
    if child.poll() is None:
        os.killpg(child.pid, request.get("signal") or signal.SIGTERM)
    try:
        child.wait(request.get("timeout", 5000) / 1000)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    children.discard(child.pid)
    return {"code": child.returncode}


def op_running(request):
    return {"running": background[request["pid"]].poll() is None}


def reap_orphans():
    """We are process 1 of the namespace: a daemon that ended must not stay behind as a zombie."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            time.sleep(0.2)
            continue
        with spawn_lock:
            if ended is not None and ended.si_pid not in children:
                try:
                    os.waitpid(ended.si_pid, 0)
                except ChildProcessError:
                    pass
                continue
        time.sleep(0.02)


# ---- servers -----------------------------------------------------------------------------------

SCTP = 132


def make_socket(proto, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if proto == "udp":
        return socket.socket(family, socket.SOCK_DGRAM)
    return socket.socket(family, socket.SOCK_STREAM, SCTP if proto == "sctp" else 0)


def op_serve(request):
    enter(request.get("netns"))
    proto, address = request["proto"], request.get("address")
    if address is None:
        address = "::" if os.path.exists("/proc/sys/net/ipv6") else "0.0.0.0"
    sock = make_socket(proto, address)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((address, request["port"]))
    if proto == "udp":
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, 49, 1)  # IPV6_RECVPKTINFO
        else:
            sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    else:
        sock.listen(128)
    server = {"sock": sock, "peers": [], "reply": request["reply"], "wake": os.pipe()}
    server["thread"] = threading.Thread(target=serve_udp if proto == "udp" else serve_stream, args=(server,), daemon=True)
    key = str(id(server))
    servers[key] = server
    server["thread"].start()
    return {"key": key, "port": sock.getsockname()[1]}


def note_peer(server, peer):
    address = peer[0].removeprefix("::ffff:")
    server["peers"].append(address)
    return address


def ready(server):
    wake = server["wake"][0]
    return wake not in select.select([server["sock"], wake], [], [])[0]


def serve_stream(server):
    while ready(server):
        try:
            connection, peer = server["sock"].accept()
            with connection:
                reply = server["reply"].replace("{peer}", note_peer(server, peer))
                connection.sendall(reply.encode())
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    server["sock"].close()


def serve_udp(server):
    sock = server["sock"]
    while ready(server):
        try:
            data, control_data, _, peer = sock.recvmsg(65536, 256)
            address = note_peer(server, peer)
            reply = server["reply"].replace("{peer}", address).replace("{data}", data.decode(errors="replace"))
            # Answer from the address that was asked: the server may be bound to all of them.
            answer = []
            for level, kind, value in control_data:
                if level == socket.IPPROTO_IP and kind == 8:
                    answer.append((level, kind, struct.pack("I4s4s", 0, value[8:12], b"\0" * 4)))
                elif level == socket.IPPROTO_IPV6 and kind == 50:
                    answer.append((level, kind, value[:16] + b"\0" * 4))
            sock.sendmsg([reply.encode()], answer, 0, peer)
        except OSError:
            pass
    sock.close()


def op_peers(request):
    return {"peers": list(servers[request["key"]]["peers"])}


def op_close(request):
    server = servers.pop(request["key"], None)
    if server:
        os.write(server["wake"][1], b"x")
        server["thread"].join()
        os.close(server["wake"][0])
        os.close(server["wake"][1])
    return {}


# ---- clients -----------------------------------------------------------------------------------

UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL, errno.EHOSTDOWN, errno.ENONET}
REFUSED = {errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE}


def op_fetch(request):
    enter(request.get("netns"))
    deadline = time.monotonic() + request["timeout"] / 1000
    try:
        return {"text": fetch(request, deadline)}
    except (TimeoutError, socket.timeout):
        return {"text": "timeout"}
    except OSError as error:
        if error.errno in REFUSED:
            return {"text": "refused"}
        if error.errno in UNREACHABLE:
            return {"text": "unreachable"}
        raise


def fetch(request, deadline):
    def wait(sock):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)

    address = request["address"]
    with make_socket(request["proto"], address) as sock:
        if request.get("from"):
            sock.bind((request["from"], request.get("fromPort") or 0))
        elif request.get("fromPort"):
            sock.bind(("::" if ":" in address else "0.0.0.0", request["fromPort"]))
        host, _, zone = address.partition("%")
        target = (host, request["port"])
        if zone:
            target = (host, request["port"], 0, socket.if_nametoindex(zone))
        wait(sock)
        sock.connect(target)
        if request["proto"] == "udp":
            sock.send((request.get("send") or "ping").encode())
            return sock.recv(65536).decode(errors="replace")
        if request.get("send"):
            sock.sendall(request["send"].encode())
        text = b""
        while True:
            wait(sock)
            part = sock.recv(65536)
            if not part:
                return text.decode(errors="replace")
            text += part


def op_ping(request):
    enter(request.get("netns"))
    address = request["address"]
    six = ":" in address
    family, proto = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    try:
        with socket.socket(family, socket.SOCK_DGRAM, proto) as sock:
            sock.settimeout(request["timeout"] / 1000)
            sock.connect((address, 0))
            sock.send(struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0, 1) + b"drawbridge")
            sock.recv(1024)
            return {"text": "answer"}
    except (TimeoutError, socket.timeout):
        return {"text": "timeout"}
    except OSError as error:
        if error.errno in UNREACHABLE:
            return {"text": "unreachable"}
        if error.errno in REFUSED:
            return {"text": "refused"}
        raise


# ---- what is there -----------------------------------------------------------------------------

def op_snapshot(request):
    """Every object of the host that a plugin could have made, a line each, in the order of their names."""
    commands = {
        "link": ["ip", "-o", "link"],
        "ip rule": ["sh", "-c", "ip rule; ip -6 rule"],
        "tc": ["sh", "-c", "tc qdisc"],
        "nft": ["nft", "-s", "list", "ruleset"],
    }
    if legacy_tables():
        commands["iptables-legacy"] = ["sh", "-c", "iptables-legacy-save; ip6tables-legacy-save"]
    running = {name: subprocess_quiet(command, request["env"]) for name, command in commands.items()}
    lines = []
    for name, child in running.items():
        text = child.communicate()[0].decode(errors="replace")
        children.discard(child.pid)
        lines += [f"{name} {line}" for line in tidy[name](text)]
    for folder, kind in (("/var/lib/cni", "lease"), ("/run/drawbridge", "file"), ("/var/lib/drawbridge", "file")):
        for parent, _, files in os.walk(folder):
            lines += [f"{kind} {parent}/{file}" for file in files if not (kind == "lease" and not_a_lease(file))]
    return {"lines": sorted(lines)}


def legacy_tables():
    for path in ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"):
        try:
            if open(path).read().strip():
                return True
        except OSError:
            pass
    return False


def subprocess_quiet(command, env):
    with spawn_lock:
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        children.add(child.pid)
    return child


def not_a_lease(file):
    return file == "lock" or file.startswith("last_reserved_ip")


def tidy_links(text):
    return [line.split(": ")[1].split("@")[0] for line in text.splitlines()]


def tidy_nft(text):
    """
    Each line with the table that it is in; lines of one table that are alike are counted. Without buckets in sets, which
    packets put there, and which run out by themselves.
    """
    lines, table, seen = [], "", {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("table "):
            table = line.removesuffix(" {")
            lines.append(table)
        elif line not in ("", "}") and not (" limit rate over " in line and line.startswith(("elements", '"'))):
            entry = f"{table}: {line}"
            seen[entry] = seen.get(entry, 0) + 1
            lines.append(entry if seen[entry] == 1 else f"{entry} ({seen[entry]})")
    return lines


def tidy_iptables(text):
    return [line.split(" [")[0] for line in text.splitlines() if line[:1] in ("*", ":", "-")]


def tidy_tc(text):
    """What filters hang on; queues of the kernel's own choice are not ours."""
    return [line for line in text.splitlines() if line.split()[1] in ("clsact", "ingress", "tbf")]


tidy = {"link": tidy_links, "ip rule": str.splitlines, "tc": tidy_tc, "nft": tidy_nft, "iptables-legacy": tidy_iptables}


# ---- the loop ----------------------------------------------------------------------------------

operations = {name[3:]: value for name, value in list(globals().items()) if name.startswith("op_")}


def answer(request):
    try:
        send({"id": request["id"], **operations[request["op"]](request)})
    except Exception as error:
        send({"id": request["id"], "error": f"{request['op']}: {type(error).__name__}: {error}"})


def main():
    global control
    control = os.dup(1)
    os.dup2(2, 1)
    # Before our own /proc is mounted: the old one knows us by the number that the machine uses.
    pid = int(os.readlink("/proc/self"))
    make_file_system()
    make_network()
    threading.Thread(target=reap_orphans, daemon=True).start()
    send({"id": 0, "pid": pid})
    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
    os._exit(0)


main()
