import type { Response } from 'express';
import { isTerminal } from '../../contracts/run-status';
import type { Records } from '../../db/database';
import type { RunRow } from '../../db/runs';
import type { StreamItem } from '../../events/topic';
import type { ApiDeps } from '../deps';
import { requireRun } from '../routes/get-run';
import { drained } from './patience';

/** Pause after which a client that was cut off connects again, milliseconds. */
const RETRY_MS = 2_000;
/** What is handed over at once, characters: a batch may hold hundreds of large events. */
const CHUNK_CHARS = 65_536;
/** Proxies hold short chunks back: a heartbeat fills their buffer. */
const HEARTBEAT = `: heartbeat ${' '.repeat(2_048)}\n\n`;

/**
 * Sends the events of a run after a number as server-sent events, to its end. A disconnect cancels nothing.
 * @param after a number that the run has, from `positionOf`
 */
export async function sendEvents(
  deps: ApiDeps,
  records: Records,
  res: Response,
  run: RunRow,
  after: number,
): Promise<void> {
  if (isTerminal(run.status) && after >= run.last_seq) {
    res.status(204).end(); // tells an EventSource not to come back
    return;
  }
  const { heartbeat_ms, patience_ms } = deps.settings.stream;
  const gone = new AbortController();
  res.on('close', () => gone.abort());
  if (res.closed) return; // while its run was looked up: nobody would ever say so again
  res.status(200).set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-cache, no-transform',
    'X-Accel-Buffering': 'no',
  });
  if (res.req.method === 'HEAD') return void res.end();
  const left = deps.metrics.joined('sse');
  res.write(`retry: ${RETRY_MS}\n\n`);
  const heartbeat = setInterval(() => res.write(HEARTBEAT), heartbeat_ms);
  try {
    for await (const items of deps.hub.follow(run.id, { after, head: run.last_seq }, gone.signal)) {
      for (const text of chunksOf(items)) {
        const free = res.write(text);
        if (gone.signal.aborted) return;
        if (free || (await drained(whenDrained(res), patience_ms))) continue;
        res.destroy(); // it has its last number and may come back
        return;
      }
    }
    if (gone.signal.aborted) return;
    await sayEnd(records, res, run);
  } finally {
    clearInterval(heartbeat);
    left();
  }
}

/** A stream that is over says so; one that only breaks off does not, and its reader comes back. */
async function sayEnd(records: Records, res: Response, { id, tenant }: RunRow): Promise<void> {
  const { status, last_seq } = await requireRun(records, tenant, id);
  if (isTerminal(status)) res.write(frame('stream.end', JSON.stringify({ status, last_seq })));
  res.end();
}

/** Frames as text, in pieces that may wait in the buffer of a slow reader. */
function* chunksOf(items: StreamItem[]): Generator<string> {
  let text = '';
  for (const item of items) {
    text += frameOf(item);
    if (text.length < CHUNK_CHARS) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

function frameOf(item: StreamItem): string {
  if (item.kind === 'event') return `id: ${item.event.seq}\n${frame(item.event.type, item.event.json)}`;
  const { from, to, reason } = item;
  return `id: ${to}\n${frame('stream.gap', JSON.stringify({ from, to, reason }))}`;
}

/** JSON has no line breaks of its own, so one `data` line carries it. */
function frame(type: string, json: string): string {
  return `event: ${type}\ndata: ${json}\n\n`;
}

function whenDrained(res: Response): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      res.off('drain', go).off('close', go);
      resolve();
    };
    res.on('drain', go).on('close', go);
  });
}
