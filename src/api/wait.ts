import type { Request, Response } from 'express';
import type { RunRow } from '../db/runs';
import { isTerminal } from '../contracts/run-status';
import type { ApiDeps } from './deps';

/** Longest wait that a client may ask for, seconds: proxies cut what is silent for longer. */
const MAX_WAIT_S = 60;
/** For the reference. */
export const PREFER = {
  Prefer: `\`wait=N\`: answer when the run has ended, or after N seconds (at most ${MAX_WAIT_S}).`,
};
export const PREFERENCE_APPLIED = { 'Preference-Applied': 'The wait that was granted.' };

/** Seconds that a client prefers to wait (RFC 7240), or null. What else it prefers is passed over, as the RFC says. */
export function waitPreferred(req: Request): number | null {
  const header = req.headers.prefer;
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  const seconds = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:$|[,;])/i.exec(text)?.[1];
  return seconds === undefined ? null : Math.min(Number(seconds), MAX_WAIT_S);
}

/**
 * Holds a reply back until the run has ended, the time is over, or the client is gone.
 * @param until `change`: any news of the run are enough
 */
export async function waitFor(
  { hub }: Pick<ApiDeps, 'hub'>,
  res: Response,
  run: RunRow,
  { seconds, until }: { seconds: number; until: 'end' | 'change' },
): Promise<void> {
  res.setHeader('Preference-Applied', `wait=${seconds}`);
  if (isTerminal(run.status) || seconds === 0) return;
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), seconds * 1_000);
  const leave = () => over.abort();
  res.on('close', leave);
  try {
    const from = { after: run.last_seq, head: run.last_seq };
    for await (const items of hub.follow(run.id, from, over.signal)) {
      if (until === 'change') return;
      if (items.some((item) => item.kind === 'event' && item.event.terminal)) return;
    }
  } finally {
    clearTimeout(timer);
    res.off('close', leave);
  }
}
