# Published ports: SCTP, of which most kernels of containers have no sockets, and a container's own port with br_netfilter.
. ./host.sh
keys='"isDefaultGateway":true,"ipMasq":true'
ports() { echo "\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":$1,\"containerPort\":3868,\"protocol\":\"sctp\"},{\"hostPort\":$1,\"containerPort\":3868,\"protocol\":\"tcp\"}]}"; }
ipam() { echo "\"ipam\":{\"type\":\"host-local\",\"ranges\":[[{\"subnet\":\"10.$1.0.0/24\"}],[{\"subnet\":\"fd$1::/64\"}]]}"; }
conf open "\"bridge\":\"pb0\",$keys,$(ipam 70),$(ports 3868)"
conf kept "\"bridge\":\"pb1\",$keys,$(ipam 71),$(ports 3869),\"egress\":{\"mode\":\"restricted\"}"

# sctp CONTAINER ADDRESS PORT: "yes" or "no"
sctp() {
  case "$2" in *:*) to=SCTP6:[$2] ;; *) to=SCTP4:$2 ;; esac
  case "$(timeout 8 ip netns exec "$1" socat -T4 -u "$to:$3,connect-timeout=4" - 2>/dev/null)" in hello*) echo yes ;; *) echo no ;; esac
}
for one in open:o1:3868 kept:k1:3869; do
  IFS=: read -r network name port <<<"$one"
  check "$network: ADD succeeds" 0 "$(add "$network" "$name")"
  serve "$name" SCTP6-LISTEN:3868,fork,reuseaddr,ipv6only=0
  serve "$name" TCP6-LISTEN:3868,fork,reuseaddr,ipv6only=0
  sleep 2
  check "$network: the world reaches the SCTP port" yes "$(sctp world 93.184.216.1 "$port")"
  check "$network: the world reaches the SCTP port by IPv6" yes "$(sctp world 2a01:4f8::1 "$port")"
  check "$network: no other SCTP port leads there" no "$(sctp world 93.184.216.1 "$((port + 100))")"
  check "$network: the world reaches the TCP port" yes "$(reach world 93.184.216.1 "$port")"
  check "$network: CHECK succeeds" 0 "$(call CHECK "$network" "$name")"
done
# With several addresses it answers from the one that its route prefers.
for own in 192.168.77.7 93.184.216.34; do serve world "SCTP4-LISTEN:3868,bind=$own,fork,reuseaddr"; done
sleep 1
check 'a policy refuses SCTP to a private address' no "$(sctp k1 192.168.77.7 3868)"
check 'a policy lets SCTP through to a public address' yes "$(sctp k1 93.184.216.34 3868)"
check 'without br_netfilter: the container reaches its own published port' yes "$(reach o1 93.184.216.1 3868)"
for one in open:o1 kept:k1; do check "DEL of ${one#*:} succeeds" 0 "$(call DEL "${one%:*}" "${one#*:}")"; done
modprobe br_netfilter
sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
for one in open:o3:3868 kept:k3:3869; do
  IFS=: read -r network name port <<<"$one"
  check "with br_netfilter, $network: ADD succeeds" 0 "$(add "$network" "$name")"
  serve "$name" TCP6-LISTEN:3868,fork,reuseaddr,ipv6only=0
  sleep 2
  check "with br_netfilter, $network: the world reaches the TCP port" yes "$(reach world 93.184.216.1 "$port")"
done
check 'with br_netfilter: a container without a policy reaches its own published port' yes "$(reach o3 93.184.216.1 3868)"
# docs/limits.md: the kernel passes nothing between isolated ports, and the port that the packet came from is one.
fact isolated_container_reaches_own_port_with_br_netfilter "$(reach k3 93.184.216.1 3869)"
for one in open:o3 kept:k3; do check "DEL of ${one#*:} succeeds" 0 "$(call DEL "${one%:*}" "${one#*:}")"; done
check 'nothing is left but the bridges' nothing "$(left pb0 pb1)"
