#!/bin/sh
# Gets what `npm run test:kernels` boots, below test/.cache/kernels: QEMU and kernels of several releases, unpacked from
# Debian's packages (bundle/unpack.sh).
#
#   roots.sh          all of these
#   roots.sh guest    QEMU and one kernel, for the guests of test/microvm
#
#   qemu       QEMU of Debian 13 and the libraries that it needs
#   5.10 …     kernel and modules: of Debian 11, 12, 13, and the newest that Debian 13 has as a backport
#   arm64      the same for arm64, of Debian 13
#   userland-arm64    the root that the machine for arm64 has; the others have Debian 13's, of test/userlands/roots.sh
set -eu

cd "$(dirname "$0")/../.."
who=kernels
roots=test/.cache/kernels
. bundle/unpack.sh
# The mirror that this machine uses, and no list of security updates: that of an old release may name what is gone.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | sort -u | head -n 1)

require_mmdebstrap
kernel=linux-image-cloud-amd64
unpack qemu trixie qemu-system-x86,qemu-system-arm --variant=extract
unpack 6.12 trixie $kernel --variant=extract
[ "${1:-}" != guest ] || exit 0
sh test/userlands/roots.sh
unpack 5.10 bullseye $kernel --variant=extract "deb $mirror bullseye main"
unpack 6.1 bookworm $kernel --variant=extract
unpack backport trixie $kernel/trixie-backports --variant=extract "deb $mirror trixie main" "deb $mirror trixie-backports main"
unpack arm64 trixie linux-image-cloud-arm64 --variant=extract --architectures=arm64
unpack userland-arm64 trixie \
  bash,dash,coreutils,findutils,grep,sed,util-linux,mount,procps,nftables,iproute2,conntrack,iputils-ping,socat,jq,kmod,busybox-static,base-files,libc-bin \
  --variant=extract --architectures=arm64
