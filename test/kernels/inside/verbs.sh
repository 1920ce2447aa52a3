. ./host.sh
plain='"bridge":"plain0","isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.50.0.0/24"}],[{"subnet":"fd50::/64"}]]}'
conf plain "$plain,\"egress\":{\"mode\":\"restricted\"}"
check 'ADD succeeds' 0 "$(add plain c1)"
check 'the container reaches a public address' yes "$(reach c1 93.184.216.34)"
check 'a private address is refused' no "$(reach c1 192.168.77.7)"
check 'CHECK succeeds' 0 "$(call CHECK plain c1)"
check 'doctor finds no problem' 0 "$(doctor)"
check 'DEL succeeds' 0 "$(call DEL plain c1)"
check 'nothing is left but the bridge' nothing "$(left plain0)"
