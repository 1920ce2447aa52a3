# The demo, with the sources and npm packages that it runs from: Node's is one of them.
mkdir -p "$JOB/repository/node_modules" "$JOB/repository/test" "$JOB/repository/bundle"
cp -a package.json conf demo src "$JOB/repository/"
cp -a test/helpers "$JOB/repository/test/"
ln -s /w/bin "$JOB/repository/bundle/bin"
# Those, and what they need.
node_modules/.bin/node -e '
const { packages } = require("./package-lock.json");
const wanted = new Set(["node"]);
const demo = require("node:fs").readFileSync("demo/demo.ts", "utf8");
for (const [, name] of demo.matchAll(/from .([a-z][^:.]*).;/g)) wanted.add(name);
for (const name of Object.keys(require("./package.json").dependencies)) wanted.add(name);
// A package may hold others of its own, which need some of these.
for (const name of wanted)
  for (const [place, { dependencies = {} }] of Object.entries(packages))
    if (`${place}/`.startsWith(`node_modules/${name}/`)) for (const one of Object.keys(dependencies)) wanted.add(one);
console.log([...wanted].join("\n"));' | while read -r package; do
  [ ! -e "node_modules/$package" ] || {
    mkdir -p "$JOB/repository/node_modules/$(dirname "$package")"
    cp -a "node_modules/$package" "$JOB/repository/node_modules/$package"
  }
done
