import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { Refusal } from '../../contracts/refusal';
import { positionOf } from '../../events/position';
import { readAfter } from '../../events/read';
import { withGaps } from '../../events/topic';
import { callerOf } from '../authenticate';
import { parse } from '../body';
import type { ApiDeps } from '../deps';
import { parseCursor } from '../stream/cursor';
import { sendEvents } from '../stream/sse';
import { requireRun } from './get-run';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 500;

/** The cursor has a code of its own: see parseCursor. */
const StreamQuery = z.strictObject({ after: z.unknown().optional() });
const PageQuery = StreamQuery.extend({
  limit: z
    .string()
    .regex(/^\d{1,3}$/, `must be a whole number from 1 to ${MAX_LIMIT}`)
    .transform(Number)
    .pipe(z.number().min(1).max(MAX_LIMIT))
    .default(DEFAULT_LIMIT),
});

/** `GET /v1/runs/{id}/events`: a page of events as JSON, or all of them as they come as server-sent events. */
export function readEvents(deps: ApiDeps): RequestHandler {
  return async (req, res) => {
    const wire = req.accepts(['application/json', 'text/event-stream']);
    if (wire === false) throw new Refusal('not_acceptable', 'Events come as JSON or as server-sent events.');
    res.vary('Accept');
    return wire === 'text/event-stream' ? sendStream(deps, req, res) : sendPage(deps, req, res);
  };
}

async function sendStream(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const { after } = parse(StreamQuery, { ...req.query }, '/query');
  const run = await requireRun(deps, callerOf(res).tenant, req.params.id);
  const last_id = req.headers['last-event-id']; // what a client that comes back has read; its address still says where it began
  const cursor =
    last_id === undefined
      ? parseCursor(after, '/query/after')
      : parseCursor(last_id, '/header/Last-Event-ID');
  await sendEvents(deps, res, run, positionOf(cursor, run));
}

async function sendPage(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const { after, limit } = parse(PageQuery, { ...req.query }, '/query');
  const run = await requireRun(deps, callerOf(res).tenant, req.params.id);
  const position = positionOf(parseCursor(after, '/query/after'), run);
  const page = await readAfter(deps.db, [{ run_id: run.id, after: position }], limit);
  const gaps = withGaps(position, page).flatMap((item) => (item.kind === 'gap' ? [item] : []));
  const rest = {
    has_more: (page.at(-1)?.seq ?? run.last_seq) < run.last_seq,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    gaps: gaps.map(({ from, to, reason }) => ({ from, to, reason })),
  };
  // The events are put in as the text they are on every wire.
  const data = page.map(({ json }) => json).join(',');
  res.type('application/json').send(`{"object":"list","data":[${data}],${JSON.stringify(rest).slice(1)}`);
}
