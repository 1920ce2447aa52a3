#!/bin/sh
# enter.sh ROOT COMMAND…: runs a command in a root, as process of this machine, with this repository at /repository. The
# mounts are its own and go with it.
set -eu

root=$(cd "$1" && pwd)
shift
repository=$(cd "$(dirname "$0")/../.." && pwd)
# What runs inside must not depend on what the caller has set.
exec env -i "TERM=${TERM:-dumb}" unshare --mount --propagation private sh -euc '
root=$1; repository=$2; shift 2
mount --bind "$root" "$root"
mkdir -p "$root/repository" "$root/oldroot"
mount --bind "$repository" "$root/repository"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
for folder in run tmp var/tmp var/lib/cni; do mkdir -p "$root/$folder"; mount -t tmpfs -o mode=1777 tmpfs "$root/$folder"; done
chmod 755 "$root/run"
mkdir -p "$root/run/lock"
cd "$root"
pivot_root . oldroot
umount -l oldroot
cd /repository
export PATH=/repository/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C
exec "$@"' enter "$root" "$repository" "$@"
