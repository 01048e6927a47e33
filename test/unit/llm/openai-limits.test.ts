import type { CallOptions } from '../../../src/llm/model';
import { scriptedProvider, type ScriptedProvider } from '../../support/scripted-provider';
import { endpointAt, REQUEST, thrownBy } from './asking';

let provider: ScriptedProvider;
beforeEach(async () => {
  provider = await scriptedProvider();
  // The endpoint's timers stand still until the test moves them; those of sockets are Node's own and go on.
  jest.useFakeTimers({
    doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'Date', 'performance', 'hrtime'],
  });
});
afterEach(async () => {
  jest.useRealTimers();
  await provider.close();
});

/** Longest wait for something on a socket, milliseconds of the real clock. */
const WITHIN_MS = 30_000;
const signal = new AbortController().signal;
/** Long enough that the idle limit comes first. */
const timeout_s = 100;
const call = (onText?: CallOptions['onText']) =>
  endpointAt(provider.url, { timeout_s }).call(REQUEST, { signal, ...(onText && { onText }) });

/** Waits for something on a socket, while the clock stands still. */
async function until(check: () => boolean | undefined): Promise<void> {
  const limit = performance.now() + WITHIN_MS;
  while (check() !== true) {
    if (performance.now() > limit) throw new Error(`Waited ${WITHIN_MS} ms.`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
/** Moves the clock, and lets everything happen that follows from it. */
async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
  for (let turns = 0; turns < 20; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe('The limit of time', () => {
  test.each([
    ['streamed', () => undefined],
    ['not streamed', undefined],
  ])('ends a call that is not answered (%s), and not before', async (_, onText) => {
    provider.answer({ silent: true });
    const thrown = thrownBy(call(onText));
    await until(() => provider.requests.length === 1);
    await pass(99_999);
    expect(provider.requests[0]?.left).toBe(false);
    await pass(1);
    expect(await thrown).toMatchObject({
      code: 'model_timeout',
      message: 'tiny at small/1 took more than 100 s.',
    });
    expect(jest.getTimerCount()).toBe(0);
    await until(() => provider.requests[0]?.left);
  });

  test('ends a stream that goes on and on', async () => {
    provider.answer({ text: 'and on ', ending: 'endless' });
    let pieces = 0;
    const thrown = thrownBy(call(() => pieces++));
    for (let seconds = 0; seconds < timeout_s; seconds += 25) {
      const before = pieces;
      await until(() => pieces > before + 1);
      await pass(25_000);
    }
    expect(await thrown).toMatchObject({
      code: 'model_timeout',
      message: 'tiny at small/1 took more than 100 s.',
    });
    await until(() => provider.requests[0]?.left);
  });
});

describe('The idle limit', () => {
  test('ends a stream 30 seconds after its last byte', async () => {
    const unfinished = '{"choices":[{"delta":{"content":"four"},"finish_reason":""}]}';
    provider.answer({ body: `data: ${unfinished}\n\n`, ending: 'open' });
    let pieces = 0;
    const thrown = thrownBy(call(() => pieces++));
    await until(() => pieces === 1);
    await pass(29_999);
    expect(provider.requests[0]?.left).toBe(false);
    await pass(1);
    expect(await thrown).toMatchObject({
      code: 'model_timeout',
      message: 'tiny at small/1 fell silent in the middle of its reply.',
    });
    await until(() => provider.requests[0]?.left);
  });

  test('does not count before the first byte', async () => {
    let letGo = () => {};
    const hold = new Promise<void>((resolve) => (letGo = resolve));
    provider.answer({ body: '', hold, ending: 'reset' });
    const thrown = thrownBy(call(() => undefined));
    await until(() => provider.requests.length === 1);
    await pass(60_000);
    expect(provider.requests[0]?.left).toBe(false);
    letGo();
    expect(await thrown).toMatchObject({ code: 'model_unreachable' });
  });

  test('is short once the model has finished: what is there is the reply', async () => {
    const finished = '{"choices":[{"delta":{"content":"four"},"finish_reason":"stop"}]}';
    provider.answer({ body: `data: ${finished}\n\ndata: [DONE]\n\n`, ending: 'open' });
    let pieces = 0;
    const reply = call(() => pieces++);
    await until(() => pieces === 1);
    await pass(2_000);
    expect(await reply).toMatchObject({ text: 'four', usage: null });
  });
});

describe('The limit of size', () => {
  const KILOBYTES_64 = 'x'.repeat(65_536);

  test.each([
    ['text', { pieces: [KILOBYTES_64] }],
    ['a line', { body: KILOBYTES_64 }],
    ['pings', { body: `: ${KILOBYTES_64}\n\n` }],
  ])('cuts a stream of endless %s', async (_, answer) => {
    provider.answer({ ...answer, ending: 'endless' });
    expect(await thrownBy(call(() => undefined))).toMatchObject({
      code: 'reply_truncated',
      message: 'The reply of tiny at small/1 grew too large and was cut off.',
    });
    await until(() => provider.requests[0]?.left);
  });

  test('is two megabytes of text', async () => {
    provider.answer({ pieces: [KILOBYTES_64], ending: 'endless' });
    let bytes = 0;
    await thrownBy(call((piece) => (bytes += piece.length)));
    expect(bytes).toBe(Math.floor(2_000_000 / 65_536) * 65_536);
  });

  test('cuts an endless reply that is not streamed, and an endless report of an error', async () => {
    const endless = { body: KILOBYTES_64, ending: 'endless' } as const;
    provider.answer(endless, { ...endless, status: 503 });
    expect(await thrownBy(call())).toMatchObject({ code: 'reply_truncated' });
    expect(await thrownBy(call())).toMatchObject({ code: 'model_overloaded' });
    await until(() => provider.requests.every(({ left }) => left));
  });

  test('lets a long reply through', async () => {
    const text = 'word '.repeat(20_000);
    provider.answer({ text });
    let length = 0;
    expect((await call((piece) => (length += piece.length))).text).toHaveLength(100_000);
    expect(length).toBe(100_000);
  });
});
