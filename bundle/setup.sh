#!/bin/sh
# Gives a fresh machine what a npm script needs, and says what it does.
#
#   sh bundle/setup.sh packages   npm packages (Node, Bun and the tools are among them)
#   sh bundle/setup.sh demo       and the Debian packages that the demo needs
#   sh bundle/setup.sh test       and those that the tests need (bundle/debian-packages), cnitool, and the runtimes
#                                 that tests run: built or unpacked below test/.cache, never installed
#   sh bundle/setup.sh release    npm packages, and the Debian packages that packages, images and their tests need
#
# What is there is left as it is, so a second run takes milliseconds. Debian packages need root and apt-get; without
# them the missing ones are named and the caller goes on. Exit 1 only when the npm packages cannot be installed:
# nothing works without those.
set -eu

need="${1:?usage: setup.sh packages|demo|test|release}"
cd "$(dirname "$0")/.."

main() {
  began=$(date +%s)
  install_debian_packages
  install_npm_packages
  if [ "$need" = test ]; then
    build_cnitool
    get_runtimes
  fi
  seconds=$(($(date +%s) - began))
  [ "$seconds" -lt 2 ] || say "Set-up took $seconds s"
}

install_debian_packages() {
  missing=$(missing_debian_packages)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    say "Missing Debian packages: $missing. Installing them needs root; what uses them will say so."
    return 0
  fi
  if ! command -v apt-get >/dev/null; then
    say "Missing programs. Their Debian packages: $missing. There is no apt-get here; what uses them will say so."
    return 0
  fi
  say "Installing Debian packages: $missing"
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  if ! apt-get update >"$log" 2>&1; then
    say "Cannot refresh the package lists; trying with those that are here."
  fi
  # One by one when all at once fails: a package that this release does not have must not keep out the others.
  # shellcheck disable=SC2086
  if ! apt-get install -y --no-install-recommends $missing >"$log" 2>&1; then
    for package in $missing; do
      apt-get install -y --no-install-recommends "$package" >"$log" 2>&1 || {
        say "Cannot install Debian package $package; what uses it will say so. The end of apt-get's output:"
        tail -n 3 "$log" | without_addresses >&2
      }
    done
  fi
  rm -f "$log"
}

missing_debian_packages() {
  while read -r who see package; do
    case "$who" in
    '' | '#'*) continue ;;
    demo) [ "$need" = demo ] || [ "$need" = test ] || continue ;;
    test | release) [ "$need" = "$who" ] || continue ;;
    esac
    is_there "$see" || printf '%s\n' "$package"
  done <bundle/debian-packages | paste -s -d ' ' -
}

is_there() {
  case "$1" in
  lib:*) /sbin/ldconfig -p 2>/dev/null | grep -q "${1#lib:}" ;;
  file:*) [ -e "${1#file:}" ] ;;
  *) PATH="$PATH:/usr/local/go/bin:/usr/sbin:/sbin" command -v "$1" >/dev/null ;;
  esac
}

install_npm_packages() {
  if is_installed && tools_run; then return 0; fi
  say 'Installing npm packages (npm ci)'
  log=$(mktemp)
  if ! npm ci --loglevel=error >"$log" 2>&1; then
    without_addresses <"$log" >&2
    say 'Cannot install the npm packages; npm says why above.'
    exit 1
  fi
  rm -f "$log"
  if ! tools_run; then
    say 'npm installed the packages, but these do not start: node, bun or esbuild in node_modules/.bin. Their install'
    say 'scripts did not run (see "allowScripts" in package.json, and "ignore-scripts" in your npm configuration), or'
    say 'a library is missing (Node 26 needs libatomic.so.1).'
    exit 1
  fi
}

# Whether node_modules holds what the lockfile names. File times would be fooled by a checkout.
is_installed() {
  node -e '
    const { packages: wanted } = require("./package-lock.json");
    const { packages: found } = require("./node_modules/.package-lock.json");
    const isWrong = ([name, { version, optional, devOptional }]) =>
      found[name] === undefined ? !optional && !devOptional : found[name].version !== version;
    if (Object.entries(wanted).slice(1).some(isWrong)) process.exit(1);
  ' 2>/dev/null
}

# The three packages whose install scripts fetch or choose a binary for this machine.
tools_run() {
  for tool in node bun esbuild; do
    "node_modules/.bin/$tool" --version >/dev/null 2>&1 || return 1
  done
}

# Ahead of the tests, because a build takes longer than a test may.
build_cnitool() {
  [ -z "$(find test/.cache/bin -name 'cnitool-*' -type f 2>/dev/null)" ] || return 0
  say 'Building cnitool from its Go module'
  log=$(mktemp)
  if ! node_modules/.bin/node test/helpers/cnitool.ts >"$log" 2>&1; then
    without_addresses <"$log" >&2
    say 'Tests that use cnitool will fail.'
  fi
  rm -f "$log"
}

# Debian's containerd and podman would start services if they were installed: they are unpacked. The others are built.
get_runtimes() {
  ! missing=$(node_modules/.bin/node test/runtimes/tools.ts --missing) || return 0
  say "Getting container runtimes, built from their Go modules or unpacked from Debian's packages (minutes): $missing"
  log=$(mktemp)
  if ! node_modules/.bin/node test/runtimes/tools.ts >"$log" 2>&1; then
    without_addresses <"$log" >&2
    say 'Tests of those runtimes will be skipped.'
  fi
  rm -f "$log"
}

# Which mirror a machine uses is its own affair, and logs are public.
without_addresses() {
  sed -E 's#https?://[^ ]+#(address)#g; s#[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*\.(org|com|net|io|dev)\b#(host)#g'
}

say() {
  printf 'setup: %s\n' "$1" >&2
}

main
