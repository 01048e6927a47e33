import type { Ask } from '../llm/ask';
import type { Message, ModelRequest } from '../llm/model';
import type { Prompt } from '../prompts/prompt';
import { render } from '../prompts/render';
import type { Read } from './reading/read-reply';

/** How much of an unreadable reply the model is shown again, characters: enough to see its mistake. */
const MAX_SHOWN_REPLY_CHARS = 4_000;
/** Longest word on what was wrong with it, characters: the first of a thousand mistakes show what kind they are. */
const MAX_PROBLEM_CHARS = 1_000;

/** A question, and how its reply is read. */
export interface Question<T> {
  prompt: Prompt;
  /** What stands in the places of the prompt's user text. */
  values: Record<string, unknown>;
  asked: Pick<ModelRequest, 'tier' | 'format' | 'max_output_tokens'>;
  read: (text: string) => Read<T>;
  /** Called before the model is asked once more. */
  onAgain?: () => void;
  /** Pieces of the reply, as they come. */
  onText?: (piece: string) => void;
}

/**
 * Asks, and once more when the reply cannot be read: the model sees its reply and what was wrong with it.
 * @returns what was read, or what was wrong with the second reply, in bounds. @throws what `ask` throws.
 */
export async function askReadably<T>(ask: Ask, question: Question<T>): Promise<Read<T>> {
  const { prompt, values, asked, onText } = question;
  const messages: Message[] = [
    { role: 'system', content: prompt.system },
    { role: 'user', content: render(prompt.user, values) },
  ];
  const first = await ask({ ...asked, messages }, onText);
  const reading = readBounded(question, first.text);
  if (reading.ok) return reading;
  question.onAgain?.();
  const again = [...messages, ...correction(prompt, first.text, reading.problem)];
  return readBounded(question, (await ask({ ...asked, messages: again }, onText)).text);
}

function readBounded<T>({ read }: Question<T>, text: string): Read<T> {
  const reading = read(text);
  return reading.ok ? reading : { ok: false, problem: clip(reading.problem, MAX_PROBLEM_CHARS) };
}

function correction(prompt: Prompt, reply: string, problem: string): Message[] {
  const shown = clip(reply, MAX_SHOWN_REPLY_CHARS);
  return [
    // Providers refuse a message without content.
    { role: 'assistant', content: shown.trim() === '' ? '(nothing)' : shown },
    { role: 'user', content: render(prompt.corrective, { problem }) },
  ];
}

function clip(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).toWellFormed()}… (cut)`;
}
