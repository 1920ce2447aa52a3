#!/bin/sh
# boot.sh KERNEL STAGE…: boots a kernel of roots.sh in QEMU, with a processor that it plays (TCG), Debian 13's programs and
# the executable of this repository, runs inside/STAGE.sh of each stage there, and prints what its console says. What is
# written inside goes to a temporary file. All of it ends with this process.
#
# The machine's clock counts its instructions (icount): on a machine that is busy with other things all of it takes longer
# and no deadline inside comes any earlier.
set -eu

cd "$(dirname "$0")/../.."
kernel=$1
shift
cache=$PWD/test/.cache/kernels
case "$kernel" in
arm64)
  userland=$cache/userland-arm64
  bin=bundle/bin/linux-arm64
  busybox=$userland/bin/busybox
  ;;
*)
  userland=$PWD/test/.cache/userlands/trixie
  bin=bundle/bin
  busybox=$(command -v busybox)
  ;;
esac

main() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  version=$(basename "$(echo "$cache/$kernel"/lib/modules/*)")
  image=$(find "$cache/$kernel/boot" "$cache/$kernel/lib/modules" -name 'vmlinuz*' 2>/dev/null | head -n 1)
  index_modules
  cp "$image" "$work/kernel"
  make_initramfs
  mke2fs -q -t ext4 -O ^has_journal -d "$userland" "$work/root.img" 2g >/dev/null
  make_job "$@"
  play "$*"
}

# Which module needs which: a package leaves that to its installation.
index_modules() {
  [ ! -e "$cache/$kernel/lib/modules/$version/modules.dep" ] || return 0
  sh test/userlands/enter.sh test/.cache/userlands/trixie depmod -b "/repository/test/.cache/kernels/$kernel" "$version"
}

# What finds the two disks.
make_initramfs() {
  mkdir -p "$work/initramfs/bin" "$work/initramfs/proc" "$work/initramfs/sys" "$work/initramfs/dev" "$work/initramfs/new"
  cp "$busybox" "$work/initramfs/bin/busybox"
  cp test/kernels/inside/init "$work/initramfs/init"
  chmod 755 "$work/initramfs/init"
  : >"$work/initramfs/modules"
  modules=$cache/$kernel/lib/modules/$version
  for module in virtio_pci virtio_mmio virtio_blk; do
    # Each with what it needs, which stands behind it: so from the end.
    for file in $(sed -n "s|^\(.*/$module\.ko[^:]*\):|\1|p" "$modules/modules.dep" | tr ' ' '\n' | tac); do
      name=$(basename "$file" | sed 's/\.ko.*//').ko
      [ ! -e "$work/initramfs/$name" ] || continue
      case "$file" in
      *.xz) xz -dc "$modules/$file" >"$work/initramfs/$name" ;;
      *.zst) zstd -qdc "$modules/$file" >"$work/initramfs/$name" ;;
      *) cp "$modules/$file" "$work/initramfs/$name" ;;
      esac
      echo "$name" >>"$work/initramfs/modules"
    done
  done
  (cd "$work/initramfs" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initramfs.gz"
}

# The second disk: modules, the executable under all its names, and the stages.
make_job() {
  job=$work/job
  mkdir -p "$job/modules" "$job/bin"
  cp -a "$cache/$kernel/lib/modules/$version" "$job/modules/"
  cp "$bin/drawbridge" "$job/bin/"
  for name in egress-policy bridge host-local portmap firewall tuning bandwidth loopback; do
    ln -s drawbridge "$job/bin/$name"
  done
  cp -a test/kernels/inside "$job/"
  for stage in "$@"; do
    [ ! -e "test/kernels/bring/$stage.sh" ] || JOB=$job sh "test/kernels/bring/$stage.sh"
  done
  mke2fs -q -t ext4 -O ^has_journal -d "$job" "$work/job.img" 1g >/dev/null
  rm -rf "$job"
}

play() {
  stages=$(echo "$1" | tr ' ' ,)
  case "$kernel" in
  arm64) set -- qemu-system-aarch64 -M virt -cpu max,pauth=off ;;
  *) set -- qemu-system-x86_64 -cpu max ;;
  esac
  console=ttyS0
  [ "$kernel" != arm64 ] || console=ttyAMA0
  mkdir -p "$cache/qemu/mnt" "$cache/qemu/proc"
  # shellcheck disable=SC2016
  timeout --signal=KILL "${MOST_SECONDS:-3600}" unshare --mount --propagation private sh -euc '
qemu=$1; work=$2; shift 2
mount --bind "$work" "$qemu/mnt"
mount --rbind /dev "$qemu/dev"
mount -t proc proc "$qemu/proc"
mkdir -p "$qemu/var/tmp"
mount -t tmpfs -o size=4g tmpfs "$qemu/var/tmp"
exec chroot "$qemu" "$@"' boot "$cache/qemu" "$work" "$@" \
    -accel tcg,thread=single -icount shift=1,sleep=on -rtc clock=vm -smp 1 -m 2500 -nodefaults -display none -serial stdio -monitor none -no-reboot \
    -kernel /mnt/kernel -initrd /mnt/initramfs.gz \
    -append "console=$console quiet panic=-1 mitigations=off tsc=reliable stages=$stages" \
    -drive file=/mnt/root.img,if=none,id=root,format=raw,snapshot=on -device virtio-blk-pci,drive=root \
    -drive file=/mnt/job.img,if=none,id=job,format=raw,snapshot=on -device virtio-blk-pci,drive=job </dev/null
}

main "$@"
