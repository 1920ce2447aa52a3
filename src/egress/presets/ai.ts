import type { Preset } from './preset.ts';

/**
 * Where the vendors' APIs are, as clients that speak with several of them list them.
 */
export const ai: Preset = {
  about: 'APIs of language models',
  checked: { on: '2026-11-27', against: 'provider tables of clients that speak the OpenAI API' },
  zones: [
    {
      ports: ['443/tcp'],
      names: [
        'ai.fireworks.api',
        'ai.mistral.api',
        'ai.openrouter',
        'ai.perplexity.api',
        'ai.x.api',
        'co.huggingface.router',
        'com.anthropic.api',
        'com.cohere.api',
        'com.deepseek.api',
        'com.googleapis.generativelanguage',
        'com.groq.api',
        'com.openai.api',
        'xyz.together.api',
      ],
    },
  ],
};
