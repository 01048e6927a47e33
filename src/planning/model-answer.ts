import type { EndedStep } from '../contracts/ended-step';
import type { Tier } from '../contracts/model';
import { Refusal } from '../contracts/refusal';
import type { Ask } from '../llm/ask';
import type { ModelRequest } from '../llm/model';
import type { Prompt } from '../prompts/prompt';
import { render } from '../prompts/render';
import type { AnswerRequest, AnswerWriter } from './answer-writer';
import { askReadably } from './ask-readably';
import { MAX_ANSWER_BYTES } from './template-answer';
import type { Read } from './reading/read-reply';

/** Who writes answers where nothing else is said. */
export const ANSWER_TIER: Tier = 'medium';
/** An answer as long as one may be has about 5,000 tokens in English, more in other scripts. */
const MAX_OUTPUT_TOKENS = 8_192;
/** One input or output that the model is shown, bytes of JSON: more of one step says little more. */
const MAX_VALUE_BYTES = 16_000;
/** All of them together, bytes of JSON: about 25,000 tokens, which a model with a context of 32,000 still takes. */
const MAX_VALUES_BYTES = 96_000;
/** Message of a failed step, characters. */
const MAX_MESSAGE_CHARS = 500;
/** Ends an answer that was longer; kept free for it. */
const CUT = '… (cut)';

/**
 * Writes answers by asking a model, which is told to cite steps as `[step_2]`. The answer is text for people and nothing acts on it:
 * an instruction in an output can change its wording at most. Citations stay as they were written, also of a step that does not
 * exist, so that the answer is what was streamed.
 */
export function createModelAnswer({ prompt, tier }: { prompt: Prompt; tier: Tier }) {
  return {
    model: modelOf(tier),
    instant: false,
    /** @throws Refusal `reply_unreadable` when the model twice says nothing; what `ask` throws. */
    write: async (
      { goal, steps, tier: wanted = tier }: AnswerRequest,
      ask: Ask,
      onText: (piece: string) => void,
    ): Promise<string> => {
      const written = await askReadably(ask, {
        prompt,
        values: { goal, steps: shownSteps(steps) },
        asked: { tier: wanted, format: null, max_output_tokens: MAX_OUTPUT_TOKENS },
        read: readAnswer,
        onText: limited(onText),
      });
      if (!written.ok) throw new Refusal('reply_unreadable', written.problem);
      return written.value;
    },
  } satisfies AnswerWriter;
}

/** What stands for the model of a tier, before one of its endpoints is chosen. */
export function modelOf(tier: Tier): string {
  return `model/${tier}`;
}

/** What one step adds to the question beside its values, bytes at most: its names, its title, the message of its failure. */
const STEP_FRAME_BYTES = 4_000;

/** The largest question that an answer can take, without a second one: for what it may cost before anything is known of the outputs. */
export function largestAnswer(
  { prompt, tier }: { prompt: Prompt; tier: Tier },
  goal: string,
  steps: number,
): ModelRequest {
  const values = Math.min(MAX_VALUES_BYTES, 2 * steps * MAX_VALUE_BYTES);
  // Twice: what is all quotes takes twice its bytes on the wire.
  const filler = 'x'.repeat(2 * (values + steps * STEP_FRAME_BYTES));
  return {
    tier,
    format: null,
    max_output_tokens: MAX_OUTPUT_TOKENS,
    messages: [
      { role: 'system', content: prompt.system },
      { role: 'user', content: render(prompt.user, { goal, steps: filler }) },
    ],
  };
}

function readAnswer(text: string): Read<string> {
  if (text.trim() === '') return { ok: false, problem: 'The reply is empty.' };
  if (Buffer.byteLength(text) <= MAX_ANSWER_BYTES) return { ok: true, value: text };
  return { ok: true, value: `${beginning(text, MAX_ANSWER_BYTES - Buffer.byteLength(CUT))}${CUT}` };
}

/** Passes pieces on until an answer has its largest size. */
function limited(onText: (piece: string) => void): (piece: string) => void {
  let left = MAX_ANSWER_BYTES;
  return (piece) => {
    if (left <= 0) return;
    const bytes = Buffer.byteLength(piece);
    onText(bytes <= left ? piece : beginning(piece, left));
    left -= bytes;
  };
}

/** A value as the model sees it: itself, or the beginning of its JSON and how much there is of it. */
type Shown = unknown;

function shownSteps(steps: readonly EndedStep[]): Record<string, Shown>[] {
  const sizes = steps.flatMap(({ input, output }) => [bytesOf(input), bytesOf(output)]);
  const most = Math.min(MAX_VALUE_BYTES, fairShare(sizes, MAX_VALUES_BYTES));
  return steps.map(({ id, tool, title, status, input, output, failure }) => ({
    id,
    tool,
    ...(title === null ? {} : { title }),
    status,
    ...(input === null ? {} : { input: shown(input, most) }),
    ...(status === 'completed' ? { output: shown(output, most) } : {}),
    ...(failure === null
      ? {}
      : { failure: { code: failure.code, message: failure.message.slice(0, MAX_MESSAGE_CHARS) } }),
  }));
}

function shown(value: unknown, most: number): Shown {
  const json = JSON.stringify(value) ?? 'null';
  const bytes = Buffer.byteLength(json);
  if (bytes <= most) return value ?? null;
  return { cut: { bytes, shown: most, beginning: beginning(json, most) } };
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? 'null');
}

/** The largest size to which values are cut so that all of them together fit: small ones leave their rest to large ones. */
function fairShare(sizes: readonly number[], total: number): number {
  const ascending = [...sizes].sort((one, other) => one - other);
  let left = total;
  for (const [index, size] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - index));
    if (size > share) return share;
    left -= size;
  }
  return total;
}

/** The first bytes of a text, without a character that is cut in two. */
function beginning(text: string, bytes: number): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(text).subarray(0, bytes), {
    stream: true,
  });
}
