/** The transactions whose text is kept in test/golden/nft/, each with what the kernel has to hold before it. */
import { transition } from '../../src/dataplane/difference.ts';
import { desired } from '../../src/records/desired.ts';
import type { RuleGroup } from '../../src/nft/group.ts';
import { layoutMark, tableText } from '../../src/dataplane/layout.ts';
import { tableNames } from '../../src/nft/element.ts';
import { changeText, comparisonTexts, rebuildText } from '../../src/dataplane/transaction.ts';
import type { AttachmentRecord } from '../../src/records/record.ts';
import { mapping, numbered, sample } from '../records/sample.ts';

const plain = sample();
const publishing = sample({
  link: {
    ports: [
      mapping(8080, 80),
      mapping(53, 5353, { protocol: 'udp', families: [4] }),
      mapping(9000, 9000, { protocol: 'sctp' }),
      mapping(443, 8443, { hostIp: '192.0.2.1', families: [4] }),
      mapping(443, 8443, { hostIp: '2001:db8:ffff::1', families: [6] }),
    ],
  },
});
const unsourced = sample({ link: { ports: [mapping(8080, 80)], snat: false, masquerade: false } });
const oneFamily = sample({ link: { ports: [mapping(8080, 80)], addresses: [{ address: '10.88.0.2/16' }] } });
const hostile = sample({ containerId: '";flush ruleset;#\n$x\u00fc', link: { ports: [mapping(8080, 80)] } });
const newer = sample({
  containerId: 'c2',
  createdAt: '2026-01-02T00:00:00.000Z',
  link: { ports: [mapping(8081, 80)] },
});

const policy: RuleGroup = {
  id: 'ab12',
  sets: [],
  chains: [{ table: 'inet drawbridge', name: 'policy_ab12', rules: ['counter accept'] }],
};

interface Golden {
  readonly text: string;
  /** The records that the kernel holds before. */
  readonly after: readonly AttachmentRecord[];
}

export const goldens: Record<string, Golden> = {
  tables: { text: rebuildText({ groups: [], elements: [] }), after: [] },
  rebuild: {
    text: rebuildText({
      groups: [policy],
      elements: [publishing, numbered(2), numbered(3)].flatMap((record) => desired(record).elements),
    }),
    after: [],
  },
  'add-plain': { text: step(undefined, plain), after: [] },
  'add-published-ports': { text: step(undefined, publishing), after: [] },
  'add-published-ports-without-snat': { text: step(undefined, unsourced), after: [] },
  'add-ports-without-ipv6': { text: step(undefined, oneFamily), after: [] },
  'add-hostile-names': { text: step(undefined, hostile), after: [] },
  'change-ports': { text: step(plain, publishing), after: [plain] },
  'remove-last-of-bridge': { text: step(publishing, undefined), after: [publishing] },
  'remove-one-of-bridge': { text: step(publishing, undefined, { isShared: true }), after: [publishing, numbered(2)] },
  'remove-after-address-was-reused': {
    text: step(plain, undefined, { rivals: [newer], isShared: true }),
    after: [plain, newer],
  },
  'first-of-policy': { text: step(undefined, plain, { policy, isShared: false }), after: [] },
  compare: { text: comparisonTexts(desired(publishing).elements, []).keys, after: [publishing] },
};

/** In place of the layout, in every golden but the one that is the layout. */
const layoutPlace = '# the layout of tables.nft\n';
const layout = tableNames.map((table) => `table ${table}\ndelete table ${table}\n${tableText(table)}`).join('');

/** Out of the texts is the layout's mark, which differs with every change of the layout. */
export function goldenText({ text }: Golden): string {
  const shown = text === layout ? text : text.replace(layout, layoutPlace);
  return shown.replaceAll(layoutMark, 'layout_hash');
}

/** What the kernel takes of a golden. */
export function wholeText(golden: string): string {
  return golden.replace(layoutPlace, layout).replaceAll(layoutMark, 'layout_hash');
}

interface Others {
  rivals?: readonly AttachmentRecord[];
  isShared?: boolean;
  policy?: RuleGroup;
}

function step(
  previous: AttachmentRecord | undefined,
  next: AttachmentRecord | undefined,
  { rivals = [], isShared = false, policy: group }: Others = {},
): string {
  const claim = next && desired(next);
  return changeText(
    transition({
      previous: previous && desired(previous),
      next: claim && (group === undefined ? claim : { ...claim, groups: [group] }),
      rivals: rivals.map(desired),
      isShared: () => isShared,
    }),
  );
}
