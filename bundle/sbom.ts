import { createHash } from 'node:crypto';

/** What an entry of package-lock.json says of a package. */
interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, Locked>>;
}

/**
 * The bill of materials of a release (CycloneDX 1.5): the packages whose code is in the executable, and Bun, which is
 * the executable around it. The same lockfile gives the same bytes, so it has no time and no random number.
 */
export function billOfMaterials({ packages }: Lockfile, version: string): string {
  const isInside = ([path, { dev, devOptional }]: [string, Locked]): boolean =>
    path !== '' && (path === 'node_modules/bun' || (dev !== true && devOptional !== true));
  const components = Object.entries(packages)
    .filter(isInside)
    .map(([path, locked]) => component(path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length), locked))
    .toSorted((one, other) => (one['bom-ref'] < other['bom-ref'] ? -1 : 1));
  const distinct = [...new Map(components.map((one) => [one['bom-ref'], one])).values()];
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(distinct) + version)}`,
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': `drawbridge@${version}`,
        name: 'drawbridge',
        version,
        licenses: [{ license: { id: 'Apache-2.0' } }],
      },
    },
    components: distinct,
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

function component(name: string, { version = '', license, integrity }: Locked) {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const hash = /^sha512-(.+)$/u.exec(integrity ?? '')?.[1];
  return {
    type: name === 'bun' ? 'platform' : 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(license === undefined ? {} : { licenses: [{ license: { id: license } }] }),
    ...(hash === undefined
      ? {}
      : { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }),
  };
}

/** A UUID of version 8 (RFC 9562, section 5.8): its bits are ours to choose. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
