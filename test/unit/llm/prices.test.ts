import fc from 'fast-check';
import type { ModelRequest } from '../../../src/llm/model';
import { costOf, loadPrices, readPrices, worstCase } from '../../../src/llm/prices';

const listOf = (models: string) => `date: 2025-01-02\nmodels:\n${models}`;
const prices = readPrices([
  listOf(`  cheap: { input: 0.1, cached_input: 0.025, output: 0.4 }\n  dear: { input: 3, cached_input: 1, output: 15 }
  dear-2025-09-09: { input: 6, cached_input: 2, output: 30 }`),
]);
const usage = (input_tokens: number, cached_tokens: number, output_tokens: number) => ({
  input_tokens,
  cached_tokens,
  output_tokens,
});
const request = (more: Partial<ModelRequest> = {}): ModelRequest => ({
  tier: 'small',
  messages: [{ role: 'user', content: 'Hello' }],
  format: null,
  max_output_tokens: 100,
  ...more,
});

describe('a price list', () => {
  test('that is shipped knows the well known models, and says as of when', () => {
    const shipped = loadPrices(undefined);
    expect(shipped.date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect([...shipped.models.keys()]).toEqual([
      'gpt-4.1',
      'gpt-4.1-mini',
      'gpt-4.1-nano',
      'gpt-4o',
      'gpt-4o-mini',
    ]);
    expect(shipped.models.get('gpt-4.1')).toEqual({ input: 2, cached_input: 0.5, output: 8 });
  });

  test('of the operator replaces models, adds some, and leaves the others', () => {
    const merged = loadPrices(
      'date: 2030-02-03\nmodels: { gpt-4o: { input: 1, cached_input: 0, output: 2 }, own: { input: 0, cached_input: 0, output: 0 } }',
    );
    expect(merged.date).toBe('2030-02-03');
    expect(merged.models.get('gpt-4o')).toEqual({ input: 1, cached_input: 0, output: 2 });
    expect(merged.models.get('own')).toEqual({ input: 0, cached_input: 0, output: 0 });
    expect(merged.models.get('gpt-4.1')?.input).toBe(2);
  });

  test.each([
    ['  odd: { input: -1, cached_input: 0, output: 1 }', /price of odd is wrong: input: /],
    ['  odd: { input: .nan, cached_input: 0, output: 1 }', /price of odd is wrong: input: /],
    ['  odd: { input: .inf, cached_input: 0, output: 1 }', /price of odd is wrong: input: /],
    ['  odd: { input: "1", cached_input: 0, output: 1 }', /price of odd is wrong: input: /],
    ['  odd: { input: 1, cached_input: 0 }', /price of odd is wrong: output: /],
    ['  odd: { input: 1, output: 1 }', /price of odd is wrong: cached_input: /],
    ['  odd: { input: 1, cached_input: 2, output: 1 }', /price of odd is wrong: cached_input is above input/],
    ['  odd: { input: 1, cached_input: 0, output: 0.0000001 }', /odd is wrong: output: has more than 6/],
    ['  odd: { input: 1, cached_input: 0, output: 1, tax: 1 }', /price of odd is wrong: .*tax/],
    ['  odd: 3', /price of odd is wrong/],
    ['  odd:', /price of odd is wrong/],
    [
      '  odd: { input: 1, cached_input: 0, output: 1 }\n  odd: { input: 1, cached_input: 0, output: 1 }',
      /price of odd is given twice/,
    ],
    ['  [', /not YAML/],
  ])('that is wrong is refused by the name of the model: %s', (models, message) => {
    expect(() => readPrices([listOf(models)])).toThrow(message);
  });

  test.each([
    '',
    '3',
    '- 1',
    'models: {}',
    'date: soon\nmodels: {}',
    'date: 2025-01-02',
    'date: 2025-01-02\nmodels: 3',
  ])('that is no list is refused: %j', (text) =>
    expect(() => readPrices([text])).toThrow(/prices have no `(date|models)`/),
  );
});

describe('the cost of a call', () => {
  test('takes cached tokens out of the input and at their own price', () => {
    expect(costOf(prices, 'dear', usage(1_000_000, 400_000, 100_000))).toBe(3.7);
  });

  test('never counts more cached tokens than there were', () => {
    expect(costOf(prices, 'dear', usage(1_000_000, 2_000_000, 0))).toBe(1);
  });

  test('is rounded up to 8 decimals, and exact where it has no more', () => {
    expect(costOf(prices, 'cheap', usage(1, 0, 0))).toBe(0.0000001);
    expect(costOf(prices, 'cheap', usage(1, 1, 0))).toBe(0.00000003); // 0.000000025
    expect(costOf(prices, 'cheap', usage(3, 0, 3))).toBe(0.0000015); // 0.30000000000000004 + 1.2000000000000002 in floating point
    expect(costOf(prices, 'cheap', usage(0, 0, 0))).toBe(0);
  });

  test('is not known for a model without a price, and no property of objects is one', () => {
    for (const model of ['other', 'constructor', '__proto__', 'dear-mini', 'dear-2025', ''])
      expect([model, costOf(prices, model, usage(1, 0, 1))]).toEqual([model, null]);
  });

  test('of a dated release is that of its model, unless it has a price of its own', () => {
    expect(costOf(prices, 'dear-2025-04-14', usage(1_000_000, 0, 0))).toBe(3);
    expect(costOf(prices, 'dear-2025-09-09', usage(1_000_000, 0, 0))).toBe(6);
  });

  test('is within one step above the exact cost', () => {
    const count = fc.integer({ min: 0, max: 10_000_000 });
    fc.assert(
      fc.property(count, count, count, (plain, cached, output) => {
        const picodollars = BigInt(plain) * 100_000n + BigInt(cached) * 25_000n + BigInt(output) * 400_000n;
        const cost = costOf(prices, 'cheap', usage(plain + cached, cached, output));
        const steps = BigInt(Math.round(cost! * 1e8)) * 10_000n;
        expect(steps >= picodollars && steps - picodollars < 10_000n).toBe(true);
      }),
    );
  });
});

describe('the worst case of a call', () => {
  test('is a token for every byte sent and the longest reply, at full price', () => {
    const { tokens, cost_usd } = worstCase(prices, 'dear', request());
    expect(tokens).toBeGreaterThanOrEqual(100 + 'Hello'.length);
    expect(cost_usd).toBe(costOf(prices, 'dear', usage(tokens - 100, 0, 100)));
  });

  test('counts bytes, not characters, and the schema', () => {
    const tokens = (more: Partial<ModelRequest>) => worstCase(prices, 'dear', request(more)).tokens;
    const saying = (content: string) => tokens({ messages: [{ role: 'user', content }] });
    expect(saying('日日日') - saying('aaa')).toBe(6);
    const schema = { type: 'object', description: 'x'.repeat(1_000) };
    expect(tokens({ format: { name: 'plan', schema } }) - tokens({})).toBeGreaterThan(1_000);
    expect(tokens({ max_output_tokens: 200 }) - tokens({})).toBe(100);
  });

  test('covers what providers put around each message', () => {
    const messages = Array.from({ length: 50 }, () => ({ role: 'user' as const, content: '' }));
    expect(worstCase(prices, 'dear', request({ messages })).tokens - 100).toBeGreaterThan(50 * 4 + 3);
  });

  test('has no cost where the price is not known', () => {
    expect(worstCase(prices, 'other', request()).cost_usd).toBeNull();
  });
});
