# Sourced by stages: a world behind the host, and containers.
. ./check.sh

for module in nf_tables nf_conntrack nft_ct nft_nat nft_chain_nat nft_masq nft_redir nft_reject_inet nft_fib_inet nft_log \
  nft_limit nft_connlimit nft_hash nft_numgen nft_meta_bridge nft_reject_bridge nft_objref nft_counter veth bridge \
  sch_ingress cls_bpf sctp dummy; do
  modprobe -q "$module"
done

world() { ip netns exec world "$@"; }
ip netns add world
ip link add uplink type veth peer name eth0 netns world
# What the host is on the link with is refused by a policy: the servers of the world are behind a router.
ip addr add 93.184.216.1/30 dev uplink
ip -6 addr add 2a01:4f8::1/126 dev uplink nodad
ip link set uplink up
ip route add default via 93.184.216.2
ip -6 route add default via 2a01:4f8::2
ip route add 192.168.77.0/24 dev uplink
ip -n world link set lo up
ip -n world addr add 93.184.216.2/30 dev eth0
ip -n world addr add 192.168.77.7/24 dev eth0
ip -n world -6 addr add 2a01:4f8::2/126 dev eth0 nodad
ip -n world addr add 93.184.216.34/32 dev lo
ip -n world -6 addr add 2a01:4f8::34/128 dev lo nodad
ip -n world link set eth0 up

# Tells each client its address. It writes nowhere: whoever reads what its caller prints would wait for its end.
serve() { ip netns exec "$1" socat "$2" SYSTEM:'echo hello $SOCAT_PEERADDR' >/dev/null 2>&1 & }
serve world TCP4-LISTEN:7000,fork,reuseaddr
serve world TCP6-LISTEN:7000,fork,reuseaddr,ipv6only=1
# A service of the host, which a policy keeps from containers.
socat TCP6-LISTEN:7000,fork,reuseaddr,ipv6only=0 SYSTEM:'echo hello $SOCAT_PEERADDR' &

export CNI_PATH=/w/bin
mkdir -p /tmp/conf /tmp/result

# conf NAME KEYS: a network of "drawbridge".
conf() { echo "{\"cniVersion\":\"1.0.0\",\"name\":\"$1\",\"type\":\"drawbridge\",$2}" >"/tmp/conf/$1"; }

# call VERB CONF CONTAINER [PLUGIN]: the exit status; what it said when that is not 0.
call() {
  said=$(told "$1" "$2" "$3" | CNI_COMMAND=$1 CNI_CONTAINERID=$3 CNI_NETNS=/run/netns/$3 CNI_IFNAME=eth0 "/w/bin/${4:-drawbridge}" 2>&1)
  status=$?
  [ "$1" != ADD ] || echo "$said" >"/tmp/result/$3"
  [ $status = 0 ] && echo 0 || echo "$status: $said"
}

# The conf, with the result of ADD.
told() {
  if [ "$1" = ADD ] || [ ! -s "/tmp/result/$3" ]; then cat "/tmp/conf/$2"; else
    jq --slurpfile result "/tmp/result/$3" '. + {prevResult: $result[0]}' "/tmp/conf/$2"
  fi
}

# add CONF CONTAINER
add() {
  ip netns add "$2"
  ip -n "$2" link set lo up
  call ADD "$1" "$2"
}

# Address of a container: address CONTAINER [4|6]
address() { ip -n "$1" "-${2:-4}" -json addr show dev eth0 scope global | jq -r '.[].addr_info[0].local // empty'; }

# reach CONTAINER ADDRESS [PORT]: "yes" or "no", by TCP.
reach() {
  case "$2" in *:*) to=TCP6:[$2] ;; *) to=TCP4:$2 ;; esac
  case "$(ip netns exec "$1" socat -T4 -u "$to:${3:-7000},connect-timeout=4" - 2>/dev/null)" in hello*) echo yes ;; *) echo no ;; esac
}

# seen CONTAINER ADDRESS PORT: the address that the server there sees.
seen() {
  case "$2" in *:*) to=TCP6:[$2] ;; *) to=TCP4:$2 ;; esac
  ip netns exec "$1" socat -T4 -u "$to:$3,connect-timeout=4" - 2>/dev/null | sed 's/hello \[*//; s/\]*$//; s/^::ffff://'
}

doctor() {
  said=$(drawbridge doctor 2>&1)
  status=$?
  case "$said" in *PROBLEM*) echo "$said" | tr '\n' ' ' ;; *) [ $status = 0 ] && echo 0 || echo "$status: $said" ;; esac
}

# left BRIDGE…: what of ours is left on the host besides those bridges.
left() {
  found=$(
    ls /run/drawbridge/attachments 2>/dev/null
    ip -o link | sed 's/^[0-9]*: //; s/[:@].*//' | grep -vxF -e lo -e uplink -f <(printf '%s\n' "$@")
    ip rule | grep -vE '(from all lookup (local|main|default))$'
  )
  echo "${found:-nothing}" | tr '\n' ' ' | sed 's/ $//'
}
