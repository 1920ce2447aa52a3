# Sourced in a host of enter.sh: an internet behind it, containers by cnitool, and a connection that counts what it loses.

# A public address and a private one, each with an echo server on port 7000.
ip netns add world
ip link add uplink type veth peer name eth0 netns world
# What the host is on the link with is refused by a policy: the public address is behind a router.
ip addr add 93.184.216.1/30 dev uplink
ip link set uplink up
ip route add default via 93.184.216.2
ip route add 192.168.77.0/24 dev uplink
ip -n world link set lo up
ip -n world addr add 93.184.216.2/30 dev eth0
ip -n world addr add 93.184.216.34/32 dev lo
ip -n world addr add 192.168.77.7/24 dev eth0
ip -n world link set eth0 up
ip netns exec world perl -e '
use IO::Socket::INET; $SIG{CHLD} = "IGNORE";
my $server = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => 7000, Listen => 9, ReuseAddr => 1) or die "listen: $!";
while (my $client = $server->accept) { next if fork; $client->autoflush(1); while (<$client>) { print $client $_ } exit }' &

export CNI_PATH=/opt/cni/bin NETCONFPATH=/etc/cni/net.d

# attach NAME: a container on the network "drawbridge".
attach() {
  ip netns add "$1" && ip -n "$1" link set lo up && /packages/cnitool add drawbridge "/run/netns/$1" >/run/"$1".result
}

detach() {
  /packages/cnitool del drawbridge "/run/netns/$1" && ip netns del "$1"
}

# reach NAME ADDRESS: "yes" or "no".
reach() {
  ip netns exec "$1" perl -e '
use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => 7000, Timeout => 3) or do { print "no"; exit };
$s->autoflush(1); alarm 5; print $s "hello\n"; print(<$s> eq "hello\n" ? "yes" : "no")' "$2"
}

# talk NAME: one connection, a line each 20 ms, until /run/quiet is there; then how many came back.
talk() {
  ip netns exec "$1" perl -e '
use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => "93.184.216.34", PeerPort => 7000, Timeout => 3) or die "connect: $!";
$s->autoflush(1); my ($sent, $back) = (0, 0);
$SIG{ALRM} = sub { print "cut after $back\n"; exit };
until (-e "/run/quiet") { alarm 5; $sent++; print $s "$sent\n"; $back++ if <$s> eq "$sent\n"; select undef, undef, undef, 0.02 }
print $sent > 50 && $sent == $back ? "whole\n" : "sent $sent, back $back\n"' >/run/talk &
  talking=$!
}

# How the talk went.
talked() {
  touch /run/quiet
  wait "$talking"
  cat /run/talk
}

# What is left of us on this host: names of files, links and tables; "nothing" stands for none. cnitool's own memory is not ours.
left() {
  remains=$(remains)
  echo "left: ${remains:-nothing}"
}

remains() {
  rm -rf /var/lib/cni/results
  ls -d /run/drawbridge /var/lib/drawbridge /var/lib/cni/* /opt/cni /usr/lib/cni /usr/libexec/cni /etc/cni/net.d/* /etc/drawbridge \
    /usr/sbin/drawbridge /usr/lib/systemd/system/drawbridge* /usr/share/doc/drawbridge 2>/dev/null
  ip -o link | sed 's/^[0-9]*: //; s/[:@].*//' | grep -vxE 'lo|uplink'
  ip rule | grep -vE '(from all lookup (local|main|default))$'
  nft list ruleset
}
