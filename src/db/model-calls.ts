import type { Failure } from '../contracts/failure';
import type { Purpose, Spending, Usage } from '../contracts/model';
import { Refusal } from '../contracts/refusal';
import type { Rules } from '../contracts/rules';
import { holdBackToday, spend, type HeldBack } from './key-spending';
import { AT_WORK, atWork, type RunAtWork } from './runs';
import type { Transaction, Tx } from './tx';

/** Whose call it is: one question of one piece of a run's work. The same question in the same place is the same call. */
export interface CallRef {
  run_id: string;
  purpose: Purpose;
  /** Plan version. */
  round: number;
  /** SHA-256 of the question. */
  request_hash: string;
}

/** What a call costs at most. */
export interface WorstCase {
  tokens: number;
  /** Null when a price is unknown. */
  cost_usd: number | null;
}

/** A reply as it is kept. */
export interface KeptReply {
  text: string;
  model: string;
  endpoint: string;
  usage: Usage;
}

/** A call as its worker finds it. */
export interface OpenCall {
  /** Number of this try: what it writes is refused once a later one has begun. */
  fence: number;
  /** Requests that were sent to providers so far. */
  calls: number;
  reply: KeptReply | null;
  /** Why it was given up. */
  failure: Failure | null;
}

const KEY = 'run_id = $1 and purpose = $2 and round = $3 and request_hash = $4';
const keyOf = ({ run_id, purpose, round, request_hash }: CallRef) => [
  run_id,
  purpose,
  String(round),
  request_hash,
];

/** What a call held back, to be read with the statement that sets it to nothing. */
const HELD = `(select reserved_usd as was_usd, reserved_on::text as was_on from model_calls where ${KEY} for update) was`;
const NOTHING_HELD = 'reserved_tokens = 0, reserved_usd = null, reserved_on = null';

/** Whose money it is. */
interface Spender {
  tenant: string;
  rules: Rules;
}

/**
 * Opens a call: finds its reply where one is kept, else holds its worst case back from the budgets of the run and of the day. A try after
 * a first one takes over what that one held back; a call that came to nothing in an earlier attempt of the run begins anew.
 * @param ref and Temporal's run id of who asks
 * @throws Refusal `budget_exceeded`, `price_unknown`; and as `atWork`. Then nothing is stored.
 */
export async function openCall(
  tx: Transaction,
  ref: CallRef & { execution: string },
  request: object,
  worst: WorstCase,
): Promise<OpenCall> {
  // Asked for together, in one round trip. The first takes the lock; what the others store is rolled back where the run may not go on.
  const [run, [call], held] = await Promise.all([
    lockForSpending(tx, ref.run_id),
    tx.query<OpenCall & { reserved: boolean }>(
      `insert into model_calls as c (run_id, purpose, round, request_hash, tenant, attempt, fence, request)
       select id, $2, $3::integer, $4, tenant, attempt, 1, $5::jsonb from runs where id = $1
       on conflict (run_id, purpose, round, request_hash) do update set
         fence = c.fence + 1,
         reused = c.reused + case when c.reply is null or c.failure is not null then 0 else 1 end,
         failure = case when c.attempt < excluded.attempt then null else c.failure end,
         reply = case when c.attempt < excluded.attempt and c.failure is not null then null else c.reply end,
         calls = case when c.attempt < excluded.attempt and (c.reply is null or c.failure is not null) then 0 else c.calls end,
         attempt = excluded.attempt
       returning fence, calls, reply, failure, reserved_tokens > 0 as reserved`,
      [...keyOf(ref), JSON.stringify(request)],
    ),
    readHeld(tx, ref.run_id),
  ]);
  atWork(run, ref);
  const { reserved, ...open } = call!;
  if (open.reply !== null) await storeSpending(tx, ref.run_id);
  else if (open.failure === null && !reserved) await holdBack(tx, ref, run, held, worst);
  return open;
}

async function lockForSpending(tx: Tx, run_id: string): Promise<RunAtWork & { tenant: string }> {
  const [run] = await tx.query<RunAtWork & { tenant: string }>(
    `select tenant, ${AT_WORK} from runs where id = $1 for no key update`,
    [run_id],
  );
  if (run === undefined) throw new Refusal('not_found', `There is no run ${run_id}.`);
  return run;
}

