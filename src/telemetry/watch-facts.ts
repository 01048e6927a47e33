import type { CommittedFacts } from '../contracts/fact';
import type { Logger } from './logger';
import type { Seen, createRunMemory } from './run-memory';

/**
 * Hears of every fact that this process committed and tells the log and the metrics. A listener that fails is reported and harms
 * neither the others nor the run.
 */
export function watchFacts(
  memory: ReturnType<typeof createRunMemory>,
  listeners: readonly ((seen: Seen) => void)[],
  log: Logger,
): (committed: CommittedFacts) => void {
  return ({ run_id, facts }) => {
    for (const fact of facts) {
      try {
        const seen = memory.see(run_id, fact, Date.now());
        for (const listener of listeners) listener(seen);
      } catch (err) {
        log.error({ err, event: fact.type, run_id }, 'A fact could not be observed.');
      }
    }
  };
}
