import { readFileSync } from 'node:fs';
import { CniError, codes } from '../../cni/errors.ts';
import type { StatusRequest } from '../../cni/request.ts';
import { parsePluginConf, type EgressConf } from '../../egress/conf.ts';
import { loadOwnPresets } from '../../egress/load-presets.ts';
import { loadPolicy } from '../../egress/load-policy.ts';
import type { NameRule, Policy } from '../../egress/policy.ts';
import { presetSource } from '../../egress/presets.ts';
import { checksNames } from '../../egress/checked-names.ts';
import { locksDns } from '../../egress/deny-names.ts';
import { requireModules } from '../../dataplane/kernel-parts.ts';
import { findQueueForm } from '../../host/queue-rule.ts';
import { runDir } from '../../host/paths.ts';
import { listRecords } from '../../records/store.ts';
import { withoutQueue } from './policy.ts';
import { requirePrograms, requireRules } from '../status.ts';

/**
 * Finds out whether an ADD would work. Throws code 50 with the reason why not, and 51 when, besides, running
 * containers are still under what a policy said before its file became invalid, or names would open nothing.
 */
export async function status({ config }: StatusRequest): Promise<void> {
  const conf = parsePluginConf(config.raw, loadOwnPresets());
  requirePrograms(['ip', 'nft']);
  await requireRules();
  await requirePolicies(conf);
}

/**
 * Throws as {@link status} does for the first named policy of a conf that cannot be used, and code 51 where a policy
 * has patterns of names and no agent answers the lookups that open them.
 */
export async function requirePolicies({ policy, selectable }: EgressConf): Promise<void> {
  const names = [...('named' in policy ? [policy.named] : []), ...selectable];
  const policies = 'named' in policy ? [] : [policy];
  for (const name of names) policies.push(await requirePolicy(name));
  const isAgentThere = isAgentListening();
  const ofPolicies = ['nft_connlimit', ...(policies.some(({ quota }) => quota !== undefined) ? ['nft_quota'] : [])];
  await requireRules(() => requireModules(ofPolicies));
  if (policies.some(checksNames)) {
    if ((await findQueueForm()) === undefined) throw withoutQueue();
    if (!isAgentThere)
      throw new CniError(
        codes.limitedConnectivity,
        '"verifyNames" refuses every connection that it looks at: no agent is running to see which name one asks for',
        'Start it: systemctl enable --now drawbridge-agent',
      );
  }
  const locked = policies.find(locksDns);
  if (locked !== undefined && !isAgentThere)
    throw new CniError(
      codes.limitedConnectivity,
      `${locked.denyNames?.[0]?.source} is a name, which the agent's DNS refuses: no agent is running, so containers have no DNS`,
      'Start it: systemctl enable --now drawbridge-agent',
    );
  const pattern = policies.flatMap(ownNames).find(({ name }) => name.startsWith('*.'));
  if (pattern !== undefined && !isAgentThere)
    throw new CniError(
      codes.limitedConnectivity,
      `${pattern.source} opens nothing: no agent is running`,
      'Start it: systemctl enable --now drawbridge-agent',
    );
}

/** Without what presets bring: a pattern in a list of many names does not make the rest of it useless. */
function ownNames({ names, preset }: Policy): NameRule[] {
  const sources = preset.map(presetSource);
  return names.filter(({ source }) => !sources.includes(source));
}

/** The kernel's list has the sockets that somebody holds; the file of one that was killed stays. */
function isAgentListening(): boolean {
  return readFileSync('/proc/net/unix', 'utf8').includes(` ${runDir}/agent.sock\n`);
}

async function requirePolicy(name: string): Promise<Policy> {
  try {
    return await loadPolicy(name);
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    const users = listRecords().records.filter(({ egress }) => egress?.policyName === name).length;
    if (users === 0) throw new CniError(codes.notAvailable, error.message, error.details);
    throw new CniError(
      codes.limitedConnectivity,
      `${error.message}; ${users} running ${users === 1 ? 'container is' : 'containers are'} still under the policy as it was before`,
      error.details,
    );
  }
}
