import { choiceKeys, policyKeys } from './keys.ts';
import { policyTable, type KeyShape } from './key-table.ts';
import { noOwnPresets, presetNames } from './presets.ts';

type Schema = Readonly<Record<string, unknown>>;

const dialect = 'https://json-schema.org/draft/2020-12/schema';

/**
 * JSON Schema of a policy's file, made of the table that the parser reads by (key-table.ts). It tells keys, words and
 * types; what an entry means, and what contradicts something else, "drawbridge policy check" tells.
 */
export function policySchema(): Schema {
  return {
    $schema: dialect,
    title: 'A policy of drawbridge',
    type: 'object',
    additionalProperties: false,
    properties: { $schema: { type: 'string', description: 'For editors' }, ...policyProperties() },
  };
}

/**
 * JSON Schema of a network's list. It holds the policy in it, under "egress" of "drawbridge" and beside "type" of
 * "egress-policy", to a policy's keys; `ownKeys` are those that "drawbridge" knows.
 */
export function networkSchema(ownKeys: readonly string[]): Schema {
  const policy = { ...policyProperties(), ...choiceProperties };
  const ofType = (type: string, schema: Schema): Schema => ({
    anyOf: [{ properties: { type: { not: { const: type } } } }, schema],
  });
  const protocol = Object.fromEntries(protocolKeys.map((key) => [key, true]));
  return {
    $schema: dialect,
    title: 'A network for drawbridge, as a CNI list of plugins',
    type: 'object',
    required: ['cniVersion', 'name', 'plugins'],
    properties: {
      cniVersion: { type: 'string' },
      cniVersions: { type: 'array', items: { type: 'string' } },
      name: { type: 'string', pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]*$' },
      disableCheck: { type: 'boolean' },
      disableGC: { type: 'boolean' },
      egress: false,
      plugins: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          required: ['type'],
          allOf: [
            ofType('egress-policy', {
              properties: { ...protocol, ...policy },
              patternProperties: { '^cni\\.dev/': true },
              additionalProperties: false,
            }),
            ofType('drawbridge', {
              properties: {
                ...Object.fromEntries(ownKeys.map((key) => [key, true])),
                egress: { type: 'object', properties: policy, additionalProperties: false },
                // Beside "egress" these do nothing, and a container would stay open.
                ...Object.fromEntries(
                  [...policyKeys, ...choiceKeys].filter((key) => !ownKeys.includes(key)).map((key) => [key, false]),
                ),
              },
            }),
          ],
        },
      },
    },
  };
}

/** What libcni and runtimes put beside a plugin's own keys. */
const protocolKeys = ['cniVersion', 'name', 'type', 'capabilities', 'runtimeConfig', 'args', 'prevResult'];

const choiceProperties: Schema = {
  policy: { type: 'string', description: 'A file of /etc/drawbridge/policies, in place of all other keys' },
  selectable: { type: 'array', items: { type: 'string' }, description: 'Policies that a container may choose' },
};

function policyProperties(): Schema {
  return propertiesOf(policyTable);
}

function propertiesOf(table: Readonly<Record<string, KeyShape>>): Schema {
  return Object.fromEntries(
    Object.entries(table).map(([key, shape]) => [key, { ...schemaOf(shape), description: shape.about }]),
  );
}

function schemaOf(shape: KeyShape): Schema {
  switch (shape.is) {
    case 'word':
      return { enum: shape.values };
    case 'flag':
      return { type: 'boolean' };
    case 'number':
      return { type: 'integer', minimum: shape.min, maximum: shape.max };
    case 'entries':
      return { type: 'array', items: { type: 'string', minLength: 1 }, examples: [[shape.example]] };
    case 'ports':
      return {
        type: 'array',
        items: {
          anyOf: [
            { type: 'string', minLength: 1 },
            { type: 'integer', minimum: 1, maximum: 65_535 },
          ],
        },
        examples: [[shape.example]],
      };
    case 'names':
      return {
        anyOf: [
          { type: 'string' },
          { type: 'array', items: { anyOf: [{ enum: presetNames(noOwnPresets) }, { type: 'string', minLength: 1 }] } },
        ],
      };
    case 'amount':
      return {
        anyOf: [
          { type: 'integer', minimum: 1 },
          { type: 'string', pattern: '^\\d+(\\.\\d+)? ?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$' },
        ],
      };
    case 'time':
      return { type: 'string', pattern: '^(\\d+(\\.\\d+)?[smhdw]?)+$', examples: [shape.example] };
    case 'object':
      return { type: 'object', properties: propertiesOf(shape.keys), additionalProperties: false };
  }
}
