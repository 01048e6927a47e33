import { Refusal } from '../../../src/contracts/refusal';
import { scriptedProvider, type Answer, type ScriptedProvider } from '../../support/scripted-provider';
import { ask, askWhole, endpointAt, KEY, REQUEST, thrownBy } from './asking';

let provider: ScriptedProvider;
beforeEach(async () => (provider = await scriptedProvider()));
afterEach(() => provider.close());

// The client binds the console when it first writes to it: it must be another one from the beginning.
const printed: unknown[][] = [];
const { error } = console;
beforeAll(() => void (console.error = (...words) => printed.push(words)));
afterAll(() => void (console.error = error));

/** As OpenAI reports it. */
const report = (status: number, message = 'no', code: string | null = null): Answer => ({
  status,
  body: { error: { message, type: 'some_error', param: null, code } },
});
const HTML = {
  headers: { 'content-type': 'text/html' },
  body: '<!DOCTYPE html><html><body>Hi</body></html>',
};

/** The refusal of a call, which has to be the same streamed and not. */
async function refusalFor(answer: Answer): Promise<Refusal> {
  provider.answer(answer, answer);
  const thrown = (await thrownBy(ask(provider.url))) as Refusal;
  expect(thrown).toBeInstanceOf(Refusal);
  expect(await thrownBy(askWhole(provider.url))).toMatchObject({ code: thrown.code });
  return thrown;
}

test.each<[string, Answer, string]>([
  ['401', report(401), 'model_key_refused'],
  ['402', report(402), 'model_key_refused'],
  ['403', report(403), 'model_key_refused'],
  ['404', report(404), 'model_unknown'],
  ['408', report(408), 'model_timeout'],
  ['409', report(409), 'model_request_refused'],
  ['413', report(413), 'context_too_long'],
  ['429', report(429), 'model_rate_limited'],
  ['429 without quota', report(429, 'no', 'insufficient_quota'), 'model_key_refused'],
  ['500', report(500), 'model_overloaded'],
  ['502', report(502), 'model_overloaded'],
  ['502 of a proxy', { status: 502, ...HTML }, 'model_overloaded'],
  ['503', report(503), 'model_overloaded'],
  ['504', report(504), 'model_timeout'],
  ['529', report(529), 'model_overloaded'],
  ['400', report(400), 'model_request_refused'],
  ['400 without a body', { status: 400, body: '' }, 'model_request_refused'],
  ['400 with a code', report(400, 'no', 'context_length_exceeded'), 'context_too_long'],
  ['400 in words', report(400, "This model's maximum context length is 8 tokens"), 'context_too_long'],
  ['400 of a filter', report(400, 'no', 'content_filter'), 'model_declined'],
  ['400 with a hostile code', report(400, 'no', 'constructor'), 'model_request_refused'],
  ['200 with HTML', HTML, 'model_unreachable'],
  ['200 with an error', { ...report(200) }, 'model_unreachable'],
  [
    '200 with an error and its status',
    { body: { error: { message: 'no', code: 429 } } },
    'model_rate_limited',
  ],
  ['200 with nothing of use', { body: { hello: 'world' } }, 'model_unreachable'],
  ['200 with a list', { body: [] }, 'model_unreachable'],
  [
    '200 with half an object',
    { body: '{"choices":', headers: { 'content-type': 'application/json' } },
    'model_unreachable',
  ],
  ['204', { status: 204, body: '' }, 'model_unreachable'],
])('An answer with %s', async (_, answer, code) => {
  expect(await refusalFor(answer)).toMatchObject({ code });
});

test('A page instead of a completion leads to the base URL', async () => {
  const { message } = await refusalFor(HTML);
  expect(message).toBe('tiny at small/1: an HTML page. Is the base URL that of its API?');
});

test('An error in the middle of a stream fails the call, with what the provider says', async () => {
  const body =
    'data: {"choices":[{"delta":{"content":"fo"}}]}\n\ndata: {"error":{"message":"engine lost"}}\n\n';
  provider.answer({ body });
  expect(await thrownBy(ask(provider.url))).toMatchObject({
    code: 'model_unreachable',
    message: 'tiny at small/1: engine lost',
  });
});

test('A chunk that is no JSON fails the call, and nothing of it is printed', async () => {
  provider.answer({ body: 'data: {"choices":[\n\n' });
  expect(await thrownBy(ask(provider.url))).toMatchObject({ code: 'model_unreachable' });
  expect(printed).toEqual([]);
});

test.each<[string, Answer]>([
  ['before the model has finished', { text: 'four', ending: 'reset' }],
  ['before anything is said', { body: '', ending: 'reset' }],
])('A connection that breaks %s fails the call', async (_, answer) => {
  provider.answer(answer);
  expect(await thrownBy(ask(provider.url))).toMatchObject({ code: 'model_unreachable' });
});

