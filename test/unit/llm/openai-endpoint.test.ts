import { Interrupted } from '../../../src/contracts/interrupted';
import { eventually } from '../../support/eventually';
import { scriptedProvider, type ScriptedProvider } from '../../support/scripted-provider';
import { ask, askWhole, endpointAt, KEY, REQUEST, thrownBy } from './asking';

let provider: ScriptedProvider;
beforeEach(async () => (provider = await scriptedProvider()));
afterEach(() => provider.close());

const signal = new AbortController().signal;

/** Something the test lets go. */
function held() {
  let letGo = () => {};
  const hold = new Promise<void>((resolve) => (letGo = resolve));
  return { hold, letGo };
}

describe('A streamed reply', () => {
  test('is given in pieces as they come, and whole at the end, with its usage', async () => {
    const { hold, letGo } = held();
    const usage = { input_tokens: 20, output_tokens: 3, cached_tokens: 16 };
    provider.answer({ pieces: ['fo', '', 'ur'], usage, model: 'tiny-2026', hold });
    const pieces: string[] = [];
    const call = endpointAt(provider.url).call(REQUEST, { signal, onText: (piece) => pieces.push(piece) });
    await eventually(() => pieces.length === 2, { what: 'the pieces, before the end is there' });
    letGo();
    expect(await call).toEqual({ text: 'four', model: 'tiny-2026', endpoint: 'small/1', usage });
    expect(pieces).toEqual(['fo', 'ur']);
  });

  test('may come in any bytes: five at a time, through letters of several bytes', async () => {
    const text = 'Grüße, 你好 👋🏽 — "quoted"\nline';
    provider.answer({ text, chunk_bytes: 5 });
    const { reply, pieces } = await ask(provider.url);
    expect(reply.text).toBe(text);
    expect(pieces.join('')).toBe(text);
  });

  test('is asked for with its usage, with the key, and under the name of the model', async () => {
    provider.answer({ text: 'four' });
    await ask(provider.url);
    const [{ method, path, headers, body }] = provider.requests as [(typeof provider.requests)[0]];
    expect({ method, path, authorization: headers.authorization }).toEqual({
      method: 'POST',
      path: '/v1/chat/completions',
      authorization: `Bearer ${KEY}`,
    });
    expect(body).toEqual({
      model: 'tiny',
      messages: REQUEST.messages,
      max_tokens: 500,
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('may come at once all the same, as one piece', async () => {
    const message = { role: 'assistant', content: 'four' };
    provider.answer({ body: { model: 'tiny', choices: [{ index: 0, message, finish_reason: 'stop' }] } });
    const { reply, pieces } = await ask(provider.url);
    expect({ text: reply.text, pieces }).toEqual({ text: 'four', pieces: ['four'] });
  });

  test('has its usage also where that comes before the end', async () => {
    const usage = '{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1}}';
    const end = '{"choices":[{"delta":{"content":"four"},"finish_reason":"stop"}]}';
    provider.answer({ body: `data: ${usage}\n\ndata: ${end}\n\ndata: [DONE]\n\n` });
    expect((await ask(provider.url)).reply.usage).toEqual({
      input_tokens: 7,
      output_tokens: 1,
      cached_tokens: 0,
    });
  });

  test('is whole when it breaks after the model has finished; only its usage is lost', async () => {
    const { hold, letGo } = held();
    const body =
      'data: {"choices":[{"delta":{"content":"four"}}]}\n\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n';
    provider.answer({ body, hold, ending: 'reset' });
    const onText = () => letGo();
    expect(await endpointAt(provider.url).call(REQUEST, { signal, onText })).toMatchObject({
      text: 'four',
      usage: null,
    });
  });

  test('is asked for without an error of the listener being taken for one of the provider', async () => {
    provider.answer({ text: 'four', ending: 'open' });
    const onText = () => {
      throw new RangeError('of the listener');
    };
    expect(await thrownBy(endpointAt(provider.url).call(REQUEST, { signal, onText }))).toEqual(
      new RangeError('of the listener'),
    );
    await eventually(() => provider.requests[0]?.left, { what: 'the connection to be closed' });
  });
});

describe('A reply without a stream', () => {
  test('comes whole, with its usage', async () => {
    provider.answer({ text: 'four' });
    expect(await askWhole(provider.url)).toEqual({
      text: 'four',
      model: 'tiny',
      endpoint: 'small/1',
      usage: { input_tokens: 10, output_tokens: 5, cached_tokens: 0 },
    });
    expect(provider.requests[0]?.body).toEqual({
      model: 'tiny',
      messages: REQUEST.messages,
      max_tokens: 500,
    });
  });

  test.each([
    ['not said', null],
    ['negative', { input_tokens: -1, output_tokens: 5 }],
    ['no number', { input_tokens: NaN, output_tokens: 5 }],
    ['half a token', { input_tokens: 1.5, output_tokens: 5 }],
    ['more seen before than there is', { input_tokens: 1, output_tokens: 5, cached_tokens: 2 }],
  ])('has no usage when that is %s', async (_, usage) => {
    provider.answer({ text: 'four', usage }, { text: 'four', usage });
    expect((await askWhole(provider.url)).usage).toBeNull();
    expect((await ask(provider.url)).reply.usage).toBeNull();
  });
});

describe('A model that does not say all it wanted to', () => {
  test.each([
    ['was stopped at its limit', { text: 'fo', finish: 'length' }, 'reply_truncated'],
    ['was stopped by a filter', { text: 'fo', finish: 'content_filter' }, 'model_declined'],
    ['refuses', { refusal: 'I cannot help with that.' }, 'model_declined'],
    ['never says that it has finished', { text: 'four', finish: null }, 'model_unreachable'],
    ['stops for a reason that nobody knows', { text: 'four', finish: 'error' }, 'model_unreachable'],
    ['finishes without a word', { text: '' }, 'model_unreachable'],
    ['finishes with blanks', { text: ' \n' }, 'model_unreachable'],
  ])('has failed: it %s', async (_, answer, code) => {
    provider.answer(answer, answer);
    expect(await thrownBy(ask(provider.url))).toMatchObject({ code });
    expect(await thrownBy(askWhole(provider.url))).toMatchObject({ code });
  });
});

describe('A reply that is of no use', () => {
  test.each([
    ['was stopped at its limit', { text: 'fo', finish: 'length' }],
    ['refuses', { refusal: 'I cannot help with that.' }],
  ])('says what was paid for it: it %s', async (_, answer) => {
    const usage = { input_tokens: 7, output_tokens: 500 };
    provider.answer({ ...answer, usage }, { ...answer, usage: null });
    expect(await thrownBy(ask(provider.url))).toMatchObject({ more: { bought: { usage } } });
    expect(await thrownBy(ask(provider.url))).toMatchObject({ more: { bought: { usage: null } } });
  });
});

describe('A call that its caller stops', () => {
  test('ends at once, before the answer, and the request with it', async () => {
    provider.answer({ silent: true });
    const caller = new AbortController();
    const call = thrownBy(endpointAt(provider.url).call(REQUEST, { signal: caller.signal }));
    await eventually(() => provider.requests.length === 1);
    caller.abort();
    expect(await call).toBeInstanceOf(Interrupted);
    await eventually(() => provider.requests[0]?.left, { what: 'the connection to be closed' });
  });

  test('ends in the middle of a stream, and no piece comes after that', async () => {
    provider.answer({ pieces: ['a', 'b', 'c'], ending: 'open' });
    const caller = new AbortController();
    const pieces: string[] = [];
    const onText = (piece: string) => {
      pieces.push(piece);
      caller.abort();
    };
    const call = endpointAt(provider.url).call(REQUEST, { signal: caller.signal, onText });
    expect(await thrownBy(call)).toBeInstanceOf(Interrupted);
    expect(pieces).toEqual(['a']);
    await eventually(() => provider.requests[0]?.left, { what: 'the connection to be closed' });
  });

  test('ends also when the last piece stopped it', async () => {
    provider.answer({ body: 'data: {"choices":[{"delta":{"content":"four"},"finish_reason":"stop"}]}\n\n' });
    const caller = new AbortController();
    const options = { signal: caller.signal, onText: () => caller.abort() };
    expect(await thrownBy(endpointAt(provider.url).call(REQUEST, options))).toBeInstanceOf(Interrupted);
  });

  test('is not made when it was stopped before', async () => {
    const call = endpointAt(provider.url).call(REQUEST, { signal: AbortSignal.abort() });
    expect(await thrownBy(call)).toBeInstanceOf(Interrupted);
    expect(provider.requests).toEqual([]);
  });
});
