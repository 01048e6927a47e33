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
  deps: Pick<ApiDeps, 'hub'>,
  res: Response,
  run: RunRow,
  { seconds, until }: { seconds: number; until: 'end' | 'change' },
): Promise<void> {
  res.setHeader('Preference-Applied', `wait=${seconds}`);
  if (isTerminal(run.status) || seconds === 0) return;
  await new Promise<void>((resolve, reject) => {
    const follower = deps.hub.follow(
      run.id,
      { after: run.last_seq, head: run.last_seq },
      {
        wants: () => true,
        haveRead: () => undefined,
        take: ({ items, last }) => {
          const ended = items.some((item) => item.kind === 'event' && item.event.terminal);
          if (until === 'change' || ended) leave();
          return last.seq;
        },
        over: () => leave(),
        lost: (error) => leave(error),
      },
    );
    const timer = setTimeout(() => leave(), seconds * 1_000);
    const gone = () => leave();
    res.on('close', gone);
    function leave(error?: Error): void {
      clearTimeout(timer);
      res.off('close', gone);
      follower.stop();
      if (error === undefined) resolve();
      else reject(error);
    }
    follower.next();
  });
}
