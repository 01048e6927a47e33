import { Refusal } from '../contracts/refusal';
import { Unavailable, isConnectionFault } from '../db/unavailable';

/**
 * Exit codes: how a command ended. Those of a run are of commands that wait for its end. `goes_on`: the command no longer follows
 * the run, which goes on, as it does after `interrupted` (Ctrl-C).
 */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  run_failed: 3,
  not_allowed: 4,
  run_cancelled: 5,
  goes_on: 7,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Thrown to end a command with a code, and what there is to say of it. */
export class CommandEnd extends Error {
  constructor(
    readonly code: ExitCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Thrown for what was typed, or set, wrongly. */
export class UsageError extends CommandEnd {
  constructor(message: string, options?: ErrorOptions) {
    super(EXIT.usage, message, options);
  }
}

/** SQLSTATEs by which Postgres says that somebody may not: a wrong password, no such role, no privilege. */
const NOT_ALLOWED = /^(28...|42501)$/;

/** SQLSTATEs of a database that was never, or not lately, brought to our schema: no such table or column, no such role. */
const NOT_MIGRATED = /^(42P01|42703|22023)$/;

/** What an error ends the command with, and what is said of it. */
export function endingOf(error: unknown): { code: ExitCode; message: string } {
  if (error instanceof CommandEnd) return error;
  const { code, message } = error as { code?: unknown; message: string };
  if (error instanceof Refusal) return { code: EXIT.failed, message };
  if (typeof code === 'string' && NOT_ALLOWED.test(code)) {
    const hint = 'Check the user of DATABASE_URL: it needs to be the owner of the database.';
    return { code: EXIT.not_allowed, message: `Postgres does not allow it: ${message}. ${hint}` };
  }
  if (typeof code === 'string' && NOT_MIGRATED.test(code)) {
    const hint = 'Run `longhaul migrate` first.';
    return {
      code: EXIT.failed,
      message: `The database does not have the schema of this release: ${message}. ${hint}`,
    };
  }
  if (error instanceof Unavailable || isConnectionFault(error)) {
    const cause = error instanceof Unavailable ? (error.cause as Error).message : message;
    return {
      code: EXIT.failed,
      message: `Postgres cannot be reached: ${cause}. Check DATABASE_URL, and that the server runs.`,
    };
  }
  return { code: EXIT.failed, message };
}
