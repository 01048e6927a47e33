import { z } from 'zod';
import type { ApiDeps } from '../deps';
import { route } from '../route';

/** Longest wait for one check, milliseconds. */
const CHECK_TIMEOUT_MS = 2_000;

const Outcome = z.enum(['ok', 'unreachable']);
const Healthz = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Health' });
const Readyz = z
  .strictObject({
    status: z.enum(['ok', 'degraded', 'unavailable', 'draining']),
    checks: z.strictObject({ postgres: Outcome, temporal: Outcome }).optional(),
    models: z
      .record(z.string(), z.enum(['closed', 'half_open', 'open']))
      .optional()
      .meta({ description: 'The breaker of each endpoint of a model: `open` is left alone for a while.' }),
  })
  .meta({ id: 'Readiness' });

export function healthz() {
  return route({
    method: 'get',
    path: '/healthz',
    operation: 'healthz',
    summary: 'The process answers.',
    scope: null,
    replies: { 200: { description: 'It does.', schema: Healthz } },
    handle({ res }) {
      res.json({ status: 'ok' });
    },
  });
}

/** A model away, or Temporal, is said, but is no reason to turn clients away: runs are taken and started later. Who is about to stop looks no further. */
export function readyz({ checks, stopping }: ApiDeps) {
  return route({
    method: 'get',
    path: '/readyz',
    operation: 'readyz',
    summary: 'Whether runs are accepted.',
    scope: null,
    replies: {
      200: { description: 'They are.', schema: Readyz },
      503: {
        description: 'They are not: Postgres cannot be reached, or the process is about to stop.',
        schema: Readyz,
      },
    },
    async handle({ res }) {
      if (stopping.signal.aborted) return void res.status(503).json({ status: 'draining' });
      const [postgres, temporal, models] = await Promise.all([
        outcomeOf(checks.postgres),
        outcomeOf(checks.temporal),
        inTime(checks.models(), {}), // Postgres says it, if it can
      ]);
      const said = Object.keys(models).length > 0 ? { models } : {};
      const status = postgres !== 'ok' ? 'unavailable' : temporal !== 'ok' ? 'degraded' : 'ok';
      res.status(postgres === 'ok' ? 200 : 503).json({ status, checks: { postgres, temporal }, ...said });
    },
  });
}

function outcomeOf(check: () => Promise<void>): Promise<'ok' | 'unreachable'> {
  const well = check().then(() => 'ok' as const);
  return inTime(well, 'unreachable');
}

/** What a check found; `otherwise` where it failed or takes too long. */
async function inTime<Found, Otherwise>(
  check: Promise<Found>,
  otherwise: Otherwise,
): Promise<Found | Otherwise> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Otherwise>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), CHECK_TIMEOUT_MS);
  });
  const found = await Promise.race([check.catch(() => otherwise), late]);
  clearTimeout(timer);
  return found;
}
