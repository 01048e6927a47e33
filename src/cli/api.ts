import type { Problem } from '../contracts/problem';
import { CommandEnd, EXIT, UsageError, type ExitCode } from './exit';
import { plain } from './plain';

/** Longest wait for the reply to one request, milliseconds. */
const REPLY_WITHIN_MS = 30_000;
/** Most that is quoted of a reply which is not of the API, characters. */
const QUOTE_CHARS = 200;

/** Statuses that say what is wrong with what was typed, and that the key may not. */
const WRONG_USE = new Set([400, 422]);
const NOT_ALLOWED = new Set([401, 403]);

/** Query parameters; those that are undefined are left out. */
type Query = Record<string, string | number | undefined>;

/** The HTTP interface, as commands use it. */
export interface Api {
  /** @throws CommandEnd, which says what the API said and what to do. */
  get<T>(path: string, query?: Query): Promise<T>;
  /** @throws as `get` */
  post<T>(path: string, body: object, more?: { query?: Query; headers?: Record<string, string> }): Promise<T>;
  /** Where, and with which headers, the same API is read in other ways. */
  readonly url: string;
  readonly headers: Record<string, string>;
}

/** Asks the API at `url`, under a key. What a reply holds is taken as it is: an API may be newer than this command. */
export function createApi(url: string, key: string): Api {
  const headers = { Authorization: `Bearer ${key}` };
  async function ask<T>(path: string, query: Query, init: RequestInit): Promise<T> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) parameters.set(name, String(value));
    const search = parameters.size === 0 ? '' : `?${String(parameters)}`;
    const { status, text } = await replyOf(url, `${path}${search}`, init);
    const body = parsed(text);
    if (status >= 200 && status < 300 && body !== undefined) return body as T;
    throw refusalOf(status, text);
  }
  return {
    url,
    headers,
    get: (path, query = {}) => ask(path, query, { headers }),
    post: (path, body, { query = {}, headers: more = {} } = {}) =>
      ask(path, query, {
        method: 'POST',
        headers: { ...headers, ...more, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
  };
}

async function replyOf(
  url: string,
  path: string,
  init: RequestInit,
): Promise<{ status: number; text: string }> {
  try {
    // The key is for this address alone: nothing is followed elsewhere.
    const signal = AbortSignal.timeout(REPLY_WITHIN_MS);
    const reply = await fetch(`${url}${path}`, { ...init, redirect: 'error', signal });
    return { status: reply.status, text: await reply.text() };
  } catch (error) {
    throw new CommandEnd(
      EXIT.failed,
      `The API at ${url} cannot be reached: ${reasonOf(error)}.\n` +
        'Start one here with `npm start`, or say where it is with `export LONGHAUL_API_URL=https://…`.',
    );
  }
}

/** `fetch` hides why it failed in the cause. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  const inner = cause as { message?: string; code?: string } | undefined;
  return plain(inner?.message || inner?.code || message);
}

/** What a refused request ends the command with. */
function refusalOf(status: number, text: string): Error {
  const problem = parsed(text) as Partial<Problem> | undefined;
  if (typeof problem?.title !== 'string') {
    const quote = plain(text).trim().slice(0, QUOTE_CHARS);
    return new CommandEnd(
      EXIT.failed,
      `The API answered ${status}: ${quote}\nIs LONGHAUL_API_URL the address of a Longhaul API?`,
    );
  }
  const message = explained(problem, status);
  if (WRONG_USE.has(status)) return new UsageError(message);
  const code: ExitCode = NOT_ALLOWED.has(status) ? EXIT.not_allowed : EXIT.failed;
  return new CommandEnd(code, message);
}

function explained(
  { title, detail, hint, errors = [], request_id }: Partial<Problem>,
  status: number,
): string {
  const parts = errors.map((part) => `  ${part.pointer}: ${part.detail}`);
  // The detail mostly is that of the first part.
  const said = detail === undefined || parts[0]?.endsWith(detail) ? '' : `: ${detail}`;
  const report = status >= 500 && request_id !== undefined ? [`Request ${request_id}.`] : [];
  return plain([`${title}${said}`, ...parts, ...(hint === undefined ? [] : [hint]), ...report].join('\n'));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
