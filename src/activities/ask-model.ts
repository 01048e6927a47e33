import { createHash } from 'node:crypto';
import { isRetryable, type Failure } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';
import { isTerminal } from '../contracts/run-status';
import type { Spending, Usage } from '../contracts/model';
import type { Database } from '../db/database';
import {
  countRequest,
  disownReplies,
  giveUpCall,
  keepReply,
  noteFailedRequest,
  openCall,
  storeSpending,
  type CallRef,
  type Kept,
  type KeptReply,
  type OpenCall,
} from '../db/model-calls';
import { append, type NewEvent } from '../events/append';
import type { Ask } from '../llm/ask';
import type { Bought, CallOptions, Endpoint, ModelReply, ModelRequest, Models, Pricing } from '../llm/model';
import { isStorable, storableText } from '../db/storable';

/** Requests that one call may cost, over all endpoints, tries and workers. */
const MAX_REQUESTS = 5;
/** Pause after the first failed try where the provider names none, milliseconds; it doubles with each. */
const FIRST_PAUSE_MS = 1_000;
/** Part of a budget at which a run says so. */
const WARN_AT = 0.8;

/** What is needed to buy replies. */
export interface ModelDeps {
  db: Database;
  models: Models;
  prices: Pricing;
}

/** Which piece of a run's work asks, and in which execution. */
export type Place = Pick<CallRef, 'run_id' | 'purpose' | 'round'> & { execution: string };

/**
 * Lets one piece of a run's work ask models, each question once: its worst case is held back from the budgets, the reply is kept before
 * anything is done with it, and a repetition gets what is kept. Between the provider's last byte and that commit a killed worker
 * loses a reply that was bought; nowhere else.
 */
export function askFor(deps: ModelDeps, place: Place, signal: AbortSignal): Ask {
  return async (request, onText) => {
    const ref = { ...place, request_hash: hashOf(request) };
    const open = await deps.db.transaction((tx) =>
      openCall(tx, ref, storableRequest(request), deps.prices.worstCase(request)),
    );
    if (open.failure !== null) throw new Refusal(open.failure.code, open.failure.message);
    if (open.reply !== null) {
      onText?.(open.reply.text);
      return open.reply;
    }
    return buy(deps, ref, open, request, { signal, ...(onText && { onText }) });
  };
}

/** Does what needs replies that can be read. Where they cannot, the next attempt of the run asks anew: to read them again is of no use. */
export async function withReadable<T>(
  db: Database,
  place: Omit<Place, 'execution'>,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Refusal && error.code === 'reply_unreadable')
      await disownReplies(db, place, { code: error.code, message: storableText(error.message) });
    throw error;
  }
}

/** The question itself, and nothing of where it is sent: a repetition finds the reply also when endpoints have changed. */
function hashOf({ tier, messages, format, max_output_tokens }: ModelRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([tier, messages, format, max_output_tokens]))
    .digest('hex');
}

/** As Postgres takes it, for people who look; what was asked is what the hash says. */
function storableRequest(request: ModelRequest): object {
  return isStorable(request)
    ? request
    : { ...request, messages: request.messages.map((m) => ({ ...m, content: storableText(m.content) })) };
}

async function buy(
  deps: ModelDeps,
  ref: CallRef,
  open: OpenCall,
  request: ModelRequest,
  options: CallOptions,
): Promise<KeptReply> {
  let { calls } = open;
  let asked = '';
  const before = async ({ name, model }: Endpoint) => {
    const counted = await countRequest(
      deps.db,
      ref,
      { fence: open.fence, most: MAX_REQUESTS },
      { endpoint: name, model },
    );
    if (counted === null) throw new Refusal('provider_unavailable', `${calls} requests have failed.`);
    calls = counted;
    asked = model;
  };
  let kept: Promise<KeptReply> | undefined;
  const after = async (reply: ModelReply) => {
    kept = keep(deps, ref, open.fence, asked, request, reply);
    await kept;
  };
  try {
    await deps.models.call(request, { ...options, before, after });
  } catch (error) {
    if (!(error instanceof Refusal) || kept !== undefined) throw error;
    return insteadOf(error, deps, { ref, fence: open.fence, calls, asked, request });
  }
  return kept!; // there is no reply without it
}

