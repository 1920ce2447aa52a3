# What a kernel has of what other machines lack, each tried by a rule or a link.
. ./host.sh
tries() { if "${@:2}" >/dev/null 2>&1; then fact "$1" yes; else fact "$1" no; fi; }
nft 'add table inet t; add chain inet t c { type filter hook forward priority 0; }'
tries nft_queue nft 'add rule inet t c queue num 1 bypass'
tries nft_connlimit nft 'add rule inet t c ct count over 10 drop'
tries nft_flowtable nft 'add flowtable inet t f { hook ingress priority 0; devices = { uplink }; }'
tries nft_flow_offload nft 'add rule inet t c ct state established flow add @f'
tries vlan_filtering ip link add vf0 type bridge vlan_filtering 1
tries dummy ip link add dm0 type dummy
tries ipvlan ip link add iv0 link uplink type ipvlan
tries macvlan ip link add mv0 link uplink type macvlan
tries netkit ip link add nk0 type netkit
tries ipvs modprobe ip_vs
tries ip_set modprobe ip_set
tries sctp python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)'
tries cls_bpf sh -c 'tc qdisc add dev uplink clsact && tc filter add dev uplink ingress bpf bytecode "1,6 0 0 4294967295"'
check 'the bridge module has a table for nft' 0 "$(nft 'add table bridge t; add chain bridge t c { type filter hook forward priority 0; }' 2>&1; echo $?)"
