import { z } from 'zod';

/** A text with places for values, `{{goal}}`, and the names of all of them. */
export const PromptText = z.strictObject({
  variables: z.array(
    z.string().regex(/^[a-z][a-z_]*$/, 'is no name of a variable: lower-case letters and _'),
  ),
  text: z.string().trim().min(1),
});
export type PromptText = z.infer<typeof PromptText>;

/** What a model is told for one purpose. The system text has no places for values: data never gets into it. */
export const Prompt = z.strictObject({
  name: z.string(),
  /** Counts up with each change of the texts. */
  version: z.int().min(1),
  system: z.string().trim().min(1),
  user: PromptText,
  /** Asks once more after a reply that could not be read. */
  corrective: PromptText,
});
export type Prompt = z.infer<typeof Prompt>;
