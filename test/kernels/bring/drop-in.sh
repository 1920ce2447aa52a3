# Reference plugins: built from their module (test/runtimes/tools.ts), or an older release, of Debian's package.
mkdir -p "$JOB/reference"
for name in bridge ipvlan host-local dummy; do
  for folder in test/.cache/bin/reference-plugins-* /usr/lib/cni; do
    [ -e "$JOB/reference/$name" ] || [ ! -e "$folder/$name" ] || cp -L "$folder/$name" "$JOB/reference/"
  done
done
