import { CniError, codes } from '../../../cni/errors.ts';
import type { Fields } from '../../../cni/fields.ts';
import type { NetworkConf } from '../../../cni/request.ts';
import type { Limit, Shaping } from '../../../links/shaping.ts';

const keys = ['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst'];

/** The kernel counts a burst in 32 bits of bytes. */
const largestBurst = (2 ** 32 - 1) * 8;

/**
 * Reads the keys of the reference bandwidth plugin: rates in bits a second, bursts in bits, 0 for no limit. When the
 * conf has one of them, what the runtime asks for (capability "bandwidth") does not count.
 *
 * Throws code 7 for a rate without a burst and the reverse, and for values that the kernel cannot count.
 */
export function parseBandwidthConf({ fields }: NetworkConf): Shaping {
  const asked = keys.some((key) => fields.raw(key) !== undefined)
    ? fields
    : fields.object('runtimeConfig')?.object('bandwidth');
  if (asked === undefined) return {};
  const ingress = limitOf(asked, 'ingress');
  const egress = limitOf(asked, 'egress');
  return { ...(ingress === undefined ? {} : { ingress }), ...(egress === undefined ? {} : { egress }) };
}

function limitOf(fields: Fields, direction: 'ingress' | 'egress'): Limit | undefined {
  const [rateKey, burstKey] = [`${direction}Rate`, `${direction}Burst`];
  const rate = fields.integer(rateKey, { min: 0 }) ?? 0;
  const burst = fields.integer(burstKey, { min: 0, max: largestBurst }) ?? 0;
  if (rate === 0 && burst === 0) return undefined;
  if (rate === 0 || burst === 0) {
    const [given, missing] = rate === 0 ? [burstKey, rateKey] : [rateKey, burstKey];
    throw new CniError(
      codes.invalidConfig,
      `Invalid "${fields.at(given)}": it is ${rate + burst}, and "${fields.at(missing)}" is missing or 0`,
      'A rate (bits a second) and a burst (bits) come together; 0 for both is no limit',
    );
  }
  // What is less than a byte is cut off, as in the reference.
  if (rate < 8) throw fields.invalid(rateKey, '0 or at least 8 bits a second');
  if (burst < 8) throw fields.invalid(burstKey, '0 or at least 8 bits');
  return { rate: Math.floor(rate / 8), burst: Math.floor(burst / 8) };
}
