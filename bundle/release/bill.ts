import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly type?: string;
  readonly scope?: string;
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

interface Bill {
  readonly metadata: { readonly component: object; readonly [key: string]: unknown };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const ofDevelopment = 'cdx:npm:package:development';

/**
 * The bill of materials of a release (CycloneDX 1.5), by npm from package-lock.json: the packages whose code is in the
 * executable, and Bun, which npm knows as a tool and which is the executable around them. What npm makes up for each
 * run, time and number, is left out or made of the content: the same lockfile gives the same bytes.
 */
export function billOfMaterials(version: string): string {
  const output = execFileSync('npm', ['sbom', '--package-lock-only', '--sbom-format=cyclonedx'], {
    cwd: join(import.meta.dirname, '../..'),
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const { metadata, components, dependencies, ...rest } = JSON.parse(output) as Bill;
  const inside = components.filter(isInside).map((one) => (one.name === 'bun' ? asRuntime(one) : one));
  const refs = new Set([`drawbridge@${version}`, ...inside.map((one) => one['bom-ref'])]);
  const bill = {
    ...rest,
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(inside) + version)}`,
    metadata: {
      lifecycles: metadata['lifecycles'],
      // npm takes the name of the folder.
      component: { ...metadata.component, type: 'application', name: 'drawbridge' },
    },
    components: inside,
    dependencies: dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) })),
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

function isInside({ name, properties = [] }: Component): boolean {
  return name === 'bun' || !properties.some((property) => property.name === ofDevelopment);
}

function asRuntime({ properties = [], ...component }: Component): Component {
  return {
    ...component,
    type: 'platform',
    scope: 'required',
    properties: properties.filter(({ name }) => name !== ofDevelopment),
  };
}

/** A UUID of version 8 (RFC 9562, section 5.8): its bits are ours to choose. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
