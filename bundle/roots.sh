#!/bin/sh
# Makes the roots that packages and executables for other machines are tried in, below test/.cache/packages: unpacked
# from Debian's packages (unpack.sh).
#
#   trixie   a host: dpkg, rpm, nft, ip
#   arm64    glibc and musl for arm64 (qemu-user looks for them there)
#   musl     musl, and libstdc++ for it, which Debian does not have: a Python wheel for musl carries it
set -eu

cd "$(dirname "$0")/.."
who=roots
roots=test/.cache/packages

. bundle/unpack.sh

# give_musl ROOT PROCESSOR: the C++ library, under the names by which it is asked for.
give_musl() {
  root=$roots/$1
  [ -e "$root" ] && [ ! -e "$root/usr/lib/libstdc++.so.6" ] || return 0
  work=$(mktemp -d)
  if pip3 download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
    --platform "musllinux_1_2_$2" --dest "$work" numpy==2.2.6 >"$roots/musl.log" 2>&1 &&
    python3 -m zipfile -e "$work"/*.whl "$work/wheel"; then
    mkdir -p "$root/etc"
    printf '/lib\n/usr/lib\n' >"$root/etc/ld-musl-$2.path"
    ln -sf "ld-musl-$2.so.1" "$root/usr/lib/libc.musl-$2.so.1"
    cp "$work"/wheel/numpy.libs/libgcc_s-* "$root/usr/lib/"
    cp "$work"/wheel/numpy.libs/libstdc++-* "$root/usr/lib/libstdc++.so.6"
  else
    say "Cannot have libstdc++ for musl on $2: executables for musl are not run there"
    rm -rf "$root"
  fi
  rm -rf "$work"
}

require_mmdebstrap
unpack trixie trixie nftables,iproute2,util-linux,procps,iputils-ping,rpm,man-db,zstd,init-system-helpers --variant=minbase
unpack arm64 trixie libc6,musl --variant=extract --architectures=arm64
unpack musl trixie musl --variant=extract
give_musl arm64 aarch64
give_musl musl x86_64
