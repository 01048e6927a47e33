import type { ModelRequest } from '../../../src/llm/model';
import { createOpenAiEndpoint, type OpenAiEndpointSettings } from '../../../src/llm/openai-endpoint';

export const KEY = 'sk-test-0123456789abcdefghijklmnop';

export const REQUEST: ModelRequest = {
  tier: 'small',
  messages: [
    { role: 'system', content: 'You calculate.' },
    { role: 'user', content: 'What is 2 + 2?' },
  ],
  format: null,
  max_output_tokens: 500,
};

export const FORMATTED: ModelRequest = {
  ...REQUEST,
  format: { name: 'sum', schema: { type: 'object', properties: { sum: { type: 'number' } } } },
};

export function endpointAt(base_url: string, more: Partial<OpenAiEndpointSettings> = {}) {
  return createOpenAiEndpoint({
    name: 'small/1',
    model: 'tiny',
    base_url,
    api_key: KEY,
    timeout_s: 20,
    ...more,
  });
}

/** Asks once and keeps the pieces. */
export async function ask(base_url: string, request = REQUEST) {
  const pieces: string[] = [];
  const options = {
    signal: new AbortController().signal,
    onText: (piece: string) => void pieces.push(piece),
  };
  const reply = await endpointAt(base_url).call(request, options);
  return { reply, pieces };
}

/** The same without a stream. */
export function askWhole(base_url: string, request = REQUEST) {
  return endpointAt(base_url).call(request, { signal: new AbortController().signal });
}

/** What a failed call throws. @throws Error when it does not fail */
export async function thrownBy(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => Promise.reject(new Error('The call did not fail.')),
    (error: unknown) => error,
  );
}
