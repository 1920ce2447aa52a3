import type { RedirectedRecord } from '../record.ts';
import { guestOf } from './guest.ts';
import { hardwareAddress, interfaceName, ipText, list, matching, object, prefixText, text } from './read-value.ts';
import type { Section } from './section.ts';

/** The tap that the drop-in for tc-redirect-tap put beside an interface of any plugin. */
export const redirected: Section<RedirectedRecord> = {
  read,
  elements: () => [],
  claims: ({ tap, mac, addresses, nameservers }) => ({
    guest: guestOf({ tap: tap.name, mac, addresses, nameservers, networks: [] }),
  }),
};

function read(value: unknown): RedirectedRecord {
  const from = object(value, '"redirected"');
  matching(from, 'mac', hardwareAddress);
  matching(object(from['tap'], '"tap"'), 'name', interfaceName);
  for (const one of list(from, 'addresses')) {
    const { address, gateway } = object(one, 'an address');
    prefixText(address, 'address');
    if (gateway !== undefined) ipText(gateway, 'gateway');
  }
  for (const server of list(from, 'nameservers')) text({ server }, 'server');
  return from as unknown as RedirectedRecord;
}
