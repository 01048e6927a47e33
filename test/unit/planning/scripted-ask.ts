import type { Ask } from '../../../src/llm/ask';
import type { ModelRequest } from '../../../src/llm/model';

/** A model that gives these replies, one after the other; a reply in pieces is streamed so. */
export interface ScriptedAsk {
  ask: Ask;
  /** Everything it was asked. */
  requests: ModelRequest[];
  /** Replies that nobody asked for. */
  left(): number;
}

/** Strict: a question too many is an error. An Error among the replies is thrown. */
export function scriptedAsk(...replies: (string | string[] | Error)[]): ScriptedAsk {
  const requests: ModelRequest[] = [];
  const ask: Ask = async (request, onText) => {
    requests.push(structuredClone(request));
    const reply = replies.shift();
    if (reply === undefined) throw new Error('The scripted model was asked once too often.');
    if (reply instanceof Error) throw reply;
    const pieces = typeof reply === 'string' ? [reply] : reply;
    for (const piece of pieces) onText?.(piece);
    return { text: pieces.join(''), model: 'scripted', endpoint: 'test/1', usage: null };
  };
  return { ask, requests, left: () => replies.length };
}

/** The JSON value between the tags of this name in a rendered prompt. */
export function block(request: ModelRequest | undefined, name: string): unknown {
  const lines = request!.messages.findLast(({ role }) => role === 'user')!.content.split('\n');
  const at = lines.indexOf(`<${name}>`);
  if (at < 0 || lines[at + 2] !== `</${name}>`) throw new Error(`There is no block ${name} of one line.`);
  return JSON.parse(lines[at + 1]!);
}
