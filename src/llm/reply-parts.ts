import { z } from 'zod';
import { Usage } from '../contracts/model';
import { ProviderFault, reportedFault } from './model-failures';

/** Of the name under which a model says that it answered, characters: it is shown in events. */
const MAX_MODEL_NAME_LENGTH = 200;

const Said = z.object({ content: z.unknown(), refusal: z.unknown() }).partial();
/** A chunk of a stream, or a completion: only what is used of it, and of that only what has the right form. */
const Part = z.object({
  model: z.string().min(1).max(MAX_MODEL_NAME_LENGTH).optional().catch(undefined),
  choices: z
    .array(
      z.object({
        delta: Said.nullish().catch(null),
        message: Said.nullish().catch(null),
        finish_reason: z.string().nullish().catch(null),
      }),
    )
    .catch([]),
  usage: z.unknown().optional(),
});

/** As the provider counts. Source: OpenAI's API reference, "The chat completion object". */
const ReportedUsage = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish().catch(null),
});

/** A reply as it comes together: from the chunks of a stream, or from one completion as its only part. */
export class ReplyParts {
  text = '';
  /** Why the model stopped, in the provider's word; null as long as it did not say. */
  finish_reason: string | null = null;
  /** What the model said instead of a reply. */
  refusal = '';
  usage: Usage | null = null;
  /** Name of the model, if it was said. */
  model: string | null = null;

  /**
   * Takes the next part.
   * @returns the piece of text in it
   * @throws ProviderFault when it is none, or reports an error
   */
  take(part: unknown): string {
    const parsed = Part.safeParse(part);
    if (!parsed.success) throw new ProviderFault(null, typeof part === 'string' ? part : 'no completion');
    if (isReport(part)) throw reportedFault(part, null, null);
    const { model, choices, usage } = parsed.data;
    const [choice] = choices;
    const said = choice?.delta ?? choice?.message;
    const piece = typeof said?.content === 'string' ? said.content : '';
    this.text += piece;
    this.refusal += typeof said?.refusal === 'string' ? said.refusal : '';
    // Some say an empty reason in each part before the last one.
    this.finish_reason = choice?.finish_reason || this.finish_reason;
    this.usage = usageOf(usage) ?? this.usage;
    this.model = model ?? this.model;
    return piece;
  }
}

function isReport(part: unknown): boolean {
  return Boolean((part as { error?: unknown }).error);
}

/** @returns null when nothing is said, or what cannot be: fewer than no tokens, or more of them seen before than there are */
function usageOf(reported: unknown): Usage | null {
  const { data } = ReportedUsage.safeParse(reported);
  if (data === undefined) return null;
  const usage = Usage.safeParse({
    input_tokens: data.prompt_tokens,
    output_tokens: data.completion_tokens,
    cached_tokens: data.prompt_tokens_details?.cached_tokens ?? 0,
  });
  return usage.success && usage.data.cached_tokens <= usage.data.input_tokens ? usage.data : null;
}
