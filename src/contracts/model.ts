import { z } from 'zod';

/** How capable, and how dear, a model is. What a tier means is the operator's choice. */
export const TIERS = ['small', 'medium', 'large'] as const;
export type Tier = (typeof TIERS)[number];

/** What a model is asked for: each has its own place in the ledger of a run. */
export const PURPOSES = ['plan', 'judge', 'answer'] as const;
export type Purpose = (typeof PURPOSES)[number];

/** Tokens as the provider counts them. `cached_tokens` are those of the input that it had seen before. */
export const Usage = z
  .strictObject({
    input_tokens: z.number().int().min(0),
    output_tokens: z.number().int().min(0),
    cached_tokens: z.number().int().min(0),
  })
  .meta({ id: 'Usage' });
export type Usage = z.infer<typeof Usage>;
