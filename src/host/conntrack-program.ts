/** conntrack(8), for a process that cannot ask the kernel itself: its arguments, and what it prints. Pure. */
import { familyOf } from '../ip/family.ts';
import type { Flow, FlowFilter } from './netlink/conntrack.ts';

/** Arguments that select flows, behind "-L" or "-D". */
export function filterArguments(filter: FlowFilter): string[] {
  const { family, protocol, source, destination, destinationPort, answerer } = filter;
  return [
    ['-f', family === 4 ? 'ipv4' : 'ipv6'],
    protocol === undefined ? [] : ['-p', protocol],
    source === undefined ? [] : ['--orig-src', source],
    destination === undefined ? [] : ['--orig-dst', destination],
    destinationPort === undefined ? [] : ['--orig-port-dst', String(destinationPort)],
    answerer === undefined ? [] : ['--reply-src', answerer],
  ].flat();
}

/** Reads what `conntrack -L` printed; lines that name no addresses are left out. */
export function parseFlows(text: string): Flow[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', number = ''] = line.trim().split(/\s+/);
    const values = (key: string): string[] =>
      [...line.matchAll(new RegExp(`\\b${key}=(\\S+)`, 'g'))].map((match) => match[1] ?? '');
    const [source, answerer] = values('src');
    const [destination] = values('dst');
    if (source === undefined || destination === undefined || answerer === undefined) return [];
    const [sourcePort] = values('sport').map(Number);
    const [destinationPort] = values('dport').map(Number);
    const ports = {
      ...(sourcePort === undefined ? {} : { sourcePort }),
      ...(destinationPort === undefined ? {} : { destinationPort }),
    };
    return [{ protocol: name === 'unknown' ? number : name, source, destination, ...ports, answerer }];
  });
}

/** Arguments that delete one flow. Exit status 1 means that it is gone already. */
export function deleteArguments({ protocol, source, destination, sourcePort, destinationPort }: Flow): string[] {
  return [
    '-D',
    '-f',
    familyOf(source) === 6 ? 'ipv6' : 'ipv4',
    '-p',
    protocol,
    '--orig-src',
    source,
    '--orig-dst',
    destination,
    ...(sourcePort === undefined ? [] : ['--orig-port-src', String(sourcePort)]),
    ...(destinationPort === undefined ? [] : ['--orig-port-dst', String(destinationPort)]),
  ];
}
