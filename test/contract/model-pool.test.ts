import type { FailureCode } from '../../src/contracts/failure';
import type { Tier } from '../../src/contracts/model';
import { Refusal } from '../../src/contracts/refusal';
import { endpointKey } from '../../src/llm/endpoint-states';
import type { Endpoint } from '../../src/llm/model';
import { eventually } from '../support/eventually';
import { ask, failing, held, poolWorkers, refused, standing, times } from '../support/model-pools';
import { scriptedEndpoint } from '../support/scripted-endpoint';

const workers = poolWorkers();
const { pooled, worker } = workers;

describe('which endpoint is asked', () => {
  test.each<[Tier, Tier[], Tier]>([
    ['small', ['small', 'medium', 'large'], 'small'],
    ['medium', ['small', 'medium', 'large'], 'medium'],
    ['small', ['medium', 'large'], 'medium'],
    ['medium', ['small', 'large'], 'large'],
    ['large', ['small', 'medium'], 'medium'],
    ['large', ['small'], 'small'],
    ['small', ['large'], 'large'],
  ])('for the tier %s, of %j: %s', async (tier, configured, asked) => {
    const endpoints = configured.map((each) => scriptedEndpoint(each, each === asked ? [each] : []));
    const pool = worker(endpoints.map((endpoint, at) => pooled(configured[at]!, endpoint)));
    expect(await ask(pool, { tier })).toBe(asked);
  });

  test('is the one with the fewest calls under way, also for calls that begin together', async () => {
    const answers = times(4, held);
    const one = scriptedEndpoint(
      'one',
      answers.slice(0, 2).map(({ answer }) => answer),
    );
    const two = scriptedEndpoint(
      'two',
      answers.slice(2).map(({ answer }) => answer),
    );
    const pool = worker([pooled('small', one), pooled('small', two)]);
    const asked = times(4, () => ask(pool));
    await eventually(() => one.requests.length === 2 && two.requests.length === 2);
    expect(await standing(pool)).toEqual({ one: ['closed', 2], two: ['closed', 2] });
    answers.forEach(({ give }) => give('done'));
    expect(await Promise.all(asked)).toEqual(times(4, () => 'done'));
    expect(await standing(pool)).toEqual({ one: ['closed', 0], two: ['closed', 0] });
  });

  test.each<FailureCode>([
    'model_rate_limited',
    'model_overloaded',
    'model_timeout',
    'model_unreachable',
    'model_key_refused',
    'model_unknown',
  ])('after %s: the next one of the tier, then the next tiers up, never one below', async (code) => {
    const before: string[] = [];
    const pool = worker([
      pooled('small', scriptedEndpoint('small')),
      pooled('large', scriptedEndpoint('large', ['large'])),
      pooled('medium', scriptedEndpoint('medium/1', [failing(code)])),
      pooled('medium', scriptedEndpoint('medium/2', [failing(code)])),
    ]);
    const note = ({ name }: Endpoint) => Promise.resolve(void before.push(name));
    expect(await ask(pool, { tier: 'medium', before: note })).toBe('large');
    expect(before).toEqual(['medium/1', 'medium/2', 'large']);
  });

  test('ends with the failure of the last one', async () => {
    const pool = worker([
      pooled('small', scriptedEndpoint('one', [failing('model_timeout')])),
      pooled(
        'medium',
        scriptedEndpoint('two', [new Refusal('model_overloaded', 'two', [], { retry_after_ms: 7 })]),
      ),
    ]);
    expect(await refused(ask(pool))).toMatchObject({ code: 'model_overloaded', more: { retry_after_ms: 7 } });
  });

  test.each<FailureCode>(['model_declined', 'reply_truncated', 'model_request_refused'])(
    'after %s: none, and the endpoint is as good as before',
    async (code) => {
      const asked = scriptedEndpoint(
        'one',
        times(6, () => failing(code)),
      );
      const pool = worker([pooled('small', asked), pooled('small', scriptedEndpoint('two'))]);
      for (let call = 0; call < 6; call += 1) expect((await refused(ask(pool))).code).toBe(code);
      expect((await standing(pool)).one).toEqual(['closed', 0]);
    },
  );

  test('after a question that is too long: the larger tiers alone', async () => {
    const long = failing('context_too_long');
    const pool = worker([
      pooled('small', scriptedEndpoint('small/1', [long, long])),
      pooled('small', scriptedEndpoint('small/2')),
      pooled('large', scriptedEndpoint('large', ['large', long])),
    ]);
    expect(await ask(pool)).toBe('large');
    expect((await refused(ask(pool))).code).toBe('context_too_long');
  });

  test('is not the same one again under the name of another tier', async () => {
    const small = pooled('small', scriptedEndpoint('small', [failing('model_overloaded')]));
    const pool = worker([small, pooled('medium', scriptedEndpoint('medium'), { key: small.key })]);
    expect((await refused(ask(pool))).code).toBe('model_overloaded');
  });

  test('is nobody else once a piece of the reply was given', async () => {
    const pieces: string[] = [];
    const breaking = scriptedEndpoint('one', [
      ({ onText }) => {
        onText!('Hel');
        return Promise.reject(failing('model_unreachable'));
      },
    ]);
    const pool = worker([pooled('small', breaking), pooled('small', scriptedEndpoint('two'))]);
    const onText = (piece: string) => void pieces.push(piece);
    expect((await refused(ask(pool, { onText }))).code).toBe('model_unreachable');
    expect(pieces).toEqual(['Hel']);
  });

  test('a fault of ours passes and says nothing of the endpoint', async () => {
    const broken = scriptedEndpoint(
      'one',
      times(6, () => new TypeError('a bug')),
    );
    const pool = worker([pooled('small', broken), pooled('small', scriptedEndpoint('two'))]);
    for (let call = 0; call < 6; call += 1) await expect(ask(pool)).rejects.toThrow('a bug');
    expect((await standing(pool)).one).toEqual(['closed', 0]);
  });
});

