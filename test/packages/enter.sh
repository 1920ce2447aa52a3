#!/bin/sh
# enter.sh ROOT PACKAGES: a host of its own (network, mounts, processes) on a root of bundle/roots.sh, which stays as it is:
# what is written goes to memory. Runs the script of stdin with bash there; PACKAGES is /packages. All of it ends with the script.
set -eu

root=$(cd "$1" && pwd)
packages=$(cd "$2" && pwd)
# What runs inside must not depend on what the caller has set.
exec env -i unshare --net --mount --pid --fork --kill-child --propagation private sh -euc '
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/host
mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/host
mkdir -p /mnt/host/packages /mnt/host/oldroot /mnt/host/var/lib/cni
mount --bind "$2" /mnt/host/packages
mount -t proc proc /mnt/host/proc
mount -t sysfs sysfs /mnt/host/sys
mount --rbind /dev /mnt/host/dev
for folder in run tmp; do mount -t tmpfs tmpfs "/mnt/host/$folder"; done
cd /mnt/host
pivot_root . oldroot
umount -l oldroot
ip link set lo up
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive
exec bash -u' enter "$root" "$packages"
