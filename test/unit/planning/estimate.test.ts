import fc from 'fast-check';
import { estimatePlan, type AnswerForecast } from '../../../src/planning/estimate';
import { longestPath, type Edge } from '../../../src/planning/plan-graph';

const step = (id: string, needs: string[] = [], tool = 'slow') => ({ id, tool, input: {}, needs });
/** `a` before `b` and `c`, both before `d`. */
const DIAMOND = [step('a'), step('b', ['a']), step('c', ['a'], 'quick'), step('d', ['b', 'c'])];
const forecast = (seen: Record<string, number> = {}, answer: AnswerForecast | null = null) => ({
  toolOf: ({ tool }: { tool: string }) => ({ timeout_s: tool === 'slow' ? 10 : 1 }),
  seen_s: (tool: string) => seen[tool],
  answer,
});
const ANSWER: AnswerForecast = {
  fixed_bytes: 401,
  most: (steps) => ({ tokens: 1_000 * steps, cost_usd: 0.5 }),
  timeout_s: 60,
};

describe('the estimate of a plan', () => {
  test('goes by the limits of tools that were never used', () => {
    expect(estimatePlan(DIAMOND, forecast())).toEqual({
      critical_path: ['a', 'b', 'd'],
      duration_s: { least: 0, most: 30 },
      model_calls: { least: 0, most: 0 },
      tokens: { least: 0, most: 0 },
      cost_usd: { least: 0, most: 0 },
    });
  });

  test('goes by what tools took lately, which may lead over other steps', () => {
    const { critical_path, duration_s } = estimatePlan(DIAMOND, forecast({ slow: 0.5, quick: 4 }));
    expect(critical_path).toEqual(['a', 'c', 'd']);
    expect(duration_s).toEqual({ least: 5, most: 30 });
  });

  test('adds the answer of a model', () => {
    expect(estimatePlan(DIAMOND, forecast({}, ANSWER))).toMatchObject({
      duration_s: { most: 90 },
      model_calls: { least: 1, most: 1 },
      tokens: { least: 100, most: 4_000 },
      cost_usd: { least: 0, most: 0.5 },
    });
  });

  test('has no cost where a price is unknown', () => {
    const unpriced = { ...ANSWER, most: () => ({ tokens: 1, cost_usd: null }) };
    expect(estimatePlan(DIAMOND, forecast({}, unpriced)).cost_usd).toBeNull();
  });
});

describe('the longest path of a graph', () => {
  /** Graphs without cycles, their nodes in any order: edges go from lower to higher numbers. */
  const graphs = fc.integer({ min: 1, max: 8 }).chain((size) =>
    fc.record({
      ids: fc.shuffledSubarray(
        Array.from({ length: size }, (_, n) => `n${n}`),
        { minLength: size },
      ),
      edges: fc
        .uniqueArray(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { selector: String })
        .map((pairs) => pairs.filter(([a, b]) => a < b).map(([a, b]): Edge => [`n${a}`, `n${b}`])),
      weights: fc.array(fc.nat(20), { minLength: size, maxLength: size }),
    }),
  );

  test('is a path, of the length it says, and none is longer', () => {
    fc.assert(
      fc.property(graphs, ({ ids, edges, weights }) => {
        const weight = (id: string) => weights[Number(id.slice(1))]!;
        const { ids: path, length } = longestPath(ids, edges, weight);
        const has = (from: string, to: string) => edges.some(([a, b]) => a === from && b === to);
        expect(path.slice(1).every((to, at) => has(path[at]!, to))).toBe(true);
        expect(length).toBe(path.reduce((sum, id) => sum + weight(id), 0));
        const longestFrom = (id: string): number =>
          weight(id) + Math.max(0, ...edges.filter(([a]) => a === id).map(([, to]) => longestFrom(to)));
        expect(length).toBe(Math.max(...ids.map(longestFrom)));
      }),
    );
  });

  test('of nothing is nothing', () => {
    expect(longestPath([], [], () => 1)).toEqual({ ids: [], length: 0 });
  });
});
