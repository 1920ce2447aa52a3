import { chainCommands, constantCommands } from '../nft/declaration-text.ts';
import { dataText, elementId, tableNames, type Element, type TableName } from '../nft/element.ts';
import { declaringCommands, removingCommands, type RuleGroup } from '../nft/group.ts';
import { quotedComment } from '../nft/quote.ts';
import { groupMark, layoutMark, listedByLayout, markKey, restoredChain, tableText } from './layout.ts';

/** What one fast transaction changes, in the order in which it is written. */
export interface Change {
  readonly drop: readonly Element[];
  /** Groups whose last attachment goes. */
  readonly undeclare: readonly RuleGroup[];
  /** Groups whose first attachment comes. */
  readonly declare: readonly RuleGroup[];
  /** Groups that must be there already. */
  readonly assert: readonly RuleGroup[];
  readonly put: readonly Element[];
}

/** Everything that our tables hold. */
export interface Contents {
  readonly groups: readonly RuleGroup[];
  readonly elements: readonly Element[];
}

/**
 * Text of a transaction that changes a few elements, whatever the number of attachments.
 *
 * It fails as a whole, with ENOENT, when a table is missing or has another layout than this program's,
 * and with ENOENT or EEXIST when the kernel does not hold what the records say: then {@link rebuildText}.
 *
 * An ADD deletes nothing: a transaction that deletes waits until no packet looks at what goes, which takes
 * some milliseconds.
 */
export function changeText(change: Change): string {
  return stepsText(changeSteps(change));
}

/** One step of a transaction. */
export type Step = ElementStep | GroupStep;

/** Changes elements and nothing else. */
export interface ElementStep {
  readonly verb: 'add' | 'delete';
  readonly elements: readonly Element[];
}

/** Makes the chains and sets of a group, or removes them. */
export interface GroupStep {
  readonly verb: 'declare' | 'undeclare';
  readonly group: RuleGroup;
}

/** The steps of {@link changeText}, in their order. */
export function changeSteps({ drop, undeclare, declare, assert, put }: Change): Step[] {
  const steps: Step[] = [
    { verb: 'add', elements: marks(assert) },
    { verb: 'delete', elements: drop },
    ...undeclare.map((group) => ({ verb: 'undeclare', group }) as const),
    ...declare.map((group) => ({ verb: 'declare', group }) as const),
    ...putting(put),
  ];
  return steps.filter((step) => 'group' in step || step.elements.length > 0);
}

/**
 * Steps that put elements where our tables are as this program writes them; they fail as {@link changeText}. What is in
 * `replaced` takes the place of an expiring element, which may have gone by itself: so it is added, and deleted, first.
 */
export function putSteps(elements: readonly Element[], replaced: readonly Element[] = []): ElementStep[] {
  const bare = replaced.map(({ table, set, key }) => ({ table, set, key }));
  const steps: ElementStep[] = [
    { verb: 'add', elements: marks([]) },
    { verb: 'add', elements: bare },
    { verb: 'delete', elements: bare },
    ...putting(elements),
  ];
  return steps.filter((step) => step.elements.length > 0);
}

/** Text of steps, one command for each step and set. */
export function stepsText(steps: readonly Step[]): string {
  return lines(steps.flatMap((step) => ('group' in step ? groupCommands(step) : bulk(step.verb, step.elements))));
}

function groupCommands({ verb, group }: GroupStep): string[] {
  return verb === 'declare'
    ? [`create set inet drawbridge ${groupMark(group.id)} { type ifname; }`, ...declaringCommands(group)]
    : [...removingCommands(group), `delete set inet drawbridge ${groupMark(group.id)}`];
}

/** Whether there is nothing to change; what must be there is then not asked for. */
export function isEmpty({ drop, undeclare, declare, put }: Change): boolean {
  return [drop, undeclare, declare, put].every(({ length }) => length === 0);
}

/** Text of a transaction that replaces all tables by the layout and these contents. */
export function rebuildText({ groups, elements }: Contents): string {
  return lines([
    ...tableNames.flatMap((table) => [`table ${table}`, `delete table ${table}`, tableText(table).trimEnd()]),
    ...groups.flatMap((group) => [
      `add set inet drawbridge ${groupMark(group.id)} { type ifname; }`,
      ...declaringCommands(group),
    ]),
    ...bulk('add', elements),
  ]);
}

