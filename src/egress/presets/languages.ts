import { dotnet } from './dotnet.ts';
import { go } from './go.ts';
import { java } from './java.ts';
import { node } from './node.ts';
import { php } from './php.ts';
import type { Preset } from './preset.ts';
import { python } from './python.ts';
import { ruby } from './ruby.ts';
import { rust } from './rust.ts';

/** Presets for the packages of programming languages, by name. */
export const languages: Readonly<Record<string, Preset>> = { go, node, python, rust, ruby, java, dotnet, php };
