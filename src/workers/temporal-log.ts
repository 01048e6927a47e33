import { DefaultLogger, type Logger as TemporalLogger } from '@temporalio/worker';
import type { Logger } from '../telemetry/logger';

/** What is worth a line: which run, which activity, how it failed. The rest of Temporal's fields are long and said elsewhere. */
const KEPT = ['workflowId', 'activityType', 'attempt', 'taskQueue', 'durationMs'] as const;

/** Writes what the SDK warns of into our log. */
export function temporalLog(log: Logger): TemporalLogger {
  return new DefaultLogger('WARN', ({ level, message, meta = {} }) => {
    const kept = KEPT.filter((name) => meta[name] !== undefined).map((name) => [name, meta[name]] as const);
    const fields = { ...Object.fromEntries(kept), ...(meta.error === undefined ? {} : { err: meta.error }) };
    log[level === 'ERROR' ? 'error' : 'warn'](fields, message);
  });
}
