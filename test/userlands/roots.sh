#!/bin/sh
# Makes the roots that `npm run test:userlands` runs in, below test/.cache/userlands: file systems of other
# distributions, unpacked from their own packages by mmdebstrap and never installed. What is there is left as it is.
# A root that cannot be had is named, and the run goes on without it.
set -eu

cd "$(dirname "$0")/../.."
roots=test/.cache/userlands
# What the tests of this stage call, and ubuntu-keyring, which Debian's root has for the one of Ubuntu.
packages=nftables,iproute2,iptables,conntrack,util-linux,procps,python3,python3-scapy,iputils-ping,socat,ncat,tcpdump,dnsmasq-base,bind9-dnsutils,ethtool,libatomic1,jq,kmod,ca-certificates

main() {
  if ! command -v mmdebstrap >/dev/null; then
    say 'Cannot make roots: the program "mmdebstrap" is not here; install the Debian package "mmdebstrap"'
    return 0
  fi
  mkdir -p "$roots"
  make bullseye nftables,iproute2,util-linux
  make trixie "$packages,ubuntu-keyring"
  make sid "$packages"
  make noble "$packages" --components=main,universe \
    "--keyring=$PWD/$roots/trixie/usr/share/keyrings/ubuntu-archive-keyring.gpg"
}

# make SUITE PACKAGES [OPTION…]
make() {
  suite=$1
  include=$2
  shift 2
  [ ! -e "$roots/$suite/etc/os-release" ] || return 0
  say "Unpacking a root of $suite (a minute or two)"
  rm -rf "$roots/$suite.part"
  # An unstable release's list of packages may have run out a few days ago.
  if nice mmdebstrap --variant=minbase "--include=$include" "$@" --aptopt='Acquire::Languages "none"' \
    --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$roots/$suite.part" >"$roots/$suite.log" 2>&1; then
    mv "$roots/$suite.part" "$roots/$suite"
  else
    say "Cannot make the root of $suite; the end of what mmdebstrap said:"
    tail -n 3 "$roots/$suite.log" | sed 's|[a-z]*://[^ ]*|…|g' >&2
    rm -rf "$roots/$suite.part"
  fi
}

say() {
  echo "userlands: $*" >&2
}

main