/** A try of a call that has failed. */
interface Failed {
  ref: CallRef;
  fence: number;
  /** Requests that were sent for the call. */
  calls: number;
  /** The model as it was asked for. */
  asked: string;
  request: ModelRequest;
}

/**
 * Decides whether a failed call is tried again, and after what pause; else it is given up, and its repetition finds why.
 * @returns the reply that another try has got meanwhile
 * @throws Refusal; `superseded` where a later try is asking: nobody may stand in for a model because an older one failed
 */
async function insteadOf(
  error: Refusal,
  { db, prices }: ModelDeps,
  { ref, fence, calls, asked, request }: Failed,
): Promise<KeptReply> {
  if (isRetryable(error.code) && calls < MAX_REQUESTS) {
    await noteFailedRequest(db, ref, fence);
    const retry_after_ms = error.more.retry_after_ms ?? FIRST_PAUSE_MS * 2 ** Math.max(0, calls - 1);
    throw new Refusal(error.code, error.message, [], { retry_after_ms });
  }
  const failure: Failure = {
    code: isRetryable(error.code) ? 'provider_unavailable' : error.code,
    message: storableText(error.message),
  };
  const bought = error.more.bought as Bought | undefined;
  const cost = bought === undefined ? null : costOf(prices, asked, bought, atMost(request, null));
  const other = await db.transaction((tx) => giveUpCall(tx, ref, fence, failure, cost));
  if (other === null) throw new Refusal(failure.code, failure.message);
  if (other.reply !== null) return other.reply;
  throw new Refusal('superseded', 'A later try asks this question.');
}

/** What a reply cost. @param asked the model as it was asked for: many servers answer under another name, which has no price */
function costOf(prices: Pricing, asked: string, { model, usage: said }: Bought, most: Usage) {
  const usage = said ?? most;
  return { usage, cost_usd: prices.costOf(storableText(model), usage) ?? prices.costOf(asked, usage) };
}

/**
 * Keeps the reply and tells what it cost, in one transaction.
 */
function keep(
  { db, prices }: ModelDeps,
  ref: CallRef,
  fence: number,
  asked: string,
  request: ModelRequest,
  { text, model: named, endpoint, usage: said }: ModelReply,
): Promise<KeptReply> {
  const { usage, cost_usd } = costOf(prices, asked, { model: named, usage: said }, atMost(request, text));
  const model = storableText(named);
  const reply: KeptReply = { text: storableText(text), model, endpoint, usage };
  return db.transaction(async (tx) => {
    const kept = await keepReply(tx, ref, reply, cost_usd);
    const { run, spent } = kept;
    if (isTerminal(run.status)) await storeSpending(tx, ref.run_id);
    else {
      const { purpose, round } = ref;
      const delta = { purpose, round, model, ...usage, cost_usd };
      const key = `usage:${purpose}:${round}:${ref.request_hash.slice(0, 16)}:${fence}`;
      const events: NewEvent[] = [{ key, type: 'run.usage', data: { delta, total: spent } }];
      await append(tx.last, ref.run_id, {
        attempt: run.attempt,
        events: [...events, ...warnings(kept)],
        change: { usage: spent },
      });
    }
    return kept.reply;
  });
}

/**
 * Bytes, where the provider does not count: no tokenizer makes more tokens than a text has bytes.
 * @param text of the reply; null where it is not known, so that it may have had all it was allowed
 */
function atMost(request: ModelRequest, text: string | null): Usage {
  const input_tokens = Buffer.byteLength(JSON.stringify([request.messages, request.format]));
  const output_tokens = text === null ? request.max_output_tokens : Buffer.byteLength(text);
  return { input_tokens, output_tokens, cached_tokens: 0 };
}

/** One warning a budget and attempt: their keys make repetitions the same fact. */
function warnings({ spent, run: { rules } }: Kept): NewEvent[] {
  const tokens = spent.input_tokens + spent.output_tokens;
  return [
    ...warning('max_tokens', tokens, rules.max_tokens),
    ...warning('max_cost_usd', spent.cost_usd ?? 0, rules.max_cost_usd),
  ];
}

function warning(
  kind: 'max_tokens' | 'max_cost_usd',
  used: Spending['input_tokens'],
  limit: number | undefined,
): NewEvent[] {
  if (limit === undefined || used === 0 || used < WARN_AT * limit) return [];
  return [{ key: `budget:${kind}`, type: 'run.budget_warning', data: { kind, used, limit } }];
}