describe('what is awaited before a call', () => {
  test('keeps it from being made by throwing: the error passes, the slot is free, the breaker unmoved', async () => {
    const endpoint = scriptedEndpoint('one', ['hello']);
    const pool = worker([pooled('small', endpoint, { max_parallel: 1 })]);
    const before = () => Promise.reject(new Refusal('model_overloaded', 'not the word of the endpoint'));
    for (let call = 0; call < 6; call += 1) {
      expect((await refused(ask(pool, { before }))).message).toBe('not the word of the endpoint');
    }
    expect(endpoint.requests).toEqual([]);
    expect(await ask(pool)).toBe('hello');
  });

  test('is not asked of a call that may not be made', async () => {
    const pool = worker([pooled('small', scriptedEndpoint('one'), { per_minute: 0 })]);
    const before = jest.fn(() => Promise.resolve());
    await refused(ask(pool, { before }));
    expect(before).not.toHaveBeenCalled();
  });
});

describe('the key of an endpoint', () => {
  test('is the same for the same model at the same address, and holds no secret', () => {
    const one = endpointKey('https://user:pass@api.example.com/v1?token=secret', 'gpt-4.1');
    expect(one).toBe(endpointKey('https://api.example.com/v1/', 'gpt-4.1'));
    expect(one).toMatch(/^api\.example\.com gpt-4\.1 [0-9a-f]{8}$/);
  });

  test('differs by host, port, path and model', () => {
    const keys = [
      endpointKey('https://api.example.com/v1', 'gpt-4.1'),
      endpointKey('https://api.example.com/v1', 'gpt-4o'),
      endpointKey('https://api.example.com/v2', 'gpt-4.1'),
      endpointKey('https://api.example.com:8443/v1', 'gpt-4.1'),
      endpointKey('https://other.example.com/v1', 'gpt-4.1'),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });
});
