#!/bin/sh
# Makes the roots that packages and executables for other machines are tried in, below test/.cache/packages: unpacked
# from Debian's packages by mmdebstrap, never installed. What is there is left as it is; what cannot be had is named.
#
#   trixie   a host: dpkg, rpm, nft, ip
#   arm64    glibc and musl for arm64 (qemu-user looks for them there)
#   musl     musl, and libstdc++ for it, which Debian does not have: a Python wheel for musl carries it
set -eu

cd "$(dirname "$0")/.."
roots=test/.cache/packages

main() {
  if ! command -v mmdebstrap >/dev/null; then
    say 'Cannot make roots: the program "mmdebstrap" is not here; install the Debian package "mmdebstrap"'
    return 0
  fi
  mkdir -p "$roots"
  make trixie --variant=minbase \
    --include=nftables,iproute2,util-linux,procps,iputils-ping,rpm,man-db,zstd,init-system-helpers
  make arm64 --variant=extract --include=libc6,musl --architectures=arm64
  make musl --variant=extract --include=musl
  give_musl arm64 aarch64
  give_musl musl x86_64
}

# make NAME OPTION…
make() {
  name=$1
  shift
  [ ! -e "$roots/$name" ] || return 0
  say "Unpacking the root \"$name\" (up to a minute)"
  rm -rf "$roots/$name.part"
  if nice mmdebstrap "$@" --aptopt='Acquire::Languages "none"' trixie "$roots/$name.part" >"$roots/$name.log" 2>&1; then
    [ -e "$roots/$name.part/lib" ] || ln -s usr/lib "$roots/$name.part/lib"
    mv "$roots/$name.part" "$roots/$name"
  else
    say "Cannot make the root \"$name\"; the end of what mmdebstrap said:"
    tail -n 3 "$roots/$name.log" | sed 's|[a-z]*://[^ ]*|…|g' >&2
    rm -rf "$roots/$name.part"
  fi
}

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

say() {
  echo "roots: $*" >&2
}

main
