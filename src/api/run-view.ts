import type { Run } from '../contracts/run';
import type { RunRow } from '../db/runs';
import type { ApiSettings } from './deps';

/** A run as clients see it. */
export function runView(row: RunRow, settings: ApiSettings): Run {
  const self = `${settings.public_url}/v1/runs/${row.id}`;
  const { temporal_namespace: namespace, temporal_ui_url } = settings;
  return {
    id: row.id,
    object: 'run',
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    finished_at: row.finished_at?.toISOString() ?? null,
    status: row.status,
    phase: row.phase,
    status_reason: row.status_reason,
    mode: row.rules.mode ?? 'auto',
    goal: row.goal,
    user: row.user,
    answer: row.answer,
    error: row.error,
    progress: {
      steps_total: row.steps_total,
      steps_done: row.steps_done,
      plan_version: row.plan_version,
      rounds: row.rounds,
    },
    usage: row.usage,
    degraded: row.degraded !== null,
    degraded_reason: row.degraded === null ? null : `${row.degraded.part}: ${row.degraded.message}`,
    budget: { max_tokens: null, max_cost_usd: null, ...row.budget },
    attempt: row.attempt,
    origin: row.origin,
    root_run_id: row.root_run_id,
    superseded_by: row.superseded_by,
    metadata: row.metadata,
    tags: row.tags,
    last_seq: row.last_seq,
    trace_id: row.trace_id,
    temporal: {
      namespace,
      workflow_id: row.id,
      ui_url: `${temporal_ui_url}/namespaces/${encodeURIComponent(namespace)}/workflows/${row.id}`,
    },
    urls: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  };
}
