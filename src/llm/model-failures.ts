import type { FailureCode } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';

/**
 * What went wrong at a provider, picked once from the table of failures. Pure, and in the words of HTTP: which client library met the
 * failure does not matter here.
 */

/** Characters of a provider's message that are kept: it is shown in events, and some send whole pages. */
const MAX_MESSAGE_LENGTH = 300;
/** Longest delay that a provider may ask for, milliseconds: a run is not to wait for days because of one header. */
const MAX_DELAY_MS = 10 * 60_000;
/** Characters of it that are looked at: what is dear about looking grows with their square. */
const MAX_READ_LENGTH = 10 * MAX_MESSAGE_LENGTH;
/** Characters from which a key is taken out of messages: a shorter one (`none`) is a word, not a secret. */
const SHORTEST_SECRET = 8;

/** A call that a provider, or the way to it, let fail. */
export class ProviderFault extends Error {
  constructor(
    /** HTTP status of the answer; null when there was none, or one that is no completion whatever its status says. */
    readonly status: number | null,
    /** What the provider says. It may hold anything. */
    readonly said: string,
    /** The provider's own code, or that of the operating system; empty when there is none. */
    readonly provider_code = '',
    readonly headers: Headers | null = null,
  ) {
    super('The model provider failed.');
  }
}

/** Whose failure it is, for the detail, and which secret must not be in it. */
export interface Asked {
  name: string;
  model: string;
  api_key: string;
}

/** Codes of providers that say more than the status they come with. */
const BY_PROVIDER_CODE: Record<string, FailureCode> = {
  // Comes with 429, but no delay cures it.
  insufficient_quota: 'model_key_refused',
  invalid_api_key: 'model_key_refused',
  model_not_found: 'model_unknown',
  context_length_exceeded: 'context_too_long',
  exceed_context_size_error: 'context_too_long',
  content_filter: 'model_declined',
  content_policy_violation: 'model_declined',
};

const BY_STATUS: Record<number, FailureCode> = {
  401: 'model_key_refused',
  // Payment: as with the quota, the account may not ask.
  402: 'model_key_refused',
  403: 'model_key_refused',
  404: 'model_unknown',
  408: 'model_timeout',
  413: 'context_too_long',
  429: 'model_rate_limited',
  504: 'model_timeout',
};

/** How providers without codes say that a question is too long. */
const TOO_LONG = /context.{0,10}(length|window|size)|maximum context|prompt is too long/i;

/** @returns the refusal that stands for a failed call; `more.retry_after_ms` where the provider names a delay. `now` in ms since 1970. */
export function refusalOf(fault: ProviderFault, asked: Asked, now: number): Refusal {
  const delay = fault.headers === null ? undefined : delayOf(fault.headers, now);
  const more = delay === undefined ? {} : { retry_after_ms: delay };
  const status = fault.status === null ? '' : ` answered ${fault.status}`;
  const message = readable(fault.said, asked.api_key);
  return new Refusal(
    codeOf(fault),
    `${asked.model} at ${asked.name}${status}${message === '' ? '.' : `: ${message}`}`,
    [],
    more,
  );
}

function codeOf({ status, provider_code, said }: ProviderFault): FailureCode {
  if (Object.hasOwn(BY_PROVIDER_CODE, provider_code)) return BY_PROVIDER_CODE[provider_code]!;
  if (status === null) return 'model_unreachable';
  if (BY_STATUS[status] !== undefined) return BY_STATUS[status];
  if (status >= 500) return 'model_overloaded';
  // A redirect is not followed: it would take the key to another address.
  if (status < 400) return 'model_unreachable';
  return TOO_LONG.test(said) ? 'context_too_long' : 'model_request_refused';
}

/**
 * The fault in an object with which a provider reports one. Most send `{error: {message, code, type}}` as OpenAI does; others leave out
 * the envelope, or send a plain text in it. An error inside an answer with status 200 may carry the status as its code.
 */
export function reportedFault(body: unknown, status: number | null, headers: Headers | null): ProviderFault {
  const error = isObject(body) ? (body.error ?? body) : body;
  if (!isObject(error)) return new ProviderFault(status, textOf(error), '', headers);
  const said = textOf(error.message ?? error.detail ?? error);
  const code = error.code ?? error.type;
  const isStatus = typeof code === 'number' && code >= 400 && code <= 599;
  const itsStatus = status ?? (isStatus ? code : null);
  return new ProviderFault(itsStatus, said, typeof code === 'string' ? code : '', headers);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** RFC 9110, 5.6.7: the one form of a date that may be sent. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * The delay in `retry-after-ms` (milliseconds), else in `Retry-After` (seconds or a date).
 * @returns whole milliseconds, or undefined when neither says anything of use
 */
function delayOf(headers: Headers, now: number): number | undefined {
  const milliseconds = positive(headers.get('retry-after-ms'));
  const after = headers.get('retry-after') ?? '';
  const seconds = positive(after);
  let delay = milliseconds ?? (seconds === undefined ? undefined : seconds * 1_000);
  if (delay === undefined && HTTP_DATE.test(after)) delay = Date.parse(after) - now;
  return delay !== undefined && delay > 0 ? Math.min(Math.ceil(delay), MAX_DELAY_MS) : undefined;
}

function positive(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

/** What may be a key: after its usual beginnings, with stars in it, or so long and mixed that it is no word. */
const LIKE_KEYS =
  /\bBearer\s+\S+|\b(sk|pk|gsk|xai|key|lh)[-_][\w*.-]{4,}|[\w.-]*\*{3,}[\w*.-]*|\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}/gi;

/** A provider's message as people may see it: one line, short, in text that can be stored, without keys. */
function readable(said: string, api_key: string): string {
  if (/<html|<!doctype/i.test(said)) return 'an HTML page. Is the base URL that of its API?';
  const withoutKey = api_key.length < SHORTEST_SECRET ? said : said.replaceAll(api_key, '[key]');
  const line = withoutKey
    .slice(0, MAX_READ_LENGTH)
    .replace(LIKE_KEYS, '[key]')
    .replace(/[\p{Cc}\p{Cs}\s]+/gu, ' ')
    .trim();
  const characters = [...line];
  return characters.length <= MAX_MESSAGE_LENGTH
    ? line
    : `${characters.slice(0, MAX_MESSAGE_LENGTH - 1).join('')}…`;
}
