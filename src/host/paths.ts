/** What dies with the kernel objects that it describes: records, locks, the agent's socket. */
export const runDir = '/run/drawbridge';

/** What outlives a reboot: names with their last good addresses, the stamps that tell a reboot. */
export const stateDir = '/var/lib/drawbridge';
