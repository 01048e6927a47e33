import { Registry } from 'prom-client';
import type { CommittedFacts } from '../contracts/fact';
import { createLogContext, type LogContext } from './context';
import { createFactLog } from './fact-log';
import { createLogger, type Logger, type LoggerOptions } from './logger';
import { watchProcess, type ProcessSources } from './process-metrics';
import { createRunMemory } from './run-memory';
import { createRunMetrics } from './run-metrics';
import { watchFacts } from './watch-facts';

export interface TelemetryOptions extends Omit<LoggerOptions, 'context'> {
  /** Whether goals of users may be in the log. */
  log_goals: boolean;
  /** Names of the tools that runs may use. */
  tools: readonly string[];
}

/** What a process tells those who run it. */
export interface Telemetry {
  log: Logger;
  context: LogContext;
  register: Registry;
  /** Is to hear of every fact once it is committed. */
  onFacts: (committed: CommittedFacts) => void;
  /** Begins to watch the process itself; to be called once. */
  watch(sources: ProcessSources): void;
}

export function createTelemetry({ log_goals, tools, ...options }: TelemetryOptions): Telemetry {
  const context = createLogContext();
  const log = createLogger({ ...options, context });
  const register = new Registry();
  const memory = createRunMemory();
  const listeners = [createFactLog({ log, log_goals }), createRunMetrics(register, tools)];
  return {
    log,
    context,
    register,
    onFacts: watchFacts(memory, listeners, log),
    watch: ({ caches, ...sources }) =>
      watchProcess(register, { ...sources, caches: { ...caches, runs_in_mind: memory.size } }),
  };
}
