import { z } from 'zod';
import { Refusal } from '../../contracts/refusal';
import { EventList } from '../../contracts/event-list';
import type { Records } from '../../db/database';
import { positionOf } from '../../events/position';
import { PAGE, readAfter, type StoredEvent } from '../../events/read';
import { withGaps, type Gap } from '../../events/batch';
import type { ApiDeps } from '../deps';
import { countText } from '../query';
import { route, type Exchange } from '../route';
import { cursorText, parseCursor } from '../stream/cursor';
import { filterFields, filterOf, type Filter } from '../stream/filter';
import { sendEvents } from '../stream/sse';
import { requireRun } from './get-run';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 500;
/** Pages that are looked through for one page of what a filter lets pass; the next request goes on from there. */
const MAX_READS = 10;

const Query = z.strictObject({
  after: cursorText,
  limit: countText(MAX_LIMIT).optional(),
  ...filterFields,
  ticket: z.string().optional().meta({ description: 'A stream ticket in the place of a key; for streams.' }),
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
    failures: ['not_found', 'invalid_cursor', 'cursor_ahead', 'events_expired', 'too_many_streams'],
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
  sendEvents(deps, res, run, { after: positionOf(cursor, run), filter: filterOf(query) });
}

async function sendPage({ req, res, query, caller, records }: Read): Promise<void> {
  const { after, limit = DEFAULT_LIMIT } = query;
  const run = await requireRun(records, caller.tenant, req.params.id);
  const begin = positionOf(parseCursor(after, '/query/after'), run);
  const { events, gaps, position } = await look(records, run.id, { begin, limit, filter: filterOf(query) });
  const rest = {
    has_more: position < run.last_seq,
    first_id: events[0]?.id ?? null,
    last_id: events.at(-1)?.id ?? null,
    position,
    gaps: gaps.map(({ from, to, reason }) => ({ from, to, reason })),
  };
  // The events are put in as the text they are on every wire.
  const data = events.map(({ json }) => json).join(',');
  res.type('application/json').send(`{"object":"list","data":[${data}],${JSON.stringify(rest).slice(1)}`);
}

/** Looks for the next `limit` events that pass, through a bounded number of others. @returns also how far it has looked. */
async function look(
  records: Records,
  run_id: string,
  { begin, limit, filter }: { begin: number; limit: number; filter: Filter },
): Promise<{ events: StoredEvent[]; gaps: Gap[]; position: number }> {
  const events: StoredEvent[] = [];
  const gaps: Gap[] = [];
  let position = begin;
  for (let reads = 0; reads < MAX_READS; reads += 1) {
    const page = await readAfter(records, [{ run_id, after: position }], filter.key === '' ? limit : PAGE);
    for (const item of withGaps(position, page)) {
      if (item.kind === 'gap') gaps.push(item);
      else if (filter.passes(item.event)) events.push(item.event);
      position = item.kind === 'gap' ? item.to : item.event.seq;
      if (events.length === limit) return { events, gaps, position };
    }
    if (page.at(-1)?.more !== true || filter.key === '') break;
  }
  return { events, gaps, position };
}
