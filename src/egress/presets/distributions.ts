import { alpine } from './alpine.ts';
import { debian } from './debian.ts';
import { fedora } from './fedora.ts';
import type { Preset } from './preset.ts';
import { ubuntu } from './ubuntu.ts';

/** Presets for the packages of Linux distributions, by name. */
export const distributions: Readonly<Record<string, Preset>> = { debian, ubuntu, alpine, fedora };
