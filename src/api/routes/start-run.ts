import { Refusal } from '../../contracts/refusal';
import { Run, SubmitRun } from '../../contracts/run';
import type { Rules } from '../../contracts/rules';
import { isTerminal } from '../../contracts/run-status';
import type { ApiKey } from '../../db/api-keys';
import type { RunRow } from '../../db/runs';
import { checkPlan } from '../../planning/plan-check';
import { submitRun } from '../../runs/submit';
import type { ApiDeps } from '../deps';
import { route, type Exchange } from '../route';
import { runView } from '../run-view';
import { filterOf } from '../stream/filter';
import { sendEvents } from '../stream/sse';
import { PREFER, PREFERENCE_APPLIED, waitFor, waitPreferred } from '../wait';
import { requireRun } from './get-run';

/** Seconds after which it is worth asking how a run goes. */
const RETRY_AFTER_S = 1;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

export const HEADERS = {
  'Idempotency-Key': '1 to 255 visible ASCII characters; a repeated request within 24 h gets the same run.',
};
export const ACCEPTED = {
  Location: 'Address of the run.',
  'Idempotent-Replayed': '`true` when an earlier request with this key made the run.',
};
export const FAILURES_OF_SUBMIT = ['invalid_plan', 'idempotency_mismatch', 'queue_full'] as const;

export function startRun(deps: ApiDeps) {
  return route({
    method: 'post',
    path: '/v1/runs',
    operation: 'startRun',
    summary: 'Takes a run. It is accepted also when Temporal, or every worker, is away, and started later.',
    scope: 'runs:write',
    limit: 'submits',
    offers: ['application/json', 'text/event-stream'],
    body: SubmitRun,
    headers: { ...HEADERS, ...PREFER },
    replies: {
      202: {
        description: 'The run is committed.',
        schema: Run,
        headers: {
          ...ACCEPTED,
          ...PREFERENCE_APPLIED,
          'Retry-After': 'Seconds after which it is worth asking how it goes.',
        },
      },
      200: {
        description:
          'The run, which ended within the wait; or its events as they come, as server-sent events.',
        schema: Run,
        headers: { ...ACCEPTED, ...PREFERENCE_APPLIED },
      },
    },
    failures: FAILURES_OF_SUBMIT,
    async handle(exchange) {
      const { req, res, caller, records } = exchange;
      if (req.accepts(['application/json', 'text/event-stream']) === 'text/event-stream') {
        return submitAndStream(deps, exchange);
      }
      let run = await submit(deps, exchange);
      const seconds = waitPreferred(req);
      if (seconds !== null) {
        await waitFor(deps, res, run, { seconds, until: 'end' });
        run = await requireRun(records, caller.tenant, run.id);
      }
      const ended = seconds !== null && isTerminal(run.status);
      if (!ended) res.setHeader('Retry-After', String(RETRY_AFTER_S));
      res.status(ended ? 200 : 202).json(runView(run, deps.settings));
    },
  });
}

export function streamRun(deps: ApiDeps) {
  return route({
    method: 'post',
    path: '/v1/runs/stream',
    operation: 'streamRun',
    summary: 'Takes a run and sends its events as they come, from the first to the last.',
    scope: 'runs:write',
    limit: 'submits',
    offers: ['text/event-stream'],
    body: SubmitRun,
    headers: HEADERS,
    replies: {
      200: { description: 'The events of the run.', type: 'text/event-stream', headers: ACCEPTED },
    },
    failures: FAILURES_OF_SUBMIT,
    handle: (exchange) => submitAndStream(deps, exchange),
  });
}

/** What is read of a request to submit. */
type Submit = Exchange<unknown, SubmitRun>;

/** A client that is cut off goes on at `Location`, with the number of the last event it has. */
async function submitAndStream(deps: ApiDeps, exchange: Submit): Promise<void> {
  deps.streams.requireRoom(exchange.caller.id);
  const run = await submit(deps, exchange);
  sendEvents(deps, exchange.res, run, { after: run.first_seq - 1, filter: filterOf({}) });
}

/** Takes a run, and says in the headers which. */
export async function submit(deps: ApiDeps, { req, res, body, caller, records }: Submit): Promise<RunRow> {
  refuseUnsoundPlan(deps, body);
  const { request_id = null, trace_id = null } = deps.context.fields();
  const { rules, settings, forecastAnswer } = deps;
  const { run, replayed } = await submitRun(
    { records, rules, open_runs: settings.open_runs, forecastAnswer },
    {
      tenant: caller.tenant,
      ...dayOf(caller, settings),
      body,
      idempotency_key: idempotencyKey(req.headers['idempotency-key']),
      request_id,
      trace_id,
    },
  );
  deps.context.add({ run_id: run.id });
  if (replayed) res.setHeader('Idempotent-Replayed', 'true');
  res.setHeader('Location', runView(run, settings).urls.self);
  return run;
}

/** What the key may spend today; a run keeps what was so when it was taken. */
export function dayOf(
  { id: key_id, limits }: ApiKey,
  { usd_per_day }: ApiDeps['settings'],
): Pick<Rules, 'day'> {
  const max_cost_usd = limits.usd_per_day ?? usd_per_day;
  return max_cost_usd === null ? {} : { day: { key_id, max_cost_usd } };
}

/** A given plan is checked here, so that its author hears of every defect at once. */
function refuseUnsoundPlan({ tools, checkInput, rules }: ApiDeps, { plan, budget }: SubmitRun): void {
  if (plan === undefined) return;
  const max_steps = Math.min(budget?.max_steps ?? rules.max_steps, rules.max_steps);
  const findings = checkPlan(plan.steps, {
    tools: tools.catalogue,
    rules: { ...rules, max_steps },
    checkInput,
  });
  const [first] = findings;
  if (first === undefined) return;
  throw new Refusal(
    'invalid_plan',
    first.detail,
    findings.map((finding) => ({ ...finding, pointer: `/plan${finding.pointer}` })),
  );
}

/** The key of a request that a client may repeat. @throws Refusal `invalid_request` */
export function idempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && IDEMPOTENCY_KEY.test(header)) return header;
  throw new Refusal('invalid_request', 'The Idempotency-Key must be 1 to 255 visible ASCII characters.', [
    {
      pointer: '/header/Idempotency-Key',
      code: 'invalid_format',
      detail: 'must be 1 to 255 visible ASCII characters',
    },
  ]);
}
