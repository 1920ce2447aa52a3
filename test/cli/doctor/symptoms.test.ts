import { expect, test } from 'vitest';
import { likelyChecks } from '../../../src/cli/doctor/symptoms.ts';

test.each([
  ['Temporary failure in name resolution', 'dns', 'agent'],
  ['ping: example.org: Name or service not known', 'dns', 'agent'],
  ['curl: (6) Could not resolve host: example.org', 'dns', 'agent'],
  ['getaddrinfo EAI_AGAIN registry.example.org', 'dns', 'agent'],
  ['Non-recoverable failure in name resolution', 'dns', 'agent'],
  ['curl: (7) Failed to connect to 10.0.0.5 port 80 after 1 ms', 'policies', 'agent'],
  ["curl: (7) Couldn't connect to server", 'policies', 'agent'],
  ['curl: (28) Connection timed out after 5001 milliseconds', 'firewalls', 'conntrack'],
  ['100% packet loss', 'conntrack', 'links'],
  ['mtu', 'links', 'bridges'],
  ['ping: sendmsg: Message too long', 'links', 'bridges'],
  ['connect: No route to host', 'firewalls', 'forwarding'],
])('"%s" is looked for in %s first, then in %s', (symptom, first, second) => {
  expect(likelyChecks(symptom).slice(0, 2)).toEqual([first, second]);
});

test('nothing is known of what nobody says', () => {
  expect(likelyChecks('blue')).toEqual([]);
});
