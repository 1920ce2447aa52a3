# `npm run demo`, without its set-up: it checks by itself what it shows, and that nothing is left.
for module in nf_tables nf_conntrack veth bridge dummy; do modprobe -q "$module"; done
cd /w/repository && PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin node_modules/node/bin/node demo/demo.ts >/tmp/demo 2>&1
status=$?
cd /w/inside && . ./check.sh
check 'the demo ends with success' 0 "$status$([ $status = 0 ] || tail -n 20 /tmp/demo)"
check 'it says that nothing is left' 1 "$(grep -c 'nothing is left' /tmp/demo)"