/** Under the lock of the run, so that calls of one run that begin at once do not each see the whole budget. */
async function holdBack(
  tx: Transaction,
  ref: CallRef,
  { tenant, rules }: Spender,
  held: Held,
  { tokens, cost_usd }: WorstCase,
): Promise<void> {
  const { max_tokens, max_cost_usd, day } = rules;
  if (cost_usd === null && (max_cost_usd !== undefined || day !== undefined)) {
    throw new Refusal('price_unknown', 'The run has a budget in money, and a model it may ask has no price.');
  }
  refuseBeyond('tokens', held.tokens + tokens, max_tokens);
  refuseBeyond('USD', rounded(held.cost_usd + (cost_usd ?? 0)), max_cost_usd);
  if (day !== undefined) await holdBackToday(tx, tenant, day, cost_usd ?? 0);
  await tx.last.query(
    `update model_calls set reserved_tokens = $5, reserved_usd = $6,
       reserved_on = case when $7::boolean then (now() at time zone 'utc')::date end where ${KEY}`,
    [...keyOf(ref), tokens, cost_usd, day !== undefined],
  );
}

function refuseBeyond(unit: string, needed: number, limit: number | undefined): void {
  if (limit === undefined || needed <= limit) return;
  throw new Refusal(
    'budget_exceeded',
    `The next model call may bring the run to ${needed} ${unit}; its budget is ${limit}.`,
  );
}

/** What the calls of a run have cost, and hold back. */
interface Held {
  tokens: number;
  cost_usd: number;
}

async function readHeld(tx: Tx, run_id: string): Promise<Held> {
  const [held] = await tx.query<Held>(
    `select coalesce(sum(reserved_tokens + coalesce((usage->>'input_tokens')::bigint + (usage->>'output_tokens')::bigint, 0)), 0)::float8 as tokens,
       coalesce(sum(coalesce(reserved_usd, 0) + coalesce(cost_usd, 0)), 0)::float8 as cost_usd
     from model_calls where run_id = $1`,
    [run_id],
  );
  return held!;
}

/**
 * Counts a request before it is sent.
 * @param most requests for one call
 * @returns how many there are with it; null when there may be none: the limit is reached, a later try has begun, or nothing is held back
 * for it any more, because its run has ended.
 */
export async function countRequest(
  db: Tx,
  ref: CallRef,
  { fence, most }: { fence: number; most: number },
  asked: { endpoint: string; model: string },
): Promise<number | null> {
  const [call] = await db.query<{ calls: number }>(
    `update model_calls set calls = calls + 1, endpoint = $7, model = $8, under_way = true
     where ${KEY} and fence = $5 and reply is null and calls < $6 and reserved_tokens > 0 returning calls`,
    [...keyOf(ref), fence, most, asked.endpoint, asked.model],
  );
  return call?.calls ?? null;
}

/** Notes that the last request of a try has failed: until the next one, nothing of the call is under way. */
export async function noteFailedRequest(db: Tx, ref: CallRef, fence: number): Promise<void> {
  await db.query(`update model_calls set under_way = false where ${KEY} and fence = $5`, [
    ...keyOf(ref),
    fence,
  ]);
}

/** How a run stands after a reply was kept. */
export interface Kept {
  /** The reply that counts: the first one. */
  reply: KeptReply;
  spent: Spending;
  run: RunAtWork;
}

/**
 * Keeps a reply and what it cost, in place of what was held back. A reply that comes when there is one already was bought all the same:
 * its cost is added, the first reply counts. Also of a run that is over.
 * @param cost_usd null when the price is unknown
 */
export async function keepReply(
  tx: Tx,
  ref: CallRef,
  reply: KeptReply,
  cost_usd: number | null,
): Promise<Kept> {
  const [run, [kept], spent] = await Promise.all([
    lockForSpending(tx, ref.run_id),
    storeReply(tx, ref, reply, cost_usd),
    readSpending(tx, ref.run_id),
  ]);
  await spendHeld(tx, run, cost_usd ?? 0, kept!);
  return { reply: kept!.reply, spent, run };
}

function storeReply(tx: Tx, ref: CallRef, reply: KeptReply, cost_usd: number | null) {
  return tx.query<{ reply: KeptReply } & HeldBack>(
    `update model_calls set ${NOTHING_HELD},
       reply = coalesce(reply, $5::jsonb), failure = null, model = $6, endpoint = $7,
       usage = jsonb_build_object(
         'input_tokens', coalesce((usage->>'input_tokens')::bigint, 0) + $8::bigint,
         'output_tokens', coalesce((usage->>'output_tokens')::bigint, 0) + $9::bigint,
         'cached_tokens', coalesce((usage->>'cached_tokens')::bigint, 0) + $10::bigint),
       cost_usd = case when usage is null then $11::numeric else cost_usd + $11::numeric end,
       finished_at = coalesce(finished_at, now())
     from ${HELD} where ${KEY} returning reply, was_usd, was_on`,
    [...keyOf(ref), JSON.stringify(reply), reply.model, reply.endpoint, ...tokensOf(reply), cost_usd],
  );
}

function tokensOf({ usage }: KeptReply): [input: number, output: number, cached: number] {
  return [usage.input_tokens, usage.output_tokens, usage.cached_tokens];
}

