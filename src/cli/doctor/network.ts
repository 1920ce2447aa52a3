import { gateSysctl } from '../../dataplane/gate.ts';
import {
  inspectForeignFirewalls,
  openForeignFirewalls,
  type FirewallFinding,
  type OpenOptions,
} from '../../host/firewall/foreign.ts';
import { findLink } from '../../host/interfaces.ts';
import { applyCommands } from '../../host/apply.ts';
import { showJson } from '../../host/ip.ts';
import { findProgram } from '../../host/run.ts';
import { writeSysctls } from '../../host/sysctl.ts';
import { addressOf, splitPrefix } from '../../ip/prefix.ts';
import { openingsOf } from '../../repair/firewalls.ts';
import { repairGates } from '../../repair/gates.ts';
import { lacksGroups } from '../../links/differences.ts';
import { repairLinks, troubleOfPort } from '../../repair/links.ts';
import { rebuild } from '../../records/commit.ts';
import { describePart, makePart, whatFor } from '../../dataplane/gate-parts.ts';
import { missingParts } from '../../dataplane/gates.ts';
import { gatedInterfaces } from '../../records/gated-interfaces.ts';
import type { LinkRecord } from '../../records/record.ts';
import { holdAttachment, isSameAdd } from '../../records/attachment-lock.ts';
import { hostInterfacesOf, mapSections } from '../../records/sections.ts';
import type { SectionName, SectionValue } from '../../records/sections/section.ts';
import { readSoundRecord } from '../../records/store.ts';
import { upkeep } from '../../records/upkeep.ts';
import { settingsOf } from '../../records/sections/link.ts';
import { keepGateway } from '../../links/bridge.ts';
import { shellTextOf } from '../../links/text.ts';
import type { Survey } from '../../repair/survey/attachments.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { count } from '../../repair/survey/words.ts';
import type { Check, Trouble } from './check.ts';
import { troublesOf } from './findings.ts';
import { readTrimmed } from './read.ts';
import { routedEnds } from './routed-ends.ts';

/** Checks of what we made: links, rules, and what others put in their way. */
export const networkChecks: readonly Check[] = [
  { name: 'bridges', about: 'bridges and their addresses', run: checkBridges },
  { name: 'links', about: 'interfaces of containers', run: checkLinks },
  { name: 'rules', about: 'rules in force', run: checkRules },
  { name: 'gates', about: 'routing gates', run: checkGates },
  { name: 'firewalls', about: 'other firewalls', run: checkForeign },
];

async function checkBridges({ attachments }: Survey): Promise<Trouble[]> {
  const living = attachments.filter(({ isAlive }) => isAlive).map(({ record }) => record);
  const links = living.flatMap(({ link }) => link ?? []);
  const fix = async (): Promise<void> => {
    await repairLinks(living);
    // A filter at the bridge goes with the bridge.
    await repairGates(living);
  };
  const troubles = await Promise.all(
    [...Map.groupBy(links, ({ bridge }) => bridge)].map(async ([bridge, own]): Promise<Trouble[]> => {
      if (bridge === undefined) return [];
      const found = findLink(bridge);
      if (found === undefined)
        return [
          {
            severity: 'problem',
            found: `the bridge "${bridge}" is gone`,
            why: `${count(own.length, 'container')} ${own.length === 1 ? 'is' : 'are'} cut off from everything`,
            remedy: 'drawbridge doctor --fix   # makes it anew, with its addresses and its ports',
            fix,
          },
        ];
      const isDown = !found.isUp;
      const present = await addressesOn();
      const missing = gatewaysOf(own).filter(({ gateway }) => !present.has(addressOf(gateway)));
      const commands = missing.map(({ gateway, holder }) => shellTextOf(keepGateway(gateway, holder)));
      if (isDown)
        return [
          {
            severity: 'problem',
            found: `the bridge "${bridge}" is down`,
            why: 'nothing passes it',
            // The kernel takes IPv6 addresses off an interface that goes down.
            remedy: [shellTextOf({ kind: 'setLink', name: bridge, state: 'up' }), ...commands].join('\n'),
            fix,
          },
        ];
      const mask = own.reduce((bits, link) => bits | (settingsOf(link).groupForwardMask ?? 0), 0);
      const groups: Trouble[] = lacksGroups(found, mask)
        ? [
            {
              severity: 'problem',
              found: `the "group_fwd_mask" of "${bridge}" is ${found.groupForwardMask ?? 0}`,
              why: `its networks ask for ${mask}: without it frames of link-local groups, as of LLDP, do not pass`,
              remedy: shellTextOf({
                kind: 'setBridge',
                name: bridge,
                groupForwardMask: (found.groupForwardMask ?? 0) | mask,
              }),
              fix,
            },
          ]
        : [];
      const addresses = missing.map(({ gateway }, index): Trouble => ({
        severity: 'problem',
        found: `the gateway address ${gateway} is missing on the host`,
        why: `containers on "${bridge}" send to it everything that is not on their bridge`,
        remedy: commands[index] ?? '',
        fix,
      }));
      return [...groups, ...addresses];
    }),
  );
  return troubles.flat();
}

