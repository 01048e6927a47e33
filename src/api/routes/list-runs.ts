import { createHash } from 'node:crypto';
import { z } from 'zod';
import { pageOf } from '../../contracts/list';
import { ORIGIN_TYPES } from '../../contracts/origin';
import { Refusal } from '../../contracts/refusal';
import { RUN_ID, RunList } from '../../contracts/run';
import { RUN_STATUSES } from '../../contracts/run-status';
import { listRuns as list, type RunCursor } from '../../db/run-list';
import type { ApiDeps } from '../deps';
import { ETAG, IF_NONE_MATCH, sendTagged } from '../preconditions';
import { booleanText, countText, timeText, wordsText } from '../query';
import { route } from '../route';
import { runView } from '../run-view';

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 20;
/** Postgres gives up on a search that negates 32 times in a row. */
const MAX_MINUS_SIGNS = 20;

const Query = z
  .strictObject({
    status: wordsText(RUN_STATUSES).optional(),
    tag: z.string().min(1).max(64).optional(),
    q: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .refine(
        (words) => words.split('-').length <= MAX_MINUS_SIGNS + 1,
        `has more than ${MAX_MINUS_SIGNS} \`-\``,
      )
      .optional()
      .meta({ description: 'Words that the goal has, all of them.' }),
    created_after: timeText.optional(),
    created_before: timeText.optional(),
    superseded: booleanText.optional().meta({ description: 'Whether a restart has replaced the run.' }),
    origin: z
      .enum(ORIGIN_TYPES)
      .optional()
      .meta({ description: 'How the run came about: `api` is a submit.' }),
    root_run_id: z
      .string()
      .regex(RUN_ID, 'must be the id of a run')
      .optional()
      .meta({ description: 'The first run of its lineage; that one is found too.' }),
    sort: z
      .enum(['-created_at', 'created_at'])
      .default('-created_at')
      .meta({ description: 'The newest first, or the oldest.' }),
    limit: countText(MAX_LIMIT).default(DEFAULT_LIMIT),
    after: z.string().max(100).optional().meta({ description: '`last_id` of the page before this one.' }),
    before: z.string().max(100).optional().meta({ description: '`first_id` of the page after this one.' }),
  })
  .refine(({ after, before }) => after === undefined || before === undefined, {
    path: ['before'],
    error: 'cannot be given together with `after`',
  });
type Query = z.infer<typeof Query>;

export function listRuns({ settings }: ApiDeps) {
  return route({
    method: 'get',
    path: '/v1/runs',
    operation: 'listRuns',
    summary: 'Runs of the tenant, page by page.',
    scope: 'runs:read',
    query: Query,
    headers: IF_NONE_MATCH,
    replies: { 200: { description: 'A page of runs.', schema: RunList, headers: ETAG } },
    failures: ['invalid_cursor'],
    async handle({ req, res, query, caller, records }) {
      const page = await list(records, caller.tenant, {
        filter: filterOf(query),
        order: query.sort === 'created_at' ? 'oldest' : 'newest',
        cursor: cursorOf(query),
        limit: query.limit,
      });
      if (page === null) throw unknownCursor(query);
      const data = page.runs.map((run) => runView(run, settings));
      const body = JSON.stringify(pageOf(data, ({ id }) => id, page.has_more));
      sendTagged(req, res, `"${createHash('sha1').update(body).digest('base64url')}"`, body);
    },
  });
}

function filterOf(query: Query) {
  const { status, tag, q, created_after, created_before, superseded, origin, root_run_id } = query;
  return {
    status: status ?? null,
    tag: tag ?? null,
    words: q ?? null,
    created_after: created_after ?? null,
    created_before: created_before ?? null,
    superseded: superseded ?? null,
    origin: origin ?? null,
    root: root_run_id ?? null,
  };
}

function cursorOf({ after, before }: Query): RunCursor | null {
  if (after !== undefined) return { side: 'after', id: after };
  return before === undefined ? null : { side: 'before', id: before };
}

function unknownCursor({ after }: Query): Refusal {
  const pointer = after === undefined ? '/query/before' : '/query/after';
  const detail = 'names no run that is there';
  return new Refusal('invalid_cursor', `The cursor ${detail}.`, [{ pointer, code: 'unknown_run', detail }]);
}
