/**
 * Why a row may miss its target, by its profile; shown with the row when it does. Milliseconds are those of two quiet
 * cores; ARCHITECTURE.md, "What makes it fast", has the profile.
 */
const start =
  'Of an ADD some 9 ms are the start of the runtime and the loading of the program, 3 ms the kernel making the pair; what is left are files and the work of the program, which commits rules by itself. A runtime that starts faster, or a resident process, would have to take the first part away.';
const chain = 'Two processes pay the start of the runtime twice, 9 ms each; "egress" in "drawbridge" is one.';
const packets =
  'Each packet of a container under a policy is looked up in three sets of the bridge guard, two of the gate and three of the forward hook, and routed by a rule more; that does not grow with containers or entries. Flow tables would pass over the forward hook, and over the revocation of a policy with it.';

export const reasons: Readonly<Record<string, string>> = {
  add: start,
  'add-no-port': start,
  'add-netavark': start,
  'add-chain': chain,
  'add-chain-iptables':
    'Two processes pay the start of the runtime twice, 8 ms each; as one process ("egress" in "drawbridge") it takes 0.6 of that. The reference takes between 68 and 215 ms, by machine and by how many rules its firewall plugin finds.',
  'names-requests':
    "Three or four packets of a new connection wait for the reader: its SYN, its first bytes, and what the server says until it has acknowledged those. Each wakes a process and comes back by another call; the rest of the connection is the kernel's alone.",
  del: 'The kernel takes 20 ms to remove a pair and 10 ms to commit a transaction that deletes, both waiting until no processor reads what goes; the two run side by side behind the start of the runtime.',
  'del-netavark':
    'The kernel takes 20 ms to remove a pair and 10 ms to commit a transaction that deletes; the two run side by side behind the start of the runtime, which is what netavark does not have.',
  check:
    'The start of the runtime and the loading of the program are most of it; no child is started, and an answer of the kernel takes microseconds.',
  cpu: start,
  'many-add': 'Two cores are busy with the start of the runtime and the kernel: it is CPU time that sets the rate.',
  'many-del': 'Removals wait for one another in the kernel, which holds one lock for all links.',
  full: 'The kernel makes the thousandth port of a bridge a little later than the first.',
  leases: 'The directory of 60,000 leases is looked at once for the next free address.',
  throughput: packets,
  connections: packets,
  latency: packets,
  ports:
    'The map of published ports is a hash table: its thousandth entry costs what the first one does, so what differs is the memory that it lies in.',
};