/**
 * Addresses that the host has to have on a bridge, or at the holder in a VLAN: those of networks that ask for a
 * gateway.
 */
function gatewaysOf(links: readonly LinkRecord[]): { gateway: string; holder: string }[] {
  const gateways = links.filter((link) => settingsOf(link).isGateway);
  const all = gateways.flatMap(({ addresses, ingressInterface: holder }) =>
    addresses.flatMap(({ address, gateway }) =>
      gateway === undefined ? [] : [{ gateway: `${gateway}/${splitPrefix(address).length ?? ''}`, holder }],
    ),
  );
  return [...new Map(all.map((one) => [`${one.gateway} ${one.holder}`, one])).values()];
}

async function addressesOn(): Promise<Set<string>> {
  const shown = ((await showJson(['address', 'show'])) ?? []) as { addr_info?: { local?: string }[] }[];
  return new Set(shown.flatMap(({ addr_info: list = [] }) => list.map(({ local = '' }) => local)));
}

async function checkLinks({ attachments }: Survey): Promise<Trouble[]> {
  return [
    ...portTroubles(attachments),
    ...(await routedEnds(attachments)),
    ...(await sectionTroubles(attachments)),
    ...troublesOf(attachments, 'inside'),
    ...troublesOf(attachments, 'namespace'),
    ...troublesOf(attachments, 'unused'),
  ];
}

/** One container after the other: what is looked at takes a program each. */
async function sectionTroubles(attachments: Survey['attachments']): Promise<Trouble[]> {
  const living = attachments.filter(({ isAlive, record }) => isAlive && record.state === 'ready');
  const troubles: Trouble[] = [];
  for (const { record } of living)
    for (const { found, why, put } of await Promise.all(mapSections(record, lookFor)))
      troubles.push(
        ...found.map((what): Trouble => ({
          severity: 'problem',
          found: `${shownName(record.containerId)}: ${what}`,
          why,
          remedy: 'drawbridge doctor --fix   # makes it anew as its record says',
          fix: async () =>
            holdAttachment(record, 'doctor', async () => {
              const now = readSoundRecord(record.key);
              if (now !== undefined && isSameAdd(now, record)) await put();
            }),
        })),
      );
  return troubles;
}

async function lookFor<Name extends SectionName>(
  name: Name,
  value: SectionValue<Name>,
): Promise<{ found: string[]; why: string; put: () => Promise<void> }> {
  const { mend } = upkeep[name];
  if (mend === undefined) return { found: [], why: '', put: async () => undefined };
  return { found: await mend.look(value), why: mend.why, put: async () => mend.put(value) };
}

function portTroubles(attachments: Survey['attachments']): Trouble[] {
  return attachments
    .filter(({ isAlive, record }) => isAlive && record.state === 'ready')
    .flatMap(({ record }): Trouble[] => {
      const [port] = hostInterfacesOf(record);
      const found = port === undefined ? undefined : findLink(port);
      if (found === undefined) return [];
      const isDown = !found.isUp;
      const up = isDown ? [{ kind: 'setLink', name: found.name, state: 'up' } as const] : [];
      const wrong = troubleOfPort(record);
      if (!isDown && wrong === undefined) return [];
      const isCutOff = isDown || (record.link?.bridge !== undefined && found.master === undefined);
      return [
        {
          severity: 'problem',
          found: isDown ? `"${port}" is down` : isCutOff ? `"${port}" is on no bridge` : (wrong?.what ?? ''),
          why: isCutOff
            ? `container ${shownName(record.containerId)} is cut off`
            : `${shownName(record.containerId)} has other settings at its bridge than its configuration says`,
          remedy: [...up, ...(wrong?.commands ?? [])].map(shellTextOf).join('\n'),
          fix: async () => {
            await applyCommands(up);
            await repairLinks([record]);
          },
        },
      ];
    });
}

