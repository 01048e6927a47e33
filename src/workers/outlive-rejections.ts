import { messageOf } from '../activities/storable';
import type { Logger } from '../telemetry/logger';

const SAID = 'A tool left a failure behind that nobody waits for. The worker goes on.';

/**
 * Tools are code of others: a promise that one of them forgot is told in the log when it fails, and does not end the work of all, which is
 * what Node would do. An exception that nobody catches still ends the process: what it left half done nobody knows.
 */
export function outliveRejections(log: Logger): void {
  process.on('unhandledRejection', (thrown) => {
    try {
      log.error({ err: thrown instanceof Error ? thrown : new Error(messageOf(thrown)) }, SAID);
    } catch {
      log.error({ err: new Error(messageOf(thrown)) }, SAID); // it does not let itself be asked what it is
    }
  });
}
