import { z } from 'zod';
import { Refusal } from '../../contracts/refusal';
import { EventList } from '../../contracts/event-list';
import { positionOf } from '../../events/position';
import { readAfter } from '../../events/read';
import { withGaps } from '../../events/topic';
import type { ApiDeps } from '../deps';
import { countText } from '../query';
import { route, type Exchange } from '../route';
import { cursorText, parseCursor } from '../stream/cursor';
import { sendEvents } from '../stream/sse';
import { requireRun } from './get-run';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 500;

const Query = z.strictObject({
  after: cursorText,
  limit: countText(MAX_LIMIT).optional(),
});

type Read = Exchange<z.infer<typeof Query>, undefined>;

export function readEvents(deps: ApiDeps) {
  return route({
    method: 'get',
    path: '/v1/runs/{id}/events',
    operation: 'readEvents',
    summary: 'A page of events as JSON, or all of them as they come as server-sent events.',
    scope: 'runs:read',
    offers: ['application/json', 'text/event-stream'],
    query: Query,
    headers: { 'Last-Event-ID': 'Number of the last event that was read; wins over `after`. For streams.' },
    replies: {
      200: { description: 'A page of events; or the stream.', schema: EventList },
      204: { description: 'The stream is over and its reader has everything.' },
    },
    failures: ['not_found', 'invalid_cursor', 'cursor_ahead', 'events_expired'],
    async handle(exchange) {
      const wire = exchange.req.accepts(['application/json', 'text/event-stream']);
      return wire === 'text/event-stream' ? sendStream(deps, exchange) : sendPage(exchange);
    },
  });
}

async function sendStream(deps: ApiDeps, { req, res, query, caller, records }: Read): Promise<void> {
  if (query.limit !== undefined) {
    const detail = 'is not a field of a stream';
    throw new Refusal('invalid_request', `limit: ${detail}`, [
      { pointer: '/query/limit', code: 'unknown_field', detail },
    ]);
  }
  const run = await requireRun(records, caller.tenant, req.params.id);
  const last_id = req.headers['last-event-id']; // what a client that comes back has read; its address still says where it began
  const cursor =
    last_id === undefined
      ? parseCursor(query.after, '/query/after')
      : parseCursor(last_id, '/header/Last-Event-ID');
  await sendEvents(deps, records, res, run, positionOf(cursor, run));
}

async function sendPage({ req, res, query, caller, records }: Read): Promise<void> {
  const { after, limit = DEFAULT_LIMIT } = query;
  const run = await requireRun(records, caller.tenant, req.params.id);
  const position = positionOf(parseCursor(after, '/query/after'), run);
  const page = await readAfter(records, [{ run_id: run.id, after: position }], limit);
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
