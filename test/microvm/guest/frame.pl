# frame.pl INTERFACE COUNT HEX...: sends frames as they are, as root of a guest can, each COUNT times.
my ($name, $count, @frames) = @ARGV;
my ($AF_PACKET, $SOCK_RAW) = (17, 3);
open(my $file, '<', "/sys/class/net/$name/ifindex") or die "no interface $name: $!";
my $index = <$file> + 0;
socket(my $socket, $AF_PACKET, $SOCK_RAW, 0) or die "socket: $!";
bind($socket, pack('SnlSCCa8', $AF_PACKET, 3, $index, 0, 0, 0, '')) or die "bind: $!";
my $sent = 0;
for my $round (1 .. $count) {
  for my $frame (@frames) {
    $sent++ if defined(send($socket, pack('H*', $frame), 0));
  }
}
print "sent $sent\n";
