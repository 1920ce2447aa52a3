import type { SectionName, SectionValue } from './sections/section.ts';
import { egress } from './sections/upkeep/egress.ts';
import { ingressPolicy } from './sections/upkeep/ingress-policy.ts';
import { link } from './sections/upkeep/link.ts';
import { published } from './sections/upkeep/published.ts';
import { redirected } from './sections/upkeep/redirected.ts';
import { shaped } from './sections/upkeep/shaped.ts';
import type { Upkeep } from './sections/upkeep/upkeep.ts';

/** What is done to the machine for each section of a record (sections.ts). */
export const upkeep: { readonly [Name in SectionName]: Upkeep<SectionValue<Name>> } = {
  link,
  egress,
  published,
  ingressPolicy,
  shaped,
  redirected,
  pod: {},
};
