# Runs the stages that the kernel's command line names, one after the other, and switches the machine off.
mount -t devtmpfs dev /dev 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
ln -sfn /proc/self/fd /dev/fd
mkdir -p /run/lock /run/netns /var/lib/cni /dev/shm
mount -t tmpfs cni /var/lib/cni
mount -t cgroup2 cgroup /sys/fs/cgroup 2>/dev/null
exec </dev/null
# Iproute2 has a program "bridge" too, and that one is meant.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/w/bin HOME=/root LC_ALL=C NO_COLOR=1
ip link set lo up
echo "fact kernel $(uname -r)"
echo "fact nft $(nft --version | cut -d' ' -f2)"
for stage in $(sed -n 's/.*stages=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' '); do
  echo "stage $stage $(cut -d' ' -f1 /proc/uptime)"
  # Each is a host of its own, and what it started ends with it.
  timeout 900 unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private bash -uc '
    for folder in /run /tmp /var/lib/cni; do mount -t tmpfs -o mode=1777 tmpfs "$folder"; done
    mkdir -p /run/lock /run/netns
    mount -t sysfs sys /sys
    ip link set lo up
    cd /w/inside && . "./$1.sh"' stage "$stage" 2>&1
  echo "stage-end $stage $? $(cut -d' ' -f1 /proc/uptime)"
done
echo "machine-end"
sync
echo b >/proc/sysrq-trigger
sleep 60
