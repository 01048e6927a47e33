import { Client, type ClientConfig } from 'pg';
import type { Database } from '../db/database';
import { ClosedRuns } from './closed-runs';
import type { ClosedWorkflows } from './closed-workflows';
import type { KnownWorkflows } from './known-workflows';
import { LostRuns, type LostRunsDeps } from './lost-runs';
import type { RunWorkflows } from './run-workflows';

/** Pause between two looks, milliseconds. */
const EVERY_MS = 1_000;
/** Wishes repeated in one look, at most; the rest waits for the next one. */
const AT_ONCE = 100;
/** Of them, told together: Temporal takes some hundred a second, and each has a second. */
const TOGETHER = 25;
/** Longest pause between two wake-ups for the same wish. */
const LONGEST_PAUSE = '1 minute';
/** Looks between two for workflows that were closed from outside, or that Temporal has lost. */
const ASKED_EVERY = 5;
/** After so many milliseconds a look for lost workflows begins nothing more. */
const LOST_WITHIN_MS = 3_000;
/** Looks between two clearings of expired idempotency keys and tickets. */
const CLEAR_EVERY = 60;
/** Rows that one statement clears. */
const CLEARED_AT_ONCE = 1_000;
/** Such statements for one table in one look, at most: where more has expired, the next look goes on. */
const CLEARED_TIMES = 10;
/** Days after which what a key has spent on one of them is forgotten: a call that began before midnight is long over. */
const SPENDING_KEPT_DAYS = 7;
/** Key of the advisory lock that the elected process holds. */
const LOCK = 7_240_003;

export interface ReconcilerDeps {
  db: Database;
  /** How the elected process holds its lock: on a connection of its own. */
  lock: ClientConfig;
  workflows: RunWorkflows;
  closed: ClosedWorkflows;
  known: KnownWorkflows;
  onSettled: LostRunsDeps['onSettled'];
  onFault: (what: string, error: unknown) => void;
}

/**
 * Tells workflows of wishes whose wake-up was lost, because Temporal or the process that took them was away, ends runs whose workflows
 * an operator has terminated there, and starts those again that Temporal has lost. One process at a time does it, elected by an advisory
 * lock; the cost does not grow with finished runs.
 */
export class Reconciler {
  private leader: Client | null = null;
  private looks = 0;
  /** The last clearing did not come to the end of what has expired. */
  private expired_left = false;
  private stopped = false;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private readonly closed: ClosedRuns;
  private readonly lost: LostRuns;

  constructor(private readonly deps: ReconcilerDeps) {
    this.closed = new ClosedRuns(deps.db, deps.closed, deps.onFault);
    this.lost = new LostRuns(deps);
  }

  start(): void {
    this.looking = this.look()
      .catch((error: unknown) => this.deps.onFault('The reconciler could not look', error))
      .finally(() => {
        if (!this.stopped) this.timer = setTimeout(() => this.start(), EVERY_MS);
      });
  }

  async close(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.looking;
    await this.leader?.end();
  }

  private async look(): Promise<void> {
    if (!(await this.isElected())) return this.forget();
    this.looks += 1;
    await this.repeatWishes();
    // The first look clears as well: a process that never lives for a minute must not leave them for ever.
    if (this.looks % CLEAR_EVERY === 1 || this.expired_left) await this.clearExpired();
    if (this.looks % ASKED_EVERY !== 1) return;
    await this.attempt('for closed workflows', () => this.closed.look(performance.now()));
    // Not for longer: wishes are to be repeated meanwhile, and who stops the process waits for this.
    const until = performance.now() + LOST_WITHIN_MS;
    const goOn = () => !this.stopped && performance.now() < until;
    await this.attempt('for lost workflows', () => this.lost.look(goOn));
  }

  /** Temporal may answer the one and not the other. */
  private async attempt(what: string, look: () => Promise<void>): Promise<void> {
    await look().catch((error: unknown) => this.deps.onFault(`The reconciler could not look ${what}`, error));
  }

  /** Another process may look meanwhile. */
  private forget(): void {
    this.closed.forget();
    this.lost.forget();
  }

  private async isElected(): Promise<boolean> {
    const leader = (this.leader ??= await this.connect());
    const { rows } = await leader
      .query<{ elected: boolean }>(
        // Taking a lock that is ours already would count it twice; asking for it does not.
        `select exists (select 1 from pg_locks where locktype = 'advisory' and objid = $1::bigint::oid and pid = pg_backend_pid())
         or pg_try_advisory_lock($1::bigint) as elected`,
        [LOCK],
      )
      .catch((error: unknown) => {
        this.leader = null; // half open, perhaps: a new connection stands for election again
        leader.end().catch(() => undefined); // it is lost either way
        throw error;
      });
    return rows[0]!.elected;
  }

  private async connect(): Promise<Client> {
    const client = new Client(this.deps.lock);
    client.on('error', () => {
      if (this.leader === client) this.leader = null; // the lock went with it: stand for election again
    });
    await client.connect();
    return client;
  }

  /** Less and less often: every wake-up makes the history of its workflow longer, and an answer may wait for a worker for days. */
  private async repeatWishes(): Promise<void> {
    const open = await this.deps.db.query<{ run_id: string }>(
      `update wishes set looked_at = now() where id in (
         select id from wishes where closed_at is null and created_at < now() - interval '1 second'
           and (looked_at is null or looked_at < now()
             - least(greatest((now() - created_at) / 4, interval '2 seconds'), interval '${LONGEST_PAUSE}'))
         order by created_at limit $1)
       returning run_id`,
      [AT_ONCE],
    );
    // Some at a time: one that is not taken holds up no other, an absent Temporal costs few timeouts, a busy one is not made busier by a crowd.
    for (let at = 0; at < open.length && !this.stopped; at += TOGETHER) {
      await Promise.all(open.slice(at, at + TOGETHER).map(({ run_id }) => this.wake(run_id)));
    }
  }

  private async wake(run_id: string): Promise<void> {
    await this.deps.workflows
      .look(run_id)
      .catch((error: unknown) => this.deps.onFault(`Run ${run_id} could not be woken`, error));
  }

  private async clearExpired(): Promise<void> {
    await this.deps.db.query(
      `delete from key_spending where day < (now() at time zone 'utc')::date - ${SPENDING_KEPT_DAYS}`,
    );
    const cleared = [
      await this.clear('idempotency_keys', 'tenant, route, key'),
      await this.clear('stream_tickets', 'hash'),
    ];
    this.expired_left = cleared.includes('some');
  }

  /** @param key columns of its primary key. @returns whether all were cleared that had expired */
  private async clear(table: string, key: string): Promise<'all' | 'some'> {
    for (let times = 0; times < CLEARED_TIMES && !this.stopped; times += 1) {
      const cleared = await this.deps.db.query(
        `delete from ${table} where (${key}) in (select ${key} from ${table} where expires_at < now() limit $1) returning 1`,
        [CLEARED_AT_ONCE],
      );
      if (cleared.length < CLEARED_AT_ONCE) return 'all';
    }
    return 'some';
  }
}
