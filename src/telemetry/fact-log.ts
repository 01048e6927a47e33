import type { Logger } from './logger';
import type { Seen } from './run-memory';

/** A line about a fact: its fields, and its message. */
type Line = [fields: Record<string, unknown>, message: string];

/**
 * Writes a line for every change of state of a run or a step. Nothing that a user wrote or a tool returned is in it: no goal (unless
 * `log_goals`), no input, no output, no message of a failure, which may quote them.
 */
export function createFactLog({ log, log_goals }: { log: Logger; log_goals: boolean }): (seen: Seen) => void {
  return (seen) => {
    const line = lineOf(seen, log_goals);
    if (line === null) return;
    const { run_id, fact } = seen;
    const [fields, message] = line;
    const about = fact.step_id === undefined ? {} : { step_id: fact.step_id };
    const level = fact.type === 'step.started' ? 'debug' : 'info';
    log[level]({ event: fact.type, run_id, ...about, ...fields }, message);
  };
}

function lineOf(seen: Seen, log_goals: boolean): Line | null {
  const { fact } = seen;
  if (fact.type.startsWith('step.')) return stepLine(seen);
  switch (fact.type) {
    case 'run.created':
      return [{ status: 'queued', ...(log_goals ? { goal: fact.data.run.goal } : {}) }, 'run accepted'];
    case 'run.status': {
      const { status, phase, previous } = fact.data;
      return [{ status, phase, previous }, status === previous ? `run enters ${phase}` : `run ${status}`];
    }
    case 'plan.created':
      return [
        { plan_version: fact.data.version, source: fact.data.source, steps: fact.data.steps.length },
        'plan drafted',
      ];
    case 'plan.rejected': {
      const codes = [...new Set(fact.data.findings.map(({ code }) => code))];
      return [{ plan_version: fact.data.version, codes }, 'plan rejected by the plan check'];
    }
    case 'judge.verdict': {
      const { plan_version, accepted, confidence, threshold } = fact.data;
      return [
        { plan_version, accepted, confidence, threshold },
        accepted ? 'plan accepted' : 'plan rejected by the judge',
      ];
    }
    case 'run.usage': {
      const { total: _total, delta } = fact.data;
      return [delta, 'model replied'];
    }
    case 'run.budget_warning':
      return [fact.data, 'run nears its budget'];
    case 'run.reopened':
      return [{ attempt: fact.data.attempt }, 'run reopened'];
    case 'run.completed':
    case 'run.cancelled':
    case 'run.timed_out':
      return endLine(seen, fact.type.slice('run.'.length));
    case 'run.failed':
      return endLine(seen, 'failed', fact.data.failure.code);
    default:
      return null;
  }
}

function endLine({ age_s }: Seen, status: string, code?: string): Line {
  return [
    { status, duration_ms: Math.round(age_s * 1_000), ...(code === undefined ? {} : { code }) },
    `run ${status}`,
  ];
}

function stepLine({ fact, tool }: Seen): Line | null {
  switch (fact.type) {
    case 'step.started':
      return [{ status: 'running', tool, attempt: fact.data.attempt }, 'step started'];
    case 'step.retrying':
      return [
        { status: 'retrying', tool, attempt: fact.data.attempt, code: fact.data.failure.code },
        'step retrying',
      ];
    case 'step.completed': {
      const { duration_ms, reused } = fact.data;
      return [{ status: 'completed', tool, duration_ms, reused }, 'step completed'];
    }
    case 'step.failed':
      return [
        { status: 'failed', tool, attempts: fact.data.attempts, code: fact.data.failure.code },
        'step failed',
      ];
    case 'step.needs_attention':
      return [{ status: 'waiting', tool, code: fact.data.failure.code }, 'step needs attention'];
    case 'step.resolved':
      return [{ tool, outcome: fact.data.outcome }, 'step resolved'];
    case 'step.skipped':
      return [{ status: 'skipped', tool }, 'step skipped'];
    case 'step.cancelled':
      return [{ status: 'cancelled', tool }, 'step cancelled'];
    default:
      return null;
  }
}
