#!/bin/sh
# Gets what `npm run test:kernels` boots, below test/.cache/kernels: QEMU and kernels of several releases, unpacked from
# Debian's packages by mmdebstrap and never installed. What is there is left as it is; what cannot be had is named.
#
#   roots.sh          all of these
#   roots.sh guest    QEMU and one kernel, for the guests of test/microvm
#
#   qemu       QEMU of Debian 13 and the libraries that it needs
#   5.10 …     kernel and modules: of Debian 11, 12, 13, and the newest that Debian 13 has as a backport
#   arm64      the same for arm64, of Debian 13
#   userland   links to the root that the machines have: Debian 13's, of test/userlands/roots.sh
#   userland-arm64
set -eu

cd "$(dirname "$0")/../.."
kernels=test/.cache/kernels
# The mirror that this machine uses, and no list of security updates: that of an old release may name what is gone.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | sort -u | head -n 1)

main() {
  if ! command -v mmdebstrap >/dev/null; then
    say 'Cannot get kernels: the program "mmdebstrap" is not here; install the Debian package "mmdebstrap"'
    return 0
  fi
  mkdir -p "$kernels"
  get qemu trixie qemu-system-x86,qemu-system-arm
  if [ "${1:-}" = guest ]; then
    get 6.12 trixie linux-image-cloud-amd64
    return 0
  fi
  sh test/userlands/roots.sh
  get 5.10 bullseye linux-image-cloud-amd64 "deb $mirror bullseye main"
  get 6.1 bookworm linux-image-cloud-amd64
  get 6.12 trixie linux-image-cloud-amd64
  get backport trixie linux-image-cloud-amd64/trixie-backports "deb $mirror trixie main" "deb $mirror trixie-backports main"
  get arm64 trixie linux-image-cloud-arm64 --architectures=arm64
  get userland-arm64 trixie \
    bash,dash,coreutils,findutils,grep,sed,util-linux,mount,procps,nftables,iproute2,conntrack,iputils-ping,socat,jq,kmod,busybox-static,base-files,libc-bin \
    --architectures=arm64
}

# get NAME SUITE PACKAGES [WORD…]
get() {
  name=$1
  suite=$2
  include=$3
  shift 3
  [ ! -e "$kernels/$name" ] || return 0
  say "Unpacking \"$name\" (up to a minute)"
  rm -rf "$kernels/$name.part"
  options=
  case "${1:-}" in --*)
    options=$1
    shift
    ;;
  esac
  # shellcheck disable=SC2086
  if nice mmdebstrap --variant=extract "--include=$include" $options --aptopt='Acquire::Languages "none"' \
    --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$kernels/$name.part" "$@" >"$kernels/$name.log" 2>&1; then
    # These packages expect somebody to have merged /lib into /usr/lib.
    for folder in lib lib64 bin sbin; do
      [ -e "$kernels/$name.part/$folder" ] || [ ! -d "$kernels/$name.part/usr/$folder" ] || ln -s "usr/$folder" "$kernels/$name.part/$folder"
    done
    mv "$kernels/$name.part" "$kernels/$name"
  else
    say "Cannot get \"$name\"; the end of what mmdebstrap said:"
    tail -n 3 "$kernels/$name.log" | sed 's|[a-z]*://[^ ]*|…|g' >&2
    rm -rf "$kernels/$name.part"
  fi
}

say() {
  echo "kernels: $*" >&2
}

main "$@"
