import type { ChainDeclaration, CounterDeclaration, Hook, SetDeclaration, TimeoutDeclaration } from './declaration.ts';
import { dataText } from './element.ts';

/** Lines of a declaration inside of a `table … { }`. */
export function setBlock(set: SetDeclaration): string {
  return `  ${kindOf(set)} ${set.name} ${setBody(set)}`;
}

export function counterBlock({ name }: CounterDeclaration): string {
  return `  counter ${name} { }`;
}

/** nft 1.0.6 takes seconds without a unit alone, and each statement on a line of its own. */
export function timeoutBlock({ name, seconds }: TimeoutDeclaration): string {
  const states = Object.entries(seconds).map(([state, value]) => `${state} : ${value}`);
  return [`  ct timeout ${name} {`, '    protocol tcp;', `    policy = { ${states.join(', ')} };`, '  }'].join('\n');
}

export function chainBlock({ name, hook, rules }: ChainDeclaration): string {
  const lines = [...(hook === undefined ? [] : [hookText(hook)]), ...rules];
  if (lines.length === 0) return `  chain ${name} { }`;
  return [`  chain ${name} {`, ...lines.map((line) => `    ${line}`), '  }'].join('\n');
}

/** Command that declares a set, without what it holds. */
export function setCommand(set: SetDeclaration): string {
  return `add ${kindOf(set)} ${set.table} ${set.name} ${setBody({ ...set, elements: [] })}`;
}

/** Command that adds what a set always holds, or deletes it, which fails where some of it is not there. */
export function constantCommands(
  verb: 'add' | 'delete',
  { table, name, elements = [] }: Pick<SetDeclaration, 'table' | 'name' | 'elements'>,
): string[] {
  return elements.length === 0 ? [] : [`${verb} element ${table} ${name} { ${elements.map(dataText).join(', ')} }`];
}

/** Commands that declare a chain, or give it its rules again. */
export function chainCommands({ table, name, hook, rules }: ChainDeclaration): string[] {
  return [
    `add chain ${table} ${name}${hook === undefined ? '' : ` { ${hookText(hook)} }`}`,
    `flush chain ${table} ${name}`,
    ...rules.map((rule) => `add rule ${table} ${name} ${rule}`),
  ];
}

function kindOf({ value }: SetDeclaration): 'set' | 'map' {
  return value === undefined ? 'set' : 'map';
}

function setBody({ elements = [], ...set }: SetDeclaration): string {
  const statements = [
    typeText(set),
    ...(set.flags === undefined ? [] : [`flags ${set.flags.join(', ')};`]),
    ...(set.size === undefined ? [] : [`size ${set.size};`]),
    ...(set.timeoutMinutes === undefined ? [] : [`timeout ${set.timeoutMinutes}m;`]),
    ...(set.isCounted === true ? ['counter;'] : []),
    ...(elements.length === 0 ? [] : [`elements = { ${elements.map(dataText).join(', ')} }`]),
  ];
  return `{ ${statements.join(' ')} }`;
}

function typeText({ key, value, typeof: expressions }: SetDeclaration): string {
  const types = expressions === undefined ? `type ${key.join(' . ')}` : `typeof ${expressions}`;
  if (value === undefined) return `${types};`;
  return `${types} : ${value === 'verdict' ? value : value.join(' . ')};`;
}

function hookText({ type, at, priority }: Hook): string {
  return `type ${type} hook ${at} priority ${priority}; policy accept;`;
}
