# send.pl ADDRESS PORT SECONDS: sends by TCP for so long; prints megabits a second.
my ($address, $port, $seconds) = @ARGV;
sub now { open(my $file, '<', '/proc/uptime') or die $!; return (split ' ', <$file>)[0] }
socket(my $socket, 2, 1, 6) or die "socket: $!";
connect($socket, pack('Sna4x8', 2, $port, pack('C4', split /\./, $address))) or die "connect: $!";
my ($block, $bytes, $start) = ("\0" x 65536, 0, now());
while (now() < $start + $seconds) {
  for (1 .. 8) { $bytes += syswrite($socket, $block) // die "write: $!" }
}
printf "%.2f\n", $bytes * 8 / (now() - $start) / 1e6;
