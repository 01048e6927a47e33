import { z } from 'zod';
import type { FailureCode } from './failure';

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

const tokens = z.number().int().min(0);
const cost = z.number().min(0).nullable().meta({ description: 'USD; null when a price is unknown.' });

/** What a run has spent on models. Each call that was bought counts once, also one whose reply came too late to be used. */
export const Spending = z
  .strictObject({
    input_tokens: tokens,
    output_tokens: tokens,
    cached_tokens: tokens,
    cost_usd: cost,
    saved: z
      .strictObject({ calls: z.number().int().min(0), tokens })
      .meta({ description: 'Not bought again: replies that were kept and taken again.' }),
    by_model: z.array(
      z.strictObject({
        model: z.string(),
        input_tokens: tokens,
        output_tokens: tokens,
        cached_tokens: tokens,
        cost_usd: cost,
      }),
    ),
  })
  .meta({ id: 'Spending' });
export type Spending = z.infer<typeof Spending>;

/** What stood in for a model that could not be asked: rules for the judge, a template for the writer; and why. */
export interface Degraded {
  part: Exclude<Purpose, 'plan'>;
  code: FailureCode;
  message: string;
}