function checkRules({ attachments }: Survey): Trouble[] {
  const lacking = attachments.flatMap(({ record, findings }) =>
    findings.flatMap(({ kind, what }) => (kind === 'rules' ? [{ record, what }] : [])),
  );
  const [first] = lacking;
  if (first === undefined) return [];
  return [
    {
      severity: 'problem',
      found: `rules of ${count(lacking.length, 'container')} are not as their records say; of ${shownName(first.record.containerId)}: ${first.what}`,
      why: 'published ports, masquerading and policies of those containers do not hold; another program may have flushed the rules',
      remedy: 'drawbridge doctor --fix   # writes all rules anew from the records',
      fix: async () => void (await rebuild()),
    },
  ];
}

async function checkGates({ attachments }: Survey): Promise<Trouble[]> {
  const gated = gatedInterfaces(attachments.filter(({ isAlive }) => isAlive).map(({ record }) => record));
  if (gated.length === 0) return [];
  const missing = await missingParts(gated, { all: true });
  const troubles = missing.map((part): Trouble => ({
    severity: 'warning',
    found: `${describePart(part)} is missing`,
    why: whatFor[part.kind],
    remedy: part.add.length === 0 ? 'drawbridge doctor --fix' : part.add.map(shellTextOf).join('\n'),
    fix: async () => {
      writeSysctls([gateSysctl]);
      await makePart(part);
    },
  }));
  const marks = readTrimmed(`/proc/sys/net/${gateSysctl.file}`);
  const sysctl: Trouble[] =
    marks === '0'
      ? [
          {
            severity: 'warning',
            found: `net.ipv4.conf.all.src_valid_mark is 0`,
            why: 'with rp_filter on, what is sent to containers with a policy is dropped',
            remedy: 'sysctl -w net.ipv4.conf.all.src_valid_mark=1',
            fix: async () => void writeSysctls([gateSysctl]),
          },
        ]
      : [];
  return [...troubles, ...sysctl];
}

async function checkForeign({ attachments }: Survey): Promise<Trouble[]> {
  if (findProgram('nft') === undefined) return [];
  const living = attachments.filter(({ isAlive }) => isAlive).map(({ record }) => record);
  const closed: (FirewallFinding & { readonly bridge: string; readonly options: OpenOptions })[] = [];
  for (const [bridge, options] of openingsOf(living)) {
    for (const finding of await inspectForeignFirewalls(bridge, options))
      if (finding.state !== 'open') closed.push({ ...finding, bridge, options });
  }
  // One rule stops the bridges together.
  const groups = Map.groupBy(closed, ({ firewall, blocker, state }) => `${firewall} ${blocker} ${state}`);
  const troubles = [...groups.values()].flatMap((own): Trouble[] => {
    const [first] = own;
    if (first === undefined) return [];
    const { firewall, blocker, state } = first;
    const trouble: Trouble = {
      severity: 'problem',
      found: `${firewall} drops traffic of ${own.map(({ bridge }) => `"${bridge}"`).join(', ')}: ${blocker}`,
      why:
        state === 'closed'
          ? 'our accepts are gone, or something was put before them: containers see "no route to host", or silence'
          : 'it is not ours to change: containers see "no route to host", or silence',
      remedy: own.map(({ remedy }) => remedy.trim()).join('\n'),
      ...(state === 'closed'
        ? {
            fix: async () => {
              for (const { bridge, options } of own) await openForeignFirewalls(bridge, { ...options, again: true });
            },
          }
        : {}),
    };
    return [trouble];
  });
  return [...troubles, ...managers(attachments.length > 0)];
}

/** Programs that write firewall rules of their own, and what is known of living with them. */
function managers(isUsed: boolean): Trouble[] {
  if (!isUsed) return [];
  const ufw = /^ENABLED=yes/im.test(readTrimmed('/etc/ufw/ufw.conf') ?? '');
  return ufw
    ? [
        {
          severity: 'notice',
          found: 'ufw is enabled',
          why: 'each "ufw reload" puts its rules before ours',
          remedy: 'drawbridge doctor --fix   # after a reload; the agent does it by itself',
        },
      ]
    : [];
}
