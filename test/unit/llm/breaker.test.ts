import fc from 'fast-check';
import type { Breaker } from '../../../src/contracts/model-endpoint';
import { type BreakerEvent, CLOSED, FAILURES_TO_OPEN, OPEN_MS, turn } from '../../../src/llm/breaker';

const NOW = 1_000_000;
const LOST_AT = NOW + 30_000;
const ask = (call: string): BreakerEvent => ({ type: 'ask', call, lost_at: LOST_AT });
const said = (type: 'answered' | 'failed' | 'left', call: string): BreakerEvent => ({ type, call });

const closed = (failures: number): Breaker => ({ state: 'closed', failures });
const open = (until: number): Breaker => ({ state: 'open', until });
const probing = (probe: string, until: number): Breaker => ({ state: 'half_open', probe, until });

test('the numbers are those of the contract: five failures, sixty seconds', () => {
  expect([FAILURES_TO_OPEN, OPEN_MS]).toEqual([5, 60_000]);
});

test.each<[string, Breaker, BreakerEvent, Breaker, boolean]>([
  ['closed lets through', closed(4), ask('a'), closed(4), true],
  ['closed forgets failures with an answer', closed(4), said('answered', 'a'), CLOSED, true],
  ['closed counts a failure', closed(3), said('failed', 'a'), closed(4), true],
  ['closed opens with the fifth failure', closed(4), said('failed', 'a'), open(NOW + OPEN_MS), true],
  ['closed does not count what was left', closed(4), said('left', 'a'), closed(4), true],
  ['open lets nobody through', open(NOW + 1), ask('a'), open(NOW + 1), false],
  ['open lets a probe through when its time is over', open(NOW), ask('a'), probing('a', LOST_AT), true],
  ['open does not hear an answer', open(NOW + 1), said('answered', 'a'), open(NOW + 1), true],
  ['open does not hear a failure', open(NOW + 1), said('failed', 'a'), open(NOW + 1), true],
  ['half-open lets nobody else through', probing('a', NOW + 1), ask('b'), probing('a', NOW + 1), false],
  ['half-open takes its probe for lost', probing('a', NOW), ask('b'), probing('b', LOST_AT), true],
  ['half-open closes with an answer', probing('a', NOW + 1), said('answered', 'a'), CLOSED, true],
  ['half-open hears a probe that is late', probing('a', NOW - 1), said('answered', 'a'), CLOSED, true],
  ['half-open opens with a failure', probing('a', NOW + 1), said('failed', 'a'), open(NOW + OPEN_MS), true],
  [
    'half-open lets another go when its probe left',
    probing('a', NOW + 1),
    said('left', 'a'),
    open(NOW),
    true,
  ],
  ['half-open is deaf to other answers', probing('a', NOW), said('answered', 'b'), probing('a', NOW), true],
  ['half-open is deaf to other failures', probing('a', NOW), said('failed', 'b'), probing('a', NOW), true],
])('%s', (_, before, event, after, allowed) => {
  expect(turn(before, event, NOW)).toEqual({ breaker: after, allowed });
});

/** A world of calls: time passes, calls ask, calls under way end, some never do. */
const step = fc.oneof(
  fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 70_000 }) }),
  fc.record({ do: fc.constant('ask' as const), lease: fc.integer({ min: 1, max: 90_000 }) }),
  fc.record({
    do: fc.constant('end' as const),
    at: fc.nat(),
    as: fc.constantFrom('answered' as const, 'failed' as const, 'failed' as const, 'left' as const),
  }),
);

describe('any history', () => {
  test('has at most one probe out, and nobody let through within the time a breaker is open', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let now = 0;
        let breaker: Breaker = CLOSED;
        let ids = 0;
        const under_way: { id: string; lost_at: number }[] = [];
        for (const one of steps) {
          if (one.do === 'wait') now += one.ms;
          else if (one.do === 'ask') {
            const call = { id: `c${(ids += 1)}`, lost_at: now + one.lease };
            const before: Breaker = breaker;
            const turned = turn(breaker, { type: 'ask', call: call.id, lost_at: call.lost_at }, now);
            if (before.state !== 'closed') expect(turned.allowed).toBe(now >= before.until);
            else expect(turned.allowed).toBe(true);
            breaker = turned.breaker;
            if (turned.allowed) under_way.push(call);
          } else if (under_way.length > 0) {
            const [call] = under_way.splice(one.at % under_way.length, 1);
            breaker = turn(breaker, { type: one.as, call: call!.id }, now).breaker;
          }
          if (breaker.state === 'closed') expect(breaker.failures).toBeLessThan(FAILURES_TO_OPEN);
          if (breaker.state === 'open') expect(breaker.until).toBeLessThanOrEqual(now + OPEN_MS);
        }
      }),
    );
  });

  test('leaves an endpoint that answers again open to everybody, whatever was before', () => {
    const any_breaker = fc.oneof(
      fc.nat({ max: 4 }).map(closed),
      fc.nat().map(open),
      fc.nat().map((until) => probing('lost', until)),
    );
    fc.assert(
      fc.property(any_breaker, (before) => {
        const now = before.state === 'closed' ? 0 : before.until;
        const asked = turn(before, { type: 'ask', call: 'new', lost_at: now + 1 }, now);
        expect(asked.allowed).toBe(true);
        expect(turn(asked.breaker, said('answered', 'new'), now).breaker).toEqual(CLOSED);
      }),
    );
  });
});
