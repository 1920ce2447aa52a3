#!/bin/sh
# Makes the roots that `npm run test:userlands` runs in, below test/.cache/userlands: file systems of other
# distributions, unpacked from their own packages (bundle/unpack.sh). The run goes on without one that cannot be had.
#
#   roots.sh           the roots of the stage "userlands"
#   roots.sh podman    that of podman 5, which `npm run test:runtimes` has for a client
set -eu

cd "$(dirname "$0")/../.."
who=userlands
roots=test/.cache/userlands
. bundle/unpack.sh
# What the tests of this stage call, and ubuntu-keyring, which Debian's root has for the one of Ubuntu.
packages=nftables,iproute2,iptables,conntrack,util-linux,procps,python3,python3-scapy,iputils-ping,socat,ncat,tcpdump,dnsmasq-base,bind9-dnsutils,ethtool,libatomic1,jq,kmod,ca-certificates

# make SUITE PACKAGES [OPTION…]
make() {
  suite=$1
  include=$2
  shift 2
  unpack "${root:-$suite}" "$suite" "$include" --variant=minbase --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' "$@"
}

require_mmdebstrap
if [ "${1:-}" = podman ]; then
  root=podman make trixie podman,netavark,aardvark-dns,crun,nftables,iproute2,procps,util-linux
  exit 0
fi
make bullseye nftables,iproute2,util-linux
make trixie "$packages,ubuntu-keyring"
make sid "$packages"
make noble "$packages" --components=main,universe \
  "--keyring=$PWD/$roots/trixie/usr/share/keyrings/ubuntu-archive-keyring.gpg"