test('A provider that is not there cannot be reached; its address is not told', async () => {
  const gone = await scriptedProvider();
  await gone.close();
  const thrown = await thrownBy(ask(gone.url));
  expect(thrown).toMatchObject({ code: 'model_unreachable', message: 'tiny at small/1: ECONNREFUSED' });
});

test.each([301, 302, 303, 307, 308])(
  'A redirect with %p is not followed: the key stays here',
  async (status) => {
    const other = await scriptedProvider();
    provider.answer({ status, headers: { location: `${other.url}/chat/completions` }, body: '' });
    expect(await thrownBy(ask(provider.url))).toMatchObject({ code: 'model_unreachable' });
    expect(other.requests).toEqual([]);
    await other.close();
  },
);

describe('The delay that a provider asks for', () => {
  const delayOf = async (headers: Record<string, string>, status = 429) => {
    provider.answer({ ...report(status), headers });
    return ((await thrownBy(askWhole(provider.url))) as Refusal).more.retry_after_ms;
  };

  test.each([
    ['milliseconds', { 'retry-after-ms': '1500' }, 1_500],
    ['both, of which milliseconds are taken', { 'retry-after-ms': '1500', 'retry-after': '9' }, 1_500],
    ['seconds', { 'retry-after': '7' }, 7_000],
    ['parts of a second', { 'retry-after': '0.25' }, 250],
    ['a day, which is cut', { 'retry-after': '86400' }, 600_000],
    ['a date in the past', { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }, undefined],
    ['nothing', {}, undefined],
    ['no time', { 'retry-after': '0' }, undefined],
    ['less than no time', { 'retry-after': '-5' }, undefined],
    ['garbage', { 'retry-after-ms': 'soon', 'retry-after': 'May 5 2099' }, undefined],
    ['endless digits', { 'retry-after': '9'.repeat(400) }, undefined],
  ])('is read from %s', async (_, headers, delay) => expect(await delayOf(headers)).toBe(delay));

  test('may be a date', async () => {
    const now = new Date();
    const delay = await delayOf({ 'retry-after': new Date(now.getTime() + 100_000).toUTCString() });
    // A date has whole seconds.
    expect(delay).toBeGreaterThan(100_000 - 1_000 - (Date.now() - now.getTime()));
    expect(delay).toBeLessThanOrEqual(100_000);
  });

  test('comes with an overload too', async () =>
    expect(await delayOf({ 'retry-after': '7' }, 503)).toBe(7_000));
});

describe('What a provider says about a failure', () => {
  const said = async (body: string | object) => {
    provider.answer({ status: 400, body });
    return ((await thrownBy(askWhole(provider.url))) as Refusal).message;
  };
  const BEGINNING = 'tiny at small/1 answered 400';

  test.each<[string, string | object, string]>([
    ['as OpenAI puts it', { error: { message: 'Wrong.' } }, ': Wrong.'],
    ['as a plain text in the envelope', { error: 'Wrong.' }, ': Wrong.'],
    ['without the envelope', { message: 'Wrong.' }, ': Wrong.'],
    ['as a list', { detail: [{ loc: ['body', 'top_p'] }] }, ': [{"loc":["body","top_p"]}]'],
    ['as text', 'Wrong.', ': Wrong.'],
    ['as nothing', '', '.'],
    ['as a page', HTML.body, ': an HTML page. Is the base URL that of its API?'],
    ['in several lines', 'One.\r\n\tTwo.\u0000\u001b[2J', ': One. Two. [2J'],
    ['with half a letter', { message: 'One \ud83d two' }, ': One two'],
  ])('is kept %s', async (_, body, message) => expect(await said(body)).toBe(`${BEGINNING}${message}`));

  test('is cut to 300 characters', async () => {
    const message = (await said({ message: '👋 '.repeat(10_000) })).slice(`${BEGINNING}: `.length);
    expect([...message]).toHaveLength(300);
    expect(message).toMatch(/👋 …$|👋…$/);
  });

  test.each([
    `Incorrect API key provided: ${KEY}.`,
    `Authorization: Bearer ${KEY}`,
    'Incorrect API key provided: sk-proj-********mnop.',
    'Incorrect API key provided: abcd****mnop.',
    'key gsk_0123456789abc is over',
    'token 0123456789abcdef0123456789ABCDEF',
  ])('is kept without the key: %p', async (message) => {
    expect(await said({ message })).toMatch(/\[key\]/);
    expect(await said({ message })).not.toMatch(/0123|mnop|proj|abcd/);
  });

  test('is kept without a key of any form, wherever it stands', async () => {
    const api_key = 'correct horse battery'.replaceAll(' ', '+');
    provider.answer({ status: 401, body: { message: `${'x '.repeat(140)}${api_key}${api_key}` } });
    const call = endpointAt(provider.url, { api_key }).call(REQUEST, {
      signal: new AbortController().signal,
    });
    expect(((await thrownBy(call)) as Error).message).not.toMatch(/correct|horse|battery/);
  });
});
