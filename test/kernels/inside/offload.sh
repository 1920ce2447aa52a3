# What the kernel's flow table would save and what it would pass over (docs/limits.md): packets of one judged connection, with
# our rules alone and with a flow table besides. The clock counts instructions: nanoseconds are of this machine alone, and
# their ratio is what is measured.
. ./host.sh
modprobe -q pktgen
modprobe -q nf_flow_table
modprobe -q nf_flow_table_inet
modprobe -q nft_flow_offload
conf plain '"bridge":"plain0","isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"host-local","subnet":"10.50.0.0/24"},"egress":{"mode":"restricted"}'
check 'ADD succeeds' 0 "$(add plain c1)"

# It answers one packet, and takes no other from its buffer.
world python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("93.184.216.34", 9000))
data, client = s.recvfrom(99); s.sendto(b"hello", client); time.sleep(9999)' &
sleep 2
# The connection that pktgen goes on with.
check 'the server answers' hello "$(ip netns exec c1 python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 9)); s.settimeout(5)
s.sendto(b"x", ("93.184.216.34", 9000)); print(s.recv(99).decode())')"

port=$(ip -json link show master plain0 | jq -r '.[0].ifname')
arrived() { ip -n world -s -json link show eth0 | jq '.[0].stats64.rx.packets'; }
count=20000
cat >/tmp/send.sh <<'END'
mount -t proc proc /proc
put() { echo "$2" >"/proc/net/pktgen/$1"; }
put kpktgend_0 rem_device_all
put kpktgend_0 'add_device eth0'
for line in "count $1" 'pkt_size 200' 'delay 0' 'burst 1' "dst 93.184.216.34" "src_min $2" "src_max $2" 'udp_src_min 9' 'udp_src_max 9' \
  'udp_dst_min 9000' 'udp_dst_max 9000' "dst_mac $3" 'flag NO_TIMESTAMP'; do put eth0 "$line"; done
put pgctrl start
END
# send: nanoseconds for each packet, and how many arrived.
send() {
  before=$(arrived)
  began=$(date +%s%N)
  ip netns exec c1 unshare --mount sh /tmp/send.sh $count "$(address c1)" "$(cat "/sys/class/net/plain0/address")" >/dev/null 2>&1
  ended=$(date +%s%N)
  sleep 1
  echo "$(((ended - began) / count)) $(($(arrived) - before))"
}
send >/dev/null
ours=$(send)
fact nanoseconds_a_packet_and_arrived "$ours"
check 'all packets arrive by our rules' yes "$([ "${ours#* }" -ge $((count - 100)) ] && echo yes || echo "$ours")"

nft "add table inet fast; add flowtable inet fast f { hook ingress priority 0; devices = { plain0, $port, uplink }; }
add chain inet fast c { type filter hook forward priority 10; }; add rule inet fast c ct state established flow add @f"
check 'the kernel takes a flow table' 0 "$?"
send >/dev/null
offloaded=$(send)
fact nanoseconds_a_packet_and_arrived_by_the_flow_table "$offloaded"

# What takes a policy away from a connection, or counts it, is a rule of the forward hook.
shut() { nft 'add table inet shut; add chain inet shut c { type filter hook forward priority -300; }; add rule inet shut c ip saddr 10.50.0.0/24 drop'; }
shut
past=$(send)
check 'a rule of the forward hook does not see what the flow table passes' yes "$([ "${past#* }" -ge $((count - 100)) ] && echo yes || echo "$past")"
nft delete table inet shut
nft delete table inet fast
shut
past=$(send)
check 'without the flow table that rule drops all of it' 0 "${past#* }"
nft delete table inet shut
check 'DEL succeeds' 0 "$(call DEL plain c1)"
