import { z } from 'zod';
import { Refusal } from '../../contracts/refusal';
import { EXPANSIONS, RUN_ID, Run, type Expansion } from '../../contracts/run';
import { readPlanViews, readStepViews, readVerdictViews } from '../../db/round-views';
import { findRun, type RunRow } from '../../db/runs';
import type { Tx } from '../../db/tx';
import type { ApiDeps } from '../deps';
import { ETAG, IF_NONE_MATCH, hasAlready, sendTagged, tagOf } from '../preconditions';
import { wordsText } from '../query';
import { route } from '../route';
import { runView } from '../run-view';
import { PREFER, PREFERENCE_APPLIED, waitFor, waitPreferred } from '../wait';

const Query = z.strictObject({
  'expand[]': wordsText(EXPANSIONS)
    .default([])
    .meta({ description: 'What to add to the run: repeated, or with commas.' }),
});

export function getRun(deps: ApiDeps) {
  return route({
    method: 'get',
    path: '/v1/runs/{id}',
    operation: 'getRun',
    summary: 'The run as it is now, or as it is once it has ended.',
    scope: 'runs:read',
    query: Query,
    headers: { ...IF_NONE_MATCH, ...PREFER },
    replies: { 200: { description: 'The run.', schema: Run, headers: { ...ETAG, ...PREFERENCE_APPLIED } } },
    failures: ['not_found'],
    async handle({ req, res, query, caller, records }) {
      const expanded = EXPANSIONS.filter((word) => query['expand[]'].includes(word));
      let run = await requireRun(records, caller.tenant, req.params.id);
      const seconds = waitPreferred(req);
      if (seconds !== null) {
        // A client that has seen nothing else yet waits for the end; one that says what it has seen, for whatever is new.
        const until = req.headers['if-none-match'] === undefined ? 'end' : 'change';
        if (until === 'end' || hasAlready(req, tagOf(run, expanded))) {
          await waitFor(deps, res, run, { seconds, until });
          run = await requireRun(records, caller.tenant, run.id);
        }
      }
      const view = { ...runView(run, deps.settings), ...(await expansionsOf(records, run, expanded)) };
      sendTagged(req, res, tagOf(run, expanded), JSON.stringify(view));
    },
  });
}

/** What is added to a run, by name. */
async function expansionsOf(
  records: Tx,
  { tenant, id, plan_version }: RunRow,
  expanded: readonly Expansion[],
): Promise<Partial<Pick<Run, Expansion>>> {
  const added: Partial<Pick<Run, Expansion>> = {};
  if (expanded.includes('plan')) {
    const plans = await readPlanViews(records, tenant, id);
    added.plan = plans.find(({ version }) => version === plan_version) ?? plans.at(-1) ?? null;
  }
  if (expanded.includes('steps')) added.steps = await readStepViews(records, tenant, id);
  if (expanded.includes('verdicts')) added.verdicts = await readVerdictViews(records, tenant, id);
  return added;
}

/** The run of that id. @throws Refusal `not_found`, also for another tenant's. */
export async function requireRun(records: Tx, tenant: string, id: unknown): Promise<RunRow> {
  const run = await findRun(records, tenant, requireRunId(id));
  if (run === undefined) throw noSuchRun();
  return run;
}

/** An id that a run may have. @throws Refusal `not_found` */
export function requireRunId(id: unknown): string {
  if (typeof id !== 'string' || !RUN_ID.test(id)) throw noSuchRun();
  return id;
}

function noSuchRun(): Refusal {
  return new Refusal('not_found', 'There is no such run.');
}
