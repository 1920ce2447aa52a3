# The drop-ins beside the reference plugins where those need VLAN filtering, dummy or ipvlan.
. ./host.sh
modprobe -q ipvlan
modprobe -q dummy

# by FOLDER PLUGIN CONF CONTAINER: ADD by the plugin of that folder; its result is kept.
by() {
  ip netns add "$4"
  CNI_COMMAND=ADD CNI_CONTAINERID=$4 CNI_NETNS=/run/netns/$4 CNI_IFNAME=eth0 CNI_PATH=$1 "$1/$2" <<<"$3" >"/tmp/result/$4" 2>&1
}

# vlans BRIDGE: each port's VLANs, without names.
vlans() {
  for port in $(ip -json link show master "$1" | jq -r '.[].ifname'); do
    bridge -json vlan show dev "$port" | jq -c '[.[].vlans[] | {vlan, vlanEnd, flags}]'
  done | sort | tr '\n' ' '
}
# BRIDGE VLAN-KEYS: the same network for both.
network() { echo "{\"cniVersion\":\"1.0.0\",\"name\":\"$1\",\"type\":\"bridge\",\"bridge\":\"$1\",$2,\"ipam\":{\"type\":\"host-local\",\"subnet\":\"$3\",\"dataDir\":\"/tmp/leases-$1\"}}"; }

# named CONTAINER: the last interface of its result, or what was said in its place.
named() { jq -r '.interfaces[-1].name // .' "/tmp/result/$1" 2>/dev/null || cat "/tmp/result/$1"; }

count=0
same() {
  count=$((count + 1))
  by /w/reference bridge "$(network ref0 "$2" 10.80.0.0/24)" "r$count"
  check "$1: the reference plugin's ADD succeeds" eth0 "$(named "r$count")"
  theirs="$(vlans ref0)$(ip -json -d link show ref0 | jq -c '.[0].linkinfo.info_data.vlan_filtering')"
  by /w/bin bridge "$(network own0 "$2" 10.82.0.0/24)" "o$count"
  check "$1: the drop-in's ADD succeeds" eth0 "$(named "o$count")"
  ours="$(vlans own0)$(ip -json -d link show own0 | jq -c '.[0].linkinfo.info_data.vlan_filtering')"
  check "$1: ports are in the same VLANs" "$theirs" "$ours"
  for one in "r$count" "o$count"; do ip netns del "$one"; done
  for one in ref0 own0; do
    for port in $(ip -json link show master "$one" | jq -r '.[].ifname'); do ip link del "$port" 2>/dev/null; done
    ip link del "$one"
  done
}
same 'vlan and the default one' '"vlan":100,"preserveDefaultVlan":true'
# Debian 12's reference always keeps the default VLAN, knows no trunk, and has no dummy.
if [ -e /w/reference/dummy ]; then
  same 'vlan alone' '"vlan":100,"preserveDefaultVlan":false'
  same 'trunk' '"vlanTrunk":[{"minID":100,"maxID":103},{"id":200}]'
  same 'vlan and trunk' '"vlan":100,"vlanTrunk":[{"minID":200,"maxID":203}],"preserveDefaultVlan":false'
fi

# After plugins whose interface has no end on the host.
after() {
  said=$(CNI_COMMAND=ADD CNI_CONTAINERID=$1 CNI_NETNS=/run/netns/$1 CNI_IFNAME=eth0 CNI_PATH=/w/bin /w/bin/tuning \
    <<<"{\"cniVersion\":\"1.0.0\",\"name\":\"$1\",\"type\":\"tuning\",\"mtu\":1400,\"prevResult\":$2}" 2>&1)
  check "$1: the drop-in for tuning after it sets the MTU" 1400 "$(ip -n "$1" -json link show eth0 2>/dev/null | jq '.[0].mtu')"
  said=$(CNI_COMMAND=ADD CNI_CONTAINERID=$1 CNI_NETNS=/run/netns/$1 CNI_IFNAME=eth0 CNI_PATH=/w/bin /w/bin/egress-policy \
    <<<"{\"cniVersion\":\"1.0.0\",\"name\":\"$1\",\"type\":\"egress-policy\",\"prevResult\":$2}" 2>/dev/null | jq -r .code)
  check "$1: a policy after it is refused, since its packets do not pass the host" 7 "$said"
}
by /w/reference ipvlan '{"cniVersion":"1.0.0","name":"ipvlan","type":"ipvlan","master":"uplink","ipam":{"type":"host-local","subnet":"10.81.0.0/24","dataDir":"/tmp/leases"}}' ipvlan
check "ipvlan: the reference plugin's ADD succeeds" eth0 "$(named ipvlan)"
after ipvlan "$(cat /tmp/result/ipvlan)"
if [ -e /w/reference/dummy ]; then
  by /w/reference dummy '{"cniVersion":"1.0.0","name":"dummy","type":"dummy","ipam":{"type":"host-local","subnet":"10.83.0.0/24","dataDir":"/tmp/leases"}}' dummy
  check "dummy: the reference plugin's ADD succeeds" eth0 "$(named dummy)"
else
  ip netns add dummy
  ip -n dummy link add eth0 type dummy
  ip -n dummy addr add 10.83.0.2/24 dev eth0
  ip -n dummy link set eth0 up
  echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"/run/netns/dummy"}],"ips":[{"address":"10.83.0.2/24","interface":0}]}' >/tmp/result/dummy
fi
after dummy "$(cat /tmp/result/dummy)"
