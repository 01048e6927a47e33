import { Counter, Histogram, type Registry } from 'prom-client';
import type { EventData } from '../contracts/event';
import type { Seen } from './run-memory';

/** Bounds of a plan's latency, seconds. */
const PLAN_S = [0.1, 0.5, 1, 2, 5];
/** Bounds of what takes as long as a run, seconds. */
const RUN_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];
const CONFIDENCE = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
/** What a tool is called that the registry does not know: labels must not grow without bound. */
const OTHER = 'other';

/** Metrics of runs, made of the facts that this process appended. Over all processes they add up to the whole. */
export function createRunMetrics(register: Registry, tools: readonly string[]): (seen: Seen) => void {
  const known = new Set(tools);
  const metrics = { ...seriesOf(register), ...modelSeriesOf(register) };
  return ({ fact, tool, phase_over, age_s }) => {
    metrics.events.inc();
    if (phase_over !== null) metrics.phases.observe({ phase: phase_over.phase }, phase_over.duration_s);
    const [, verb] = fact.type.split('.') as [string, string];
    switch (fact.type) {
      case 'run.created':
        metrics.statuses.inc({ status: 'queued' });
        break;
      case 'run.status':
        if (fact.data.status !== fact.data.previous) metrics.statuses.inc({ status: fact.data.status });
        if (fact.data.phase === 'executing') metrics.plans.observe(age_s);
        break;
      case 'run.completed':
      case 'run.failed':
      case 'run.cancelled':
      case 'run.timed_out':
        metrics.statuses.inc({ status: verb });
        metrics.runs.observe({ status: verb }, age_s);
        break;
      case 'plan.created':
      case 'plan.rejected':
        if (fact.data.version > 1) metrics.replans.inc();
        break;
      case 'judge.verdict':
        metrics.confidence.observe(fact.data.confidence);
        if (fact.data.degraded) metrics.standIns.inc({ part: fact.data.degraded.part });
        break;
      case 'generation.completed':
        if (fact.data.degraded) metrics.standIns.inc({ part: fact.data.degraded.part });
        break;
      case 'run.usage':
        countReply(metrics, fact.data.delta);
        break;
      case 'step.completed':
      case 'step.failed':
      case 'step.retrying':
      case 'step.skipped':
      case 'step.cancelled':
        metrics.steps.inc({ tool: tool !== undefined && known.has(tool) ? tool : OTHER, status: verb });
        break;
      default:
        break;
    }
  };
}

function countReply(
  { replies, tokens, cost }: ReturnType<typeof modelSeriesOf>,
  { purpose, input_tokens, output_tokens, cached_tokens, cost_usd }: EventData['run.usage']['delta'],
): void {
  replies.inc({ purpose });
  tokens.inc({ purpose, kind: 'input' }, input_tokens);
  tokens.inc({ purpose, kind: 'output' }, output_tokens);
  tokens.inc({ purpose, kind: 'cached' }, cached_tokens);
  if (cost_usd !== null) cost.inc({ purpose }, cost_usd);
}

function seriesOf(register: Registry) {
  const registers = [register];
  return {
    events: new Counter({
      name: 'events_appended_total',
      help: 'Events appended to the logs of runs.',
      registers,
    }),
    statuses: new Counter({
      name: 'run_status_total',
      help: 'Changes of the status of runs, by the new status.',
      labelNames: ['status'],
      registers,
    }),
    runs: new Histogram({
      name: 'run_duration_seconds',
      help: 'From the submission of a run to its end, by how it ended.',
      labelNames: ['status'],
      buckets: RUN_S,
      registers,
    }),
    phases: new Histogram({
      name: 'run_phase_duration_seconds',
      help: 'Time that a run was in a phase.',
      labelNames: ['phase'],
      buckets: RUN_S,
      registers,
    }),
    plans: new Histogram({
      name: 'plan_latency_seconds',
      help: 'From the submission of a run to the plan that it carries out.',
      buckets: PLAN_S,
      registers,
    }),
    replans: new Counter({
      name: 'replans_total',
      help: 'Plans that were drawn after the first one of their run.',
      registers,
    }),
    confidence: new Histogram({
      name: 'judge_confidence',
      help: 'Confidence of verdicts, 0 to 1.',
      buckets: CONFIDENCE,
      registers,
    }),
    steps: new Counter({
      name: 'step_executions_total',
      help: 'What starts of steps came to, and steps that never started, by tool and status.',
      labelNames: ['tool', 'status'],
      registers,
    }),
  };
}

function modelSeriesOf(register: Registry) {
  const registers = [register];
  return {
    replies: new Counter({
      name: 'model_replies_total',
      help: 'Replies of language models that were bought.',
      labelNames: ['purpose'],
      registers,
    }),
    tokens: new Counter({
      name: 'model_tokens_total',
      help: 'Tokens of bought replies; cached ones are among those of the input.',
      labelNames: ['purpose', 'kind'],
      registers,
    }),
    cost: new Counter({
      name: 'model_cost_usd_total',
      help: 'What bought replies cost, where the price is known.',
      labelNames: ['purpose'],
      registers,
    }),
    standIns: new Counter({
      name: 'model_stand_ins_total',
      help: 'Verdicts and answers for which rules or a template stood in for a model.',
      labelNames: ['part'],
      registers,
    }),
  };
}
