import { addressTypeOfNames } from '../egress/compile.ts';
import { encodeData, isDataType, type DataType } from './data.ts';
import type { TableName } from './element.ts';
import { declaredTypes, type DeclaredTypes } from './layout.ts';

/** The bytes of an element's key; undefined for a set that we do not declare, or text that is no key of it. */
export function encodeKey(table: TableName, set: string, key: string): Uint8Array | undefined {
  const types = partsOf(typesOf(table, set)?.key);
  return types === undefined ? undefined : encodeData(types, key);
}

function typesOf(table: TableName, set: string): DeclaredTypes | undefined {
  const address = addressTypeOfNames(set);
  return address === undefined ? declaredTypes(table, set) : { key: address };
}

/** A set that takes its types from expressions has the types of their values. */
const ofExpressions: Readonly<Record<string, DataType>> = {
  iifname: 'ifname',
  'ether saddr': 'ether_addr',
  '@th,64,64': 'half_addr',
  '@th,128,64': 'half_addr',
};

function partsOf(declared: string | undefined): DataType[] | undefined {
  const parts = declared?.split(' . ').map((part) => ofExpressions[part] ?? part);
  return parts?.every(isDataType) === true ? parts : undefined;
}
