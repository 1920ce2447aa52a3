#!/bin/sh
# Makes the roots that `npm run test:userlands` runs in, below test/.cache/userlands: file systems of other
# distributions, unpacked from their own packages by mmdebstrap and never installed. What is there is left as it is.
# A root that cannot be had is named, and the run goes on without it.
#
#   roots.sh           the roots of the stage "userlands"
#   roots.sh podman    that of podman 5, which `npm run test:runtimes` has for a client
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
  if [ "${1:-}" = podman ]; then
    make podman trixie podman,netavark,aardvark-dns,crun,nftables,iproute2,procps,util-linux
    return 0
  fi
  make bullseye bullseye nftables,iproute2,util-linux
  make trixie trixie "$packages,ubuntu-keyring"
  make sid sid "$packages"
  make noble noble "$packages" --components=main,universe \
    "--keyring=$PWD/$roots/trixie/usr/share/keyrings/ubuntu-archive-keyring.gpg"
}

# make NAME SUITE PACKAGES [OPTION…]
make() {
  name=$1
  suite=$2
  include=$3
  shift 3
  [ ! -e "$roots/$name/etc/os-release" ] || return 0
  say "Unpacking the root $name (a minute or two)"
  rm -rf "$roots/$name.part"
  # An unstable release's list of packages may have run out a few days ago.
  if nice mmdebstrap --variant=minbase "--include=$include" "$@" --aptopt='Acquire::Languages "none"' \
    --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$roots/$name.part" >"$roots/$name.log" 2>&1; then
    mv "$roots/$name.part" "$roots/$name"
  else
    say "Cannot make the root $name; the end of what mmdebstrap said:"
    tail -n 3 "$roots/$name.log" | sed 's|[a-z]*://[^ ]*|…|g' >&2
    rm -rf "$roots/$name.part"
  fi
}

say() {
  echo "userlands: $*" >&2
}

main "$@"
