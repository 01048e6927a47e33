import type { RequestHandler } from 'express';
import type { ApiDeps } from '../deps';

/** Longest wait for one check, milliseconds. */
const CHECK_TIMEOUT_MS = 2_000;

/** `GET /healthz`: the process answers. */
export function healthz(): RequestHandler {
  return (_req, res) => {
    res.json({ status: 'ok' });
  };
}

/**
 * `GET /readyz`: 200 when runs are accepted. Temporal away is said, but is no reason to turn clients away: runs are taken and started later.
 */
export function readyz({ checks }: ApiDeps): RequestHandler {
  return async (_req, res) => {
    const [postgres, temporal] = await Promise.all([outcomeOf(checks.postgres), outcomeOf(checks.temporal)]);
    const status = postgres !== 'ok' ? 'unavailable' : temporal !== 'ok' ? 'degraded' : 'ok';
    res.status(postgres === 'ok' ? 200 : 503).json({ status, checks: { postgres, temporal } });
  };
}

async function outcomeOf(check: () => Promise<void>): Promise<'ok' | 'unreachable'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'unreachable'>((resolve) => {
    timer = setTimeout(() => resolve('unreachable'), CHECK_TIMEOUT_MS);
  });
  const checked = check().then(
    () => 'ok' as const,
    () => 'unreachable' as const,
  );
  const outcome = await Promise.race([checked, late]);
  clearTimeout(timer);
  return outcome;
}
