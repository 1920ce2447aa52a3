import { applyEdits, findNodeAtLocation, modify, parseTree } from 'jsonc-parser';
import { isSeq, parseDocument } from 'yaml';
import { CniError, codes } from '../../cni/errors.ts';
import type { PolicyFormat } from '../../egress/policy-source.ts';

/**
 * The text of a policy with one more entry in one of its lists, at its end; the list is made where there is none. What
 * else stands in the text stays as it is, comments too. Throws code 7 where the key holds something else than a list.
 */
export function withEntry(
  text: string,
  { format, key, entry }: { readonly format: PolicyFormat; readonly key: string; readonly entry: string },
): string {
  return format === 'yaml' ? inYaml(text, key, entry) : inJson(text, key, entry);
}

function inYaml(text: string, key: string, entry: string): string {
  const document = parseDocument(text, { schema: 'core' });
  const list = document.get(key);
  if (list === undefined) document.set(key, document.createNode([entry]));
  else if (isSeq(list)) list.add(document.createNode(entry));
  else throw notAList(key);
  return document.toString({ lineWidth: 0 });
}

function inJson(text: string, key: string, entry: string): string {
  const root = parseTree(text);
  const list = root === undefined ? undefined : findNodeAtLocation(root, [key]);
  if (list === undefined) {
    const [, indent = '  '] = /\n([ \t]+)"/.exec(text) ?? [];
    const formattingOptions = { insertSpaces: !indent.startsWith('\t'), tabSize: indent.length };
    return applyEdits(text, modify(text, [key], [entry], { formattingOptions }));
  }
  if (list.type !== 'array') throw notAList(key);
  return intoList(text, list, JSON.stringify(entry));
}

/** The library would lay the whole list out anew, and move the comments in it. */
function intoList(text: string, { children = [], offset, length }: ListNode, item: string): string {
  const last = children.at(-1);
  if (last === undefined) return `${text.slice(0, offset + 1)}${item}${text.slice(offset + 1)}`;
  const end = last.offset + last.length;
  const before = text.lastIndexOf('\n', last.offset);
  const lineEnd = text.indexOf('\n', end);
  const hasOwnLine = before > offset && lineEnd !== -1 && lineEnd < offset + length;
  if (!hasOwnLine) return `${text.slice(0, end)}, ${item}${text.slice(end)}`;
  const [indent = ''] = /^[ \t]*/.exec(text.slice(before + 1)) ?? [];
  return `${text.slice(0, end)},${text.slice(end, lineEnd)}\n${indent}${item}${text.slice(lineEnd)}`;
}

interface ListNode {
  readonly children?: readonly { readonly offset: number; readonly length: number }[];
  readonly offset: number;
  readonly length: number;
}

function notAList(key: string): CniError {
  return new CniError(codes.invalidConfig, `Cannot add to "${key}": it is no list`);
}
