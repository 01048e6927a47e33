import { z } from 'zod';
import type { Tier } from '../contracts/model';
import { Verdict } from '../contracts/verdict';
import type { Ask } from '../llm/ask';
import type { Prompt } from '../prompts/prompt';
import { askReadably } from './ask-readably';
import type { Judge, JudgeRequest } from './judge';
import { readReply, type Read } from './reading/read-reply';

/** A verdict of 20 sentences fits twice. */
const MAX_OUTPUT_TOKENS = 2_048;
/** Issues, and suggestions, that are kept: more help nobody to mend a plan. */
const MAX_SENTENCES = 20;
/** Longest of them, characters. */
const MAX_SENTENCE_CHARS = 500;

const FORMAT = { name: 'verdict', schema: verdictSchema() };

/**
 * Judges plans by asking a model. Only a verdict in the exact form counts: a confidence of "0.9" or 95 may mean anything, so it
 * is asked for once more and is then no verdict.
 */
export function createModelJudge({ prompt, tier }: { prompt: Prompt; tier: Tier }) {
  return {
    name: 'model',
    instant: false,
    judge: async ({ goal, steps, tools }: JudgeRequest, ask: Ask): Promise<Verdict | null> => {
      const verdict = await askReadably(ask, {
        prompt,
        values: { tools: tools.map(({ name, description }) => ({ name, description })), goal, steps },
        asked: { tier, format: FORMAT, max_output_tokens: MAX_OUTPUT_TOKENS },
        read: readVerdict,
      });
      // Null is no verdict: whoever asked takes it as a rejection.
      return verdict.ok ? verdict.value : null;
    },
  } satisfies Judge;
}

function readVerdict(text: string): Read<Verdict> {
  const reply = readReply(text);
  if (!reply.ok) return reply;
  const { issues, suggestions, ...rest } = reply.value;
  const parsed = Verdict.safeParse({ ...rest, issues: bounded(issues), suggestions: bounded(suggestions) });
  if (parsed.success) return { ok: true, value: parsed.data };
  const wrong = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'verdict'}: ${message}`);
  return { ok: false, problem: wrong.join('\n') };
}

/** Too much to say must not make a clear verdict unreadable; what is no list of texts stays as it is, and does. */
function bounded(sentences: unknown): unknown {
  if (!Array.isArray(sentences)) return sentences;
  return sentences
    .slice(0, MAX_SENTENCES)
    .map((sentence: unknown) => (typeof sentence === 'string' ? clip(sentence) : sentence));
}

function clip(sentence: string): string {
  return [...sentence.slice(0, 2 * MAX_SENTENCE_CHARS)].slice(0, MAX_SENTENCE_CHARS).join('');
}

function verdictSchema(): Record<string, unknown> {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(Verdict);
  return schema;
}