/** Writes into the run what it has spent, where no event does. */
export async function storeSpending(tx: Tx, run_id: string): Promise<void> {
  await tx.query(
    'update runs set usage = $2, revision = revision + 1, updated_at = clock_timestamp() where id = $1',
    [run_id, JSON.stringify(await readSpending(tx, run_id))],
  );
}

/**
 * Gives a call up: its repetition finds why, and what was held back is free again, but for what a reply of no use has cost.
 * @returns null; or, where it is not given up because there is a reply or a later try has begun, the call as it stands
 */
export async function giveUpCall(
  tx: Tx,
  ref: CallRef,
  fence: number,
  failure: Failure,
  cost: { usage: Usage; cost_usd: number | null } | null,
): Promise<Pick<OpenCall, 'reply'> | null> {
  const run = await lockForSpending(tx, ref.run_id);
  const rows = await tx.query(
    `update model_calls set failure = $6, finished_at = now() where ${KEY} and fence = $5 and reply is null returning run_id`,
    [...keyOf(ref), fence, JSON.stringify(failure)],
  );
  if (rows.length === 0) {
    const [call] = await tx.query<Pick<OpenCall, 'reply'>>(
      `select reply from model_calls where ${KEY}`,
      keyOf(ref),
    );
    return call!;
  }
  await release(tx, ref, run, cost?.cost_usd ?? 0);
  if (cost === null) return null;
  await tx.query(`update model_calls set usage = $5, cost_usd = $6 where ${KEY}`, [
    ...keyOf(ref),
    JSON.stringify(cost.usage),
    cost.cost_usd,
  ]);
  await storeSpending(tx, ref.run_id);
  return null;
}

/** Notes that the replies of a piece of work came to nothing: they count until the run is reset, then the questions are asked anew. */
export async function disownReplies(
  db: Tx,
  { run_id, purpose, round }: Omit<CallRef, 'request_hash'>,
  failure: Failure,
): Promise<void> {
  await db.query(
    'update model_calls set failure = $4 where run_id = $1 and purpose = $2 and round = $3 and reply is not null',
    [run_id, purpose, String(round), JSON.stringify(failure)],
  );
}

/** Puts what was really spent in the place of what was held back; a reply that comes when nothing is held for it counts today. */
async function release(tx: Tx, ref: CallRef, run: Spender, spent_usd: number): Promise<void> {
  const [call] = await tx.query<HeldBack>(
    `update model_calls set ${NOTHING_HELD} from ${HELD} where ${KEY} returning was_usd, was_on`,
    keyOf(ref),
  );
  await spendHeld(tx, run, spent_usd, call!);
}

async function spendHeld(
  tx: Tx,
  { tenant, rules: { day } }: Spender,
  spent_usd: number,
  was: HeldBack,
): Promise<void> {
  if (day !== undefined) await spend(tx, { tenant, key_id: day.key_id }, spent_usd, was);
}

/** What the bought calls of a run have cost, and how many tokens were not bought again because their replies were kept. */
async function readSpending(tx: Tx, run_id: string): Promise<Spending> {
  const models = await tx.query<Spending['by_model'][number] & { saved_calls: number; saved_tokens: number }>(
    `select model,
       sum((usage->>'input_tokens')::bigint)::float8 as input_tokens,
       sum((usage->>'output_tokens')::bigint)::float8 as output_tokens,
       sum((usage->>'cached_tokens')::bigint)::float8 as cached_tokens,
       case when count(*) = count(cost_usd) then sum(cost_usd)::float8 end as cost_usd,
       sum(reused)::float8 as saved_calls,
       sum(reused * ((usage->>'input_tokens')::bigint + (usage->>'output_tokens')::bigint))::float8 as saved_tokens
     from model_calls where run_id = $1 and usage is not null group by model order by model`,
    [run_id],
  );
  const sum = (field: keyof Omit<(typeof models)[number], 'model' | 'cost_usd'>) =>
    models.reduce((total, model) => total + model[field], 0);
  const known = models.every(({ cost_usd }) => cost_usd !== null);
  return {
    input_tokens: sum('input_tokens'),
    output_tokens: sum('output_tokens'),
    cached_tokens: sum('cached_tokens'),
    cost_usd: known ? rounded(models.reduce((total, { cost_usd }) => total + cost_usd!, 0)) : null,
    saved: { calls: sum('saved_calls'), tokens: sum('saved_tokens') },
    by_model: models.map(({ saved_calls: _calls, saved_tokens: _tokens, ...model }) => model),
  };
}

/** Sums of decimals in binary drift; the record keeps eight places. */
function rounded(usd: number): number {
  return Number(usd.toFixed(8));
}
