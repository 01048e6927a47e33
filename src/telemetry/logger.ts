import { destination, pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** The log of a process: JSON lines on stderr, so that stdout stays free for data. */
export function createLogger({ level, name }: { level: string; name: string }): Logger {
  return pino({ level, base: { name, pid: process.pid } }, destination({ dest: 2, sync: true }));
}
