import { serveDns } from '../agent/dns/process/serve-dns.ts';

/** Answers DNS until whoever started it closes its stdin. */
export async function run(): Promise<number> {
  await serveDns();
  return 0;
}
