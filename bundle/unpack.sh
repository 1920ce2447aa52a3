# Sourced by what makes file systems of packages, by mmdebstrap: they are unpacked, and nothing is installed on this machine.
# The caller sets "who", which its sentences begin with, and "roots", the folder that the file systems are in.

# Ends the caller with success where there is no mmdebstrap: what needs a file system says that it is not there.
require_mmdebstrap() {
  if ! command -v mmdebstrap >/dev/null; then
    say 'Cannot unpack file systems: the program "mmdebstrap" is not here; install the Debian package "mmdebstrap"'
    exit 0
  fi
  mkdir -p "$roots"
}

# unpack NAME SUITE PACKAGES [OPTION or SOURCE of mmdebstrap…]: what is there is left as it is, what cannot be had is named.
unpack() {
  name=$1
  suite=$2
  include=$3
  shift 3
  [ ! -e "$roots/$name" ] || return 0
  say "Unpacking \"$name\" (a minute or two)"
  rm -rf "$roots/$name.part"
  # The list of packages of an old release, or of an unstable one, may have run out.
  if nice mmdebstrap "--include=$include" --aptopt='Acquire::Languages "none"' \
    --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$roots/$name.part" "$@" >"$roots/$name.log" 2>&1; then
    # Packages that are unpacked alone expect somebody to have merged /lib into /usr/lib.
    for folder in lib lib64 bin sbin; do
      [ -e "$roots/$name.part/$folder" ] || [ ! -d "$roots/$name.part/usr/$folder" ] || ln -s "usr/$folder" "$roots/$name.part/$folder"
    done
    mv "$roots/$name.part" "$roots/$name"
  else
    say "Cannot unpack \"$name\"; the end of what mmdebstrap said:"
    tail -n 3 "$roots/$name.log" | sed 's|[a-z]*://[^ ]*|…|g' >&2
    rm -rf "$roots/$name.part"
  fi
}

say() {
  echo "$who: $*" >&2
}
