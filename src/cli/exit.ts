import { Refusal } from '../contracts/refusal';
import { Unavailable, isConnectionFault } from '../db/unavailable';

/** Exit codes: how a command ended. */
export const EXIT = { done: 0, failed: 1, usage: 2, not_allowed: 4 } as const;

/** Thrown for what was typed, or set, wrongly. */
export class UsageError extends Error {}

/** SQLSTATEs by which Postgres says that somebody may not: a wrong password, no such role, no privilege. */
const NOT_ALLOWED = /^(28...|42501)$/;

/** SQLSTATEs of a database that was never, or not lately, brought to our schema: no such table or column, no such role. */
const NOT_MIGRATED = /^(42P01|42703|22023)$/;

/** What an error ends the command with, and what is said of it. */
export function endingOf(error: unknown): { code: number; message: string } {
  const { code, message } = error as { code?: unknown; message: string };
  if (error instanceof UsageError) return { code: EXIT.usage, message };
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
