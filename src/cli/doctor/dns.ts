import { isDnsWayOut } from '../../egress/dns-service.ts';
import { isAgentRunning } from '../../repair/survey/agent.ts';
import type { Survey } from '../../repair/survey/attachments.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import type { Check, Trouble } from './check.ts';

/** Without the agent a container under a list without names can ask the host's DNS for any name. */
export const dnsWayOutCheck: Check = {
  name: 'dns',
  about: 'whether DNS is a way out',
  run: checkWayOut,
};

async function checkWayOut({ attachments }: Survey): Promise<Trouble[]> {
  const open = attachments.filter(
    ({ record, isAlive }) => isAlive && record.egress !== undefined && isDnsWayOut(record.egress.policy),
  );
  if (open.length === 0 || (await isAgentRunning())) return [];
  return [
    {
      severity: 'warning',
      found: `DNS is a way out of ${open.map(({ record }) => shownName(record.containerId)).join(', ')}`,
      why: 'the list of its policy has no names, and without the agent the server at port 53 of the host answers every name, so a container can send data out in the names that it asks for',
      remedy: 'systemctl enable --now drawbridge-agent',
    },
  ];
}