/**
 * Text that gives chains of the layout, and the chains of groups, their rules again and touches nothing else; undefined
 * for a chain that the layout does not have. It fails with ENOENT where the tables are not there.
 */
export function restoredChainsText(
  chains: readonly { readonly table: TableName; readonly chain: string }[],
  groups: readonly RuleGroup[],
): string | undefined {
  const restored = chains.map(({ table, chain }) => restoredChain(table, chain));
  if (restored.includes(undefined)) return undefined;
  const rules = groups.flatMap(({ chains: own }) => own.flatMap(chainCommands));
  return `${lines(assertions(groups))}${restored.join('')}${lines(rules)}`;
}

/** The whole layout under names that nobody has, for `nft --check`: whether kernel and nft take it. */
export function trialText(): string {
  return tableNames.map((table) => tableText(table, { name: `${table}_trial` })).join('');
}

/** Text that removes all tables, whether they are there or not. */
export function removalText(): string {
  return lines(tableNames.flatMap((table) => [`table ${table}`, `delete table ${table}`]));
}

/**
 * Texts for `nft --check`, which changes nothing: `values` fails with EEXIST when the kernel has one of the
 * elements with another value, `keys` with ENOENT when it lacks one, or a range that the layout lists. They cannot be
 * one transaction, because adding a missing element would hide that it was missing.
 */
export function comparisonTexts(
  elements: readonly Element[],
  groups: readonly RuleGroup[],
): { values: string; keys: string } {
  return {
    values: lines([
      ...assertions([]),
      ...bulk(
        'add',
        elements.filter(({ value }) => value !== undefined),
      ),
    ]),
    keys: lines([...assertions(groups), ...listedByLayout(), ...bulk('delete', elements), ...groups.flatMap(listed)]),
  };
}

function lines(commands: readonly string[]): string {
  return commands.map((command) => `${command}\n`).join('');
}

/** Sets stand for the layout and for each group by their names: adding an element fails where there is no such set. */
function assertions(groups: readonly RuleGroup[]): string[] {
  return bulk('add', marks(groups));
}

function marks(groups: readonly RuleGroup[]): Element[] {
  return [
    ...tableNames.map((table) => ({ table, set: layoutMark, key: markKey })),
    ...groups.map(({ id }) => ({ table: 'inet drawbridge' as const, set: groupMark(id), key: markKey })),
  ];
}

/** Deletes what the sets of a group list; that fails where one of them is not there. */
function listed({ sets }: RuleGroup): string[] {
  return sets.flatMap((set) => constantCommands('delete', set));
}

/** One command per set. */
function bulk(verb: 'add' | 'delete', elements: readonly Element[]): string[] {
  const bySet = new Map<string, string[]>();
  for (const element of elements) {
    const set = `${element.table} ${element.set}`;
    const text = verb === 'add' ? addedText(element) : dataText(element.key);
    const texts = bySet.get(set);
    if (texts === undefined) bySet.set(set, [text]);
    else texts.push(text);
  }
  return [...bySet].map(([set, texts]) => `${verb} element ${set} { ${texts.join(', ')} }`);
}

function addedText({ key, timeout, expires, counted, comment, value }: Element): string {
  return [
    dataText(key),
    counted === undefined ? '' : ` counter packets ${counted.packets} bytes ${counted.bytes}`,
    timeout === undefined ? '' : ` timeout ${Math.max(1, Math.ceil(timeout))}s`,
    expires === undefined ? '' : ` expires ${expires}s`,
    comment === undefined ? '' : ` comment ${quotedComment(comment)}`,
    value === undefined ? '' : ` : ${dataText(value)}`,
  ].join('');
}

/**
 * Before Linux 6.12 adding an expiring element again leaves its old timeout: it is added so that it is there,
 * deleted, and added with the new one. Readers see the commit only, so there is no gap.
 */
function putting(elements: readonly Element[]): ElementStep[] {
  const unique = [...new Map(elements.map((element) => [elementId(element), element])).values()];
  const expiring = unique.filter(({ timeout }) => timeout !== undefined);
  return [
    { verb: 'add', elements: elements.filter(({ timeout }) => timeout === undefined) },
    ...(['add', 'delete', 'add'] as const).map((verb) => ({ verb, elements: expiring })),
  ];
}
