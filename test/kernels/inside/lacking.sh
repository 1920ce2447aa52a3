# A kernel without one module of nf_tables: ADD and STATUS name it, instead of saying that all is well or that something is
# contradictory. Each module is taken out and kept out, one after the other.
. ./host.sh
conf plain '"cniVersion":"1.1.0","bridge":"plain0","isDefaultGateway":true,"ipMasq":true,"ipam":{"type":"host-local","subnet":"10.50.0.0/24"},"egress":{"mode":"restricted","quota":{"bytes":"1GB","per":"day"}}'
# What a kernel has built in, or as a part of another module, cannot be missing alone.
loaded() { grep -q "^$1 " /proc/modules; }
named() { jq -r '"\(.code) \(.msg)"' <<<"${1#*: }" | grep -o "^[0-9]*\|\"$2\"" | tr '\n' ' '; }

check 'STATUS succeeds with all modules' 0 "$(call STATUS plain c0)"
mkdir -p /run/modprobe.d /etc/modprobe.d
count=0
for module in nft_ct nft_counter nft_limit nft_quota nft_connlimit nft_fib_inet nft_reject_inet nft_log nfnetlink_log \
  nft_chain_nat nft_nat nft_masq nft_redir; do
  modprobe -q "$module"
  loaded "$module" || { fact "lacking_$module" 'no module of its own'; continue; }
  nft flush ruleset
  echo "install $module /bin/false" >/etc/modprobe.d/lacking.conf
  # What uses it goes with it.
  for try in 1 2 3; do
    for user in $(awk -v m="$module" '$1 == m { gsub(",", " ", $4); if ($4 != "-") print $4 }' /proc/modules); do rmmod "$user"; done
    rmmod "$module" 2>/dev/null
    loaded "$module" || break
    sleep 1
  done
  if loaded "$module"; then
    fact "lacking_$module" 'cannot be taken out'
  else
    count=$((count + 1))
    check "without $module: STATUS names it" "50 \"$module\" " "$(named "$(call STATUS plain c0)" "$module")"
    check "without $module: ADD names it" "100 \"$module\" " "$(named "$(add plain "c$count")" "$module")"
    check "without $module: nothing is left" nothing "$(left plain0)"
  fi
  rm /etc/modprobe.d/lacking.conf
done
check 'at least eight were tried' yes "$([ "$count" -ge 8 ] && echo yes || echo "$count")"
check 'with all modules again: ADD succeeds' 0 "$(add plain last)"
check 'with all modules again: DEL succeeds' 0 "$(call DEL plain last)"
