import { Interrupted } from '../../src/contracts/interrupted';
import type { Usage } from '../../src/contracts/model';
import type { Refusal } from '../../src/contracts/refusal';
import type { Endpoint, ModelReply, ModelRequest, Models, Pricing } from '../../src/llm/model';
import type { Ask } from '../../src/llm/ask';

/** What a fake model does when it is asked: says a text, fails, or waits until it is told to stop. */
export type Said = string | Refusal | Error | 'waits' | (() => Promise<string>);

export const USAGE: Usage = { input_tokens: 100, output_tokens: 10, cached_tokens: 0 };
const ENDPOINT = { name: 'fake/1', model: 'fake-1' } as Endpoint;

/** Models that say what the test wrote down, in that order, and keep what they were asked. Out of answers is an error. */
export function fakeModels(...says: Said[]): Models & { requests: ModelRequest[]; left(): number } {
  const requests: ModelRequest[] = [];
  return {
    requests,
    left: () => says.length,
    async call(request, { signal, onText, before, after }): Promise<ModelReply> {
      await before(ENDPOINT);
      requests.push(request);
      const said = says.shift();
      if (said === undefined)
        throw new Error(`The models were asked ${requests.length} times, once too often.`);
      if (said instanceof Error) throw said;
      const text =
        said === 'waits' ? await stopped(signal) : typeof said === 'function' ? await said() : said;
      for (const piece of text.match(/[^]{1,7}/g) ?? []) onText?.(piece);
      const reply = { text, model: ENDPOINT.model, endpoint: ENDPOINT.name, usage: USAGE };
      await after(reply);
      return reply;
    },
  };
}

function stopped(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = () => reject(new Interrupted());
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/** Every question costs at most 1,000 tokens and a cent, and what was said a tenth of that. */
export const PRICES: Pricing = {
  worstCase: () => ({ tokens: 1_000, cost_usd: 0.01 }),
  costOf: () => 0.001,
};
export const NO_PRICES: Pricing = {
  worstCase: () => ({ tokens: 1_000, cost_usd: null }),
  costOf: () => null,
};

/** A question of a given text. */
export function question(text: string): ModelRequest {
  return { tier: 'small', messages: [{ role: 'user', content: text }], format: null, max_output_tokens: 100 };
}

/** Asks as a port does, and gives the pieces that came. */
export async function asked(ask: Ask, text: string): Promise<{ text: string; pieces: string[] }> {
  const pieces: string[] = [];
  const reply = await ask(question(text), (piece) => pieces.push(piece));
  return { text: reply.text, pieces };
}
