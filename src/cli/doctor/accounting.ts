import { isAccounting, isAccountingOurs } from '../../host/accounting.ts';
import { isAgentRunning } from '../../repair/survey/agent.ts';
import { count } from '../../repair/survey/words.ts';
import type { Check } from './check.ts';

/** Whether the kernel counts the bytes of connections where that is needed, and whether we are why it does. */
export const accountingCheck: Check = {
  name: 'conntrack',
  about: 'whether the bytes of connections are counted',
  run: async ({ attachments }) => {
    const recorded = attachments.filter(({ record }) => record.egress?.policy.record === 'all').length;
    if (recorded > 0 && isAccounting() === false && (await isAgentRunning()))
      return [
        {
          severity: 'warning',
          found: 'the kernel does not count the bytes of connections',
          why: `the records of ${count(recorded, 'container')} whose policy has "record": "all" say 0 for each`,
          remedy: 'sysctl -w net.netfilter.nf_conntrack_acct=1',
        },
      ];
    if (!isAccountingOurs()) return [];
    return [
      {
        severity: 'notice',
        found: 'the kernel counts the bytes of connections, which it did not before',
        why: 'a policy with "record": "all", or "drawbridge top", needs it; it costs each packet two additions',
        remedy: 'it is put back by itself when nothing needs it any more',
        isAdvice: true,
      },
    ];
  },
};
