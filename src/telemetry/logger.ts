import { destination, pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { LogContext } from './context';
import { mask } from './mask';

export type { Logger } from 'pino';

export interface LoggerOptions {
  level: string;
  /** Which process speaks. */
  name: string;
  /** `pretty` is for people who look at a terminal or a file; programs read `json`. */
  format: 'json' | 'pretty';
  /** What is being done when a line is written: its fields are in the line. */
  context: LogContext;
  /** Takes the lines; stderr when absent. */
  to?: DestinationStream;
}

/** The log of a process: lines on stderr, so that stdout stays free for data. Masked as they are written, whatever is in them. */
export function createLogger({ level, name, format, context, to }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { name, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => context.fields(),
      serializers: { err: errorFields },
      hooks: { streamWrite: mask },
    },
    to ?? stderr(format),
  );
}

/** Written at once: the last line before a crash is the one that matters. */
function stderr(format: LoggerOptions['format']): DestinationStream {
  if (format === 'json') return destination({ dest: 2, sync: true });
  return pretty({ destination: 2, sync: true, ignore: 'pid', colorize: false });
}

/** Begins the stack of a failure that we made for Temporal; out of the sandbox only the stack comes as it was. */
const FAILURE = /^([A-Z]\w*Failure)\b/;

/**
 * What a line says of an error. No other field: a database's may quote the row it was about. Of a failure not even the message: it may
 * quote a goal or what a tool said, and its code is in the line of the step or run that it ended.
 */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const failure = FAILURE.exec(stack ?? '');
  if (failure !== null) return { type: failure[1], code: (error as { type?: unknown }).type };
  const { code } = error as { code?: unknown };
  return {
    type: name,
    message,
    stack,
    ...(code === undefined ? {} : { code }),
    ...(cause === undefined ? {} : { cause: errorFields(cause) }),
  };
}
