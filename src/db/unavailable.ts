/** Thrown when Postgres cannot be reached: nothing was decided, a later try may succeed. */
export class Unavailable extends Error {
  constructor(cause: unknown) {
    super('Postgres cannot be reached', { cause });
    this.name = 'Unavailable';
  }
}

/** SQLSTATEs and system codes that say the connection, not the statement, was at fault. */
const CONNECTION_STATES = /^(08...|57P0[123]|53300|53400|25P03)$/;
const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'ENOENT',
  'EHOSTUNREACH',
]);
/** What the driver says without a code. */
const DRIVER_WORDS =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|not queryable/i;

/**
 * Whether an error of the Postgres driver means that the server was not reached or went away. Known by its members, not its
 * class: the errors of Node's sockets are of another realm where code runs in a context of its own, as under Jest.
 */
export function isConnectionFault(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && (CONNECTION_STATES.test(code) || SYSTEM_CODES.has(code))) return true;
  return typeof message === 'string' && DRIVER_WORDS.test(message);
}

/** Whether an error is Postgres' own (it carries an SQLSTATE) or says that it is away: the statement failed, not its caller. */
export function isDatabaseError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return (
    error instanceof Unavailable ||
    isConnectionFault(error) ||
    (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code))
  );
}
