# Names that are checked in the first bytes (verifyNames), by the queue of nft: many kernels have NFQUEUE of xtables alone.
. ./host.sh
conf plain '"bridge":"plain0","isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.50.0.0/24"}],[{"subnet":"fd50::/64"}]]},"egress":{"mode":"allowlist","allow":["good.example.org:443","good.example.org:80"],"verifyNames":true}'

# Two sites at one address, which name who was asked for; what came to them is in /tmp/asked.
ip -n world addr add 93.184.216.40/32 dev lo
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=good.example.org \
  -keyout /tmp/key -out /tmp/certificate 2>/dev/null
cat >/tmp/sites.py <<'END'
import socket, ssl, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tmp/certificate", "/tmp/key")
def note(text):
    with open("/tmp/asked", "a") as asked: asked.write(text + "\n")
def named(tls, name, _): tls.name = name
context.sni_callback = named
def talk(client, tls):
    try:
        if tls:
            client = context.wrap_socket(client, server_side=True)
            note("tls " + str(client.name))
        while True:
            data = client.recv(4096)
            if not data: return
            if not tls: note("http " + data.decode().split("Host: ")[1].split("\r\n")[0])
            client.sendall(b"hello")
    except OSError: pass
def serve(port, tls):
    server = socket.create_server(("93.184.216.40", port))
    while True: threading.Thread(target=talk, args=(server.accept()[0], tls), daemon=True).start()
ssl.SSLSocket.name = None
threading.Thread(target=serve, args=(80, False), daemon=True).start()
serve(443, True)
END
world python3 /tmp/sites.py &
printf '93.184.216.40 good.example.org\n93.184.216.40 evil.example.net\n' >/tmp/names
world dnsmasq --keep-in-foreground --no-resolv --no-hosts --addn-hosts=/tmp/names --local=/#/ --user=root --pid-file= \
  --conf-file=/dev/null --bind-interfaces --listen-address=93.184.216.34 &
echo 'nameserver 93.184.216.34' >/tmp/resolv.conf
touch /etc/resolv.conf
mount --bind /tmp/resolv.conf /etc/resolv.conf

# ask NAME: by TLS and by HTTP, what came back: "hello hello", or how it ended.
cat >/tmp/ask.py <<'END'
import socket, ssl, sys
def ask(port, tls):
    try:
        client = socket.create_connection(("93.184.216.40", port), 6)
        if tls: client = ssl._create_unverified_context().wrap_socket(client, server_hostname=sys.argv[1])
        client.sendall(b"GET / HTTP/1.1\r\nHost: " + sys.argv[1].encode() + b"\r\n\r\n")
        return client.recv(99).decode() or "closed"
    except OSError as error: return type(error).__name__
print(ask(443, True), ask(80, False))
END
ask() { ip netns exec c1 python3 /tmp/ask.py "$1" 2>&1; }

# until COMMAND…: half a minute at most.
until_true() { for try in $(seq 60); do "$@" >/dev/null 2>&1 && return; sleep 0.5; done; }
# agent: starts one, and waits until it reads first bytes.
agent() {
  : >/tmp/agent.log
  drawbridge agent >>/tmp/agent.log 2>&1 &
  agent=$!
  until_true grep -q 'first bytes are read' /tmp/agent.log
}

check 'ADD succeeds' 0 "$(add plain c1)"
agent
until_true sh -c 'ip netns exec c1 python3 /tmp/ask.py good.example.org | grep -q hello'
check 'the queue is that of nft' nft "$(ls /run/drawbridge/queue 2>&1)"
check 'nft lists the queue' 1 "$(nft list table inet drawbridge_queue 2>&1 | grep -c 'queue to')"
check 'no rule is in xtables' 0 "$(iptables-save 2>/dev/null | grep -c NFQUEUE)"
check 'the allowed name is reached by TLS and by HTTP' 'hello hello' "$(ask good.example.org)"
: >/tmp/asked
check 'another name at that address is refused by both' 'ConnectionResetError ConnectionResetError' "$(ask evil.example.net)"
check 'and its server hears nothing of it' '' "$(cat /tmp/asked)"
check 'the refusal is told with the name' 0 "$(until_true sh -c 'drawbridge flows --json | grep -q evil.example.net'; drawbridge flows --json | grep -q evil.example.net; echo $?)"
check 'CHECK succeeds' 0 "$(call CHECK plain c1)"
check 'doctor finds no problem' 0 "$(doctor)"

# A connection that stands: it answers for each line of /tmp/say.
mkfifo /tmp/say
ip netns exec c1 python3 -c '
import socket
s = socket.create_connection(("93.184.216.40", 80), 6)
for line in open("/tmp/say"):
    try:
        s.sendall(b"GET / HTTP/1.1\r\nHost: good.example.org\r\n\r\n")
        s.settimeout(5)
        print(s.recv(99).decode(), flush=True)
    except OSError as error: print(type(error).__name__, flush=True)' >/tmp/said 2>&1 &
exec 7>/tmp/say
said() {
  : >/tmp/said
  echo >&7
  until_true test -s /tmp/said
  tr -d '\n\0' </tmp/said
}
check 'a connection stands' hello "$(said)"
kill -9 $agent
sleep 1
check 'without an agent it goes on' hello "$(said)"
check 'without an agent no new one is opened' 'TimeoutError TimeoutError' "$(ask good.example.org)"
agent
check 'with an agent again the allowed name is reached' 'hello hello' "$(ask good.example.org)"
check 'and the other one refused' 'ConnectionResetError ConnectionResetError' "$(ask evil.example.net)"
# It puts back within ten seconds what it finds gone.
kill -STOP $agent
nft delete table inet drawbridge_queue
check 'without the queue no new one is opened' 'TimeoutError TimeoutError' "$(ask good.example.org)"
kill -CONT $agent
until_true nft list table inet drawbridge_queue
check 'the agent puts the queue back' 'hello hello' "$(ask good.example.org)"
nft flush chain inet drawbridge_queue held
until_true sh -c 'nft list table inet drawbridge_queue | grep -q "queue to"'
check 'and the rule in it' 'hello hello' "$(ask good.example.org)"
check 'DEL succeeds' 0 "$(call DEL plain c1)"
until_true sh -c '! nft list table inet drawbridge_queue'
check 'the queue goes with the last container that needs it' '' "$(nft list tables | grep queue)"
kill $agent
