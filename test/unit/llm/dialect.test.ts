import { firstDialect } from '../../../src/llm/dialect';
import { eventually } from '../../support/eventually';
import { scriptedProvider, type Answer, type ScriptedProvider } from '../../support/scripted-provider';
import { endpointAt, FORMATTED, REQUEST, thrownBy } from './asking';

let provider: ScriptedProvider;
beforeEach(async () => (provider = await scriptedProvider()));
afterEach(() => provider.close());

const options = { signal: new AbortController().signal };
const refused = (message: string, status = 400): Answer => ({ status, body: { error: { message } } });
const NO_SCHEMA = refused("Invalid parameter: 'response_format' of type 'json_schema' is not supported.");
const NO_OBJECT = refused('This response_format type is unavailable now.');
const SUM: Answer = { text: '{"sum":4}' };

const formats = () => provider.requests.map(({ body }) => body.response_format?.type ?? 'none');
const schema = JSON.stringify(FORMATTED.format?.schema);

describe('A provider that takes schemas', () => {
  test('gets the schema, and the messages as they are', async () => {
    provider.answer(SUM);
    await endpointAt(provider.url).call(FORMATTED, options);
    expect(provider.requests[0]?.body).toMatchObject({
      messages: FORMATTED.messages,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'sum', schema: FORMATTED.format?.schema, strict: false },
      },
    });
  });
});

describe('A provider that does not', () => {
  test('is asked for an object instead, and told the schema', async () => {
    provider.answer(NO_SCHEMA, SUM);
    expect((await endpointAt(provider.url).call(FORMATTED, options)).text).toBe('{"sum":4}');
    expect(formats()).toEqual(['json_schema', 'json_object']);
    const [system, user] = provider.requests[1]?.body.messages ?? [];
    expect(system).toEqual({ role: 'system', content: expect.stringMatching(/^You calculate\.\n\n.*JSON/) });
    expect(system?.content).toContain(schema);
    expect(user).toEqual(FORMATTED.messages[1]);
  });

  test('is told the schema in a message of its own where there is no other', async () => {
    provider.answer(NO_SCHEMA, SUM);
    const messages = [{ role: 'user', content: '2 + 2' }] as const;
    await endpointAt(provider.url).call({ ...FORMATTED, messages }, options);
    const [system, user] = provider.requests[1]?.body.messages ?? [];
    expect(system).toEqual({ role: 'system', content: expect.stringContaining(schema) });
    expect(user).toEqual(messages[0]);
  });

  test('is asked for nothing when it takes no objects either; from then on that is known', async () => {
    provider.answer(NO_SCHEMA, NO_OBJECT, SUM, SUM);
    const endpoint = endpointAt(provider.url);
    await endpoint.call(FORMATTED, options);
    await endpoint.call(FORMATTED, { ...options, onText: () => undefined });
    expect(formats()).toEqual(['json_schema', 'json_object', 'none', 'none']);
    expect(provider.requests[3]?.body.messages[0]?.content).toContain(schema);
  });

  test('is known to several calls at once', async () => {
    provider.serve(({ body }) => (body.response_format === undefined ? SUM : NO_SCHEMA));
    const endpoint = endpointAt(provider.url);
    const calls = Array.from({ length: 5 }, () => endpoint.call(FORMATTED, options));
    expect((await Promise.all(calls)).map(({ text }) => text)).toEqual(Array(5).fill('{"sum":4}'));
    expect(provider.requests.length).toBeLessThanOrEqual(15);
  });

  test('is found by one call for another that was asked before', async () => {
    let letGo = () => {};
    const hold = new Promise<void>((resolve) => (letGo = resolve));
    provider.answer({ ...NO_SCHEMA, hold }, NO_SCHEMA, NO_OBJECT, SUM, SUM);
    const endpoint = endpointAt(provider.url);
    const slow = endpoint.call(FORMATTED, options);
    await eventually(() => provider.requests.length === 1);
    await endpoint.call(FORMATTED, options);
    letGo();
    await slow;
    expect(formats()).toEqual(['json_schema', 'json_schema', 'json_object', 'none', 'none']);
  });

  test.each([
    ['another reason', refused('top_p is too large')],
    ['no reason', refused('')],
    ['another status', refused('response_format is overloaded', 503)],
  ])('is not asked again for %s', async (_, answer) => {
    provider.answer(answer);
    await thrownBy(endpointAt(provider.url).call(FORMATTED, options));
    expect(provider.requests).toHaveLength(1);
  });

  test('is not asked again when no format was asked for, nor when none is left', async () => {
    provider.answer(NO_SCHEMA, NO_SCHEMA, NO_SCHEMA, NO_SCHEMA);
    const endpoint = endpointAt(provider.url);
    const code = 'model_request_refused';
    expect(await thrownBy(endpoint.call(REQUEST, options))).toMatchObject({ code });
    expect(await thrownBy(endpoint.call(FORMATTED, options))).toMatchObject({ code });
    expect(formats()).toEqual(['none', 'json_schema', 'json_object', 'none']);
  });

  test('is found also where requests are checked against a schema', async () => {
    provider.answer({ status: 422, body: { detail: [{ loc: ['body', 'response_format'] }] } }, SUM);
    await endpointAt(provider.url).call(FORMATTED, options);
    expect(formats()).toEqual(['json_schema', 'json_object']);
  });
});

describe('The limit of tokens', () => {
  const limits = () =>
    provider.requests.map(({ body }) => Object.keys(body).filter((key) => key.startsWith('max_')));

  test('has its new name at OpenAI, and its old one elsewhere', () => {
    expect(firstDialect('https://api.openai.com/v1').limit).toBe('max_completion_tokens');
    expect(firstDialect('https://api.openai.com.example.com/v1').limit).toBe('max_tokens');
  });

  test('has its new name where the old one is refused, once and for all', async () => {
    provider.answer(
      refused("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
      SUM,
      SUM,
    );
    const endpoint = endpointAt(provider.url);
    await endpoint.call(REQUEST, options);
    await endpoint.call(REQUEST, options);
    expect(limits()).toEqual([['max_tokens'], ['max_completion_tokens'], ['max_completion_tokens']]);
    expect(provider.requests[1]?.body.max_completion_tokens).toBe(500);
  });

  test('is not tried for ever where both names are refused', async () => {
    provider.answer(
      refused("'max_completion_tokens' or 'max_tokens'"),
      refused("not 'max_completion_tokens'"),
    );
    expect(await thrownBy(endpointAt(provider.url).call(REQUEST, options))).toMatchObject({
      code: 'model_request_refused',
    });
  });
});
