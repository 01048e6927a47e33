import fc from 'fast-check';
import type { EndpointState } from '../../../src/contracts/model-endpoint';
import { UNASKED, admit, settle, renew } from '../../../src/llm/admission';

const LIMITS = { max_parallel: 3, per_minute: 5 };
const LEASE_MS = 20_000;
const call = (id: string) => ({ id, limits: LIMITS, lease_ms: LEASE_MS });

test('a call that is refused changes nothing', () => {
  const full: EndpointState = { ...UNASKED, calls: { a: 10, b: 10, c: 10 } };
  expect(admit(full, call('d'), 9).state).toBe(full);
  const used_up: EndpointState = { ...UNASKED, minute: { used: 5, ends_at: 10 } };
  expect(admit(used_up, call('d'), 9).state).toBe(used_up);
});

test('a call that limits keep from being made does not become the probe', () => {
  const over: EndpointState = {
    breaker: { state: 'open', until: 5 },
    calls: {},
    minute: { used: 5, ends_at: 10 },
  };
  const { state, admission } = admit(over, call('a'), 9);
  expect(admission).toEqual({ granted: false, why: 'rate', retry_after_ms: 1 });
  expect(state.breaker).toEqual({ state: 'open', until: 5 });
});

test('a call that ends twice, or after its lease, does no harm', () => {
  const one = admit(UNASKED, call('a'), 0).state;
  const ended = settle(one, 'a', 'answered', 1);
  expect(settle(ended, 'a', 'answered', 2)).toEqual(ended);
  const next = admit(one, call('b'), LEASE_MS).state;
  expect(Object.keys(next.calls)).toEqual(['b']);
  expect(settle(next, 'a', 'answered', LEASE_MS + 1)).toEqual(next);
});

test('what was noted before the clock was set back keeps no call from being made', () => {
  const HOUR_MS = 3_600_000;
  const { per_minute, max_parallel } = LIMITS;
  const ids = Array.from({ length: max_parallel }, (_, at) => `lost ${at}`);
  const before: EndpointState = {
    breaker: { state: 'open', until: HOUR_MS + 30_000 },
    calls: Object.fromEntries(ids.map((id) => [id, HOUR_MS + 5_000])),
    minute: { used: per_minute, ends_at: HOUR_MS + 60_000 },
  };
  const { state, admission } = admit(before, call('a'), 0);
  expect(admission).toEqual({ granted: true });
  expect(state).toEqual({
    breaker: { state: 'half_open', probe: 'a', until: LEASE_MS },
    calls: { a: LEASE_MS },
    minute: { used: 1, ends_at: 60_000 },
  });
  const probing: EndpointState = { ...state, breaker: { state: 'half_open', probe: 'lost', until: HOUR_MS } };
  expect(admit(probing, call('b'), 0).admission).toEqual({ granted: true });
});

describe('a call that is still under way', () => {
  const one = admit(UNASKED, call('a'), 0).state;

  test('holds its slot for another lease, and none that was given away', () => {
    const renewed = renew(one, 'a', LEASE_MS, 1_000);
    expect(renewed.calls).toEqual({ a: 1_000 + LEASE_MS });
    const given = admit(one, call('b'), LEASE_MS).state;
    expect(renew(given, 'a', LEASE_MS, LEASE_MS)).toBe(given);
  });

  test('is waited for as the probe it is, and as no other', () => {
    const breaker = { state: 'half_open', probe: 'a', until: LEASE_MS } as const;
    expect(renew({ ...one, breaker }, 'a', LEASE_MS, 1_000).breaker).toEqual({
      ...breaker,
      until: 1_000 + LEASE_MS,
    });
    const other = { ...breaker, probe: 'b' };
    expect(renew({ ...one, breaker: other }, 'a', LEASE_MS, 1_000).breaker).toEqual(other);
  });
});

test('in any history, no more calls hold slots, and no more begin in a minute, than may', () => {
  const step = fc.record({ wait_ms: fc.integer({ min: 0, max: 15_000 }), end: fc.option(fc.nat()) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      let now = 0;
      let state = UNASKED;
      const holding = new Map<string, number>();
      const windows = new Map<number, number>();
      steps.forEach(({ wait_ms, end }, at) => {
        now += wait_ms;
        for (const [id, until] of holding) if (until <= now) holding.delete(id);
        const ids = [...holding.keys()];
        if (end !== null && ids.length > 0) {
          const id = ids[end % ids.length]!;
          holding.delete(id);
          state = settle(state, id, 'left', now);
        }
        const asked = admit(state, call(`c${at}`), now);
        state = asked.state;
        if (!asked.admission.granted) return;
        holding.set(`c${at}`, now + LEASE_MS);
        const { ends_at } = state.minute;
        windows.set(ends_at, (windows.get(ends_at) ?? 0) + 1);
        expect(ends_at).toBeGreaterThan(now);
        expect(holding.size).toBeLessThanOrEqual(LIMITS.max_parallel);
        expect(windows.get(ends_at)).toBeLessThanOrEqual(LIMITS.per_minute);
      });
    }),
  );
});
