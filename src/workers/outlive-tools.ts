import { messageOf } from '../db/storable';
import type { LogContext } from '../telemetry/context';
import type { Logger } from '../telemetry/logger';

/** The activity that calls tools, as the log context names it. */
const CALLS_TOOLS = 'useTool';
/** Of a promise it is not known whose it was: most likely a tool's, since ours are waited for. */
const LEFT_BEHIND =
  'A failure was left behind that nobody waits for, most likely by a tool. The worker goes on.';

/**
 * Tools are code of others: a promise that one of them forgot, or what it throws in a timer or on a socket, is told in the log and does not
 * end the work of all, which is what Node would do. What is thrown elsewhere still ends the process: what it left half done nobody knows.
 * @param end ends the process
 */
export function outliveTools(log: Logger, context: LogContext, end: () => never): void {
  const tell = (level: 'error' | 'fatal', thrown: unknown, said: string) => {
    try {
      log[level]({ err: thrown instanceof Error ? thrown : new Error(messageOf(thrown)) }, said);
    } catch {
      log[level]({ err: new Error(messageOf(thrown)) }, said); // it does not let itself be asked what it is
    }
  };
  process.on('unhandledRejection', (thrown) => tell('error', thrown, LEFT_BEHIND));
  process.on('uncaughtException', (thrown) => {
    if (context.fields().activity === CALLS_TOOLS) return tell('error', thrown, LEFT_BEHIND);
    tell('fatal', thrown, 'The worker threw what nobody catches; it ends.');
    end();
  });
}
