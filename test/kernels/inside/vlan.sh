# Containers in VLANs of one bridge, whose gateway is an interface in the VLAN: with and without a policy.
. ./host.sh
vlan() { echo "\"bridge\":\"vb0\",\"vlan\":$1,\"isDefaultGateway\":true,\"ipMasq\":true,\"ipam\":{\"type\":\"host-local\",\"ranges\":[[{\"subnet\":\"10.$2.0.0/24\"}],[{\"subnet\":\"fd$2::/64\"}]]}"; }
conf open "$(vlan 100 60)"
conf kept "$(vlan 101 61),\"egress\":{\"mode\":\"restricted\"}"
conf near "$(vlan 102 62),\"egress\":{\"mode\":\"restricted\",\"isolation\":\"bridge\"}"

check 'without a policy: ADD succeeds' 0 "$(add open o1)"
check 'without a policy: the container reaches a public address' yes "$(reach o1 93.184.216.34)"
check 'without a policy: the world sees the address of the host' 93.184.216.1 "$(seen o1 93.184.216.34 7000)"
check 'without a policy: a second container is reached' 0 "$(add open o2)"
serve o2 TCP6-LISTEN:7000,fork,reuseaddr,ipv6only=0
sleep 2
check 'without a policy: a sibling of the VLAN is reached' yes "$(reach o1 "$(address o2)")"

check 'with a policy: ADD succeeds' 0 "$(add kept k1)"
check 'with a policy: ADD of a second container succeeds' 0 "$(add kept k2)"
serve k2 TCP6-LISTEN:7000,fork,reuseaddr,ipv6only=0
sleep 2
check 'with a policy: the container reaches a public address' yes "$(reach k1 93.184.216.34)"
check 'with a policy: the container reaches a public address by IPv6' yes "$(reach k1 2a01:4f8::34)"
check 'with a policy: the world sees the address of the host' 93.184.216.1 "$(seen k1 93.184.216.34 7000)"
check 'with a policy: a private address is refused' no "$(reach k1 192.168.77.7)"
check 'with a policy: a service of the host is refused' no "$(reach k1 10.61.0.1)"
check 'with a policy: a service of the host is refused by IPv6' no "$(reach k1 fd61::1)"
check 'with a policy: a sibling is not reached' no "$(reach k1 "$(address k2)")"
check 'with a policy: another VLAN is not reached' no "$(reach k1 "$(address o2)")"
check 'another VLAN does not reach a container with a policy' no "$(reach o1 "$(address k2)")"
check 'explain agrees about the public address' 0 "$(drawbridge explain k1 93.184.216.34:7000 >/dev/null 2>&1; echo $?)"
check 'explain agrees about the private address' 1 "$(drawbridge explain k1 192.168.77.7:7000 >/dev/null 2>&1; echo $?)"
check 'CHECK succeeds' 0 "$(call CHECK kept k1)"
check 'doctor finds no problem' 0 "$(doctor)"
check 'doctor warns of nothing' '' "$(drawbridge doctor 2>&1 | grep -A3 WARNING)"

check 'with isolation "bridge": ADD succeeds' 00 "$(add near n1)$(add near n2)"
serve n2 TCP6-LISTEN:7000,fork,reuseaddr,ipv6only=0
sleep 2
check 'with isolation "bridge": a sibling of the VLAN is reached' yes "$(reach n1 "$(address n2)")"
check 'with isolation "bridge": a public address is reached' yes "$(reach n1 93.184.216.34)"

modprobe br_netfilter
sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
check 'with br_netfilter: a public address is reached without a policy' yes "$(reach o1 93.184.216.34)"
check 'with br_netfilter: a public address is reached' yes "$(reach k1 93.184.216.34)"
check 'with br_netfilter: a public address is reached by IPv6' yes "$(reach k1 2a01:4f8::34)"
check 'with br_netfilter: the world sees the address of the host' 93.184.216.1 "$(seen k1 93.184.216.34 7000)"
check 'with br_netfilter: a private address is refused' no "$(reach k1 192.168.77.7)"
check 'with br_netfilter: a service of the host is refused' no "$(reach k1 10.61.0.1)"
sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0

nft flush ruleset
check 'after nft flush ruleset: the world is not reached' no "$(reach k1 93.184.216.34)"
check 'after nft flush ruleset: the world is not reached by IPv6' no "$(reach k1 2a01:4f8::34)"
check 'after nft flush ruleset: a service of the host is not reached' no "$(reach k1 10.61.0.1)"
check 'after nft flush ruleset: a sibling is not reached' no "$(reach k1 "$(address k2)")"
check 'after nft flush ruleset: without a policy the world is reached' yes "$(nft 'add table ip n; add chain ip n p { type nat hook postrouting priority 0; masquerade; }'; reach o1 93.184.216.34)"
nft delete table ip n
case "$(call CHECK kept k1)" in 0) said=passes ;; *) said=fails ;; esac
check 'after nft flush ruleset: CHECK fails' fails "$said"
check 'doctor --fix mends it' 0 "$(drawbridge doctor --fix >/dev/null 2>&1; doctor)"
check 'after doctor --fix: the container reaches a public address' yes "$(reach k1 93.184.216.34)"

for one in o1:open o2:open k1:kept k2:kept n1:near n2:near; do
  check "DEL of ${one%:*} succeeds" 0 "$(call DEL "${one#*:}" "${one%:*}")"
done
check 'nothing is left but the bridge and its gateways' nothing "$(left vb0 vb0.100 vb0.101 vb0.102 $(ip -json link show master vb0 | jq -r '.[].ifname'))"
check 'uninstall removes those too' nothing "$(drawbridge uninstall >/tmp/uninstalled 2>&1; left)"
