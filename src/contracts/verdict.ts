import { z } from 'zod';

/** The decision of a judge on a plan. An answer that does not parse counts as rejected. */
export const Verdict = z.strictObject({
  is_valid: z.boolean(),
  /** 0 to 1. A plan is accepted when it is valid and the confidence is above the threshold of the run. */
  confidence: z.number().min(0).max(1),
  issues: z.array(z.string()).max(50),
  suggestions: z.array(z.string()).max(50),
});
export type Verdict = z.infer<typeof Verdict>;
