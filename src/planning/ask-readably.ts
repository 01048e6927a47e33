import type { Ask } from '../llm/ask';
import type { Message, ModelRequest } from '../llm/model';
import type { Prompt } from '../prompts/prompt';
import { render } from '../prompts/render';
import type { Read } from './reading/read-reply';

/** How much of an unreadable reply the model is shown again, characters: enough to see its mistake. */
const MAX_SHOWN_REPLY_CHARS = 4_000;
/** The same of what was wrong with it. */
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
 * @returns what was read, or what was wrong with the second reply. @throws what `ask` throws.
 */
export async function askReadably<T>(ask: Ask, question: Question<T>): Promise<Read<T>> {
  const { prompt, values, asked, read, onText } = question;
  const messages: Message[] = [
    { role: 'system', content: prompt.system },
    { role: 'user', content: render(prompt.user, values) },
  ];
  const first = await ask({ ...asked, messages }, onText);
  const reading = read(first.text);
  if (reading.ok) return reading;
  question.onAgain?.();
  const again = [...messages, ...correction(prompt, first.text, reading.problem)];
  return read((await ask({ ...asked, messages: again }, onText)).text);
}

function correction(prompt: Prompt, reply: string, problem: string): Message[] {
  const shown = clip(reply, MAX_SHOWN_REPLY_CHARS);
  return [
    // Providers refuse a message without content.
    { role: 'assistant', content: shown.trim() === '' ? '(nothing)' : shown },
    { role: 'user', content: render(prompt.corrective, { problem: clip(problem, MAX_PROBLEM_CHARS) }) },
  ];
}

function clip(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).toWellFormed()}… (cut)`;
}
