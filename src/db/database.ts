import { createHash } from 'node:crypto';
import { Pool, type PoolClient, type PoolConfig, type QueryConfig, type QueryResult } from 'pg';
import type { CommittedFacts } from '../contracts/fact';
import type { Transaction, Tx } from './tx';
import { Unavailable, isConnectionFault } from './unavailable';

/** Longest wait for a connection, milliseconds: beyond it the caller hears that Postgres is away. */
const CONNECT_TIMEOUT_MS = 2_000;
/** Longest statement, milliseconds. Everything we ask is answered in a few. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** A server that says nothing for longer than its own limit is gone, milliseconds. */
const QUERY_TIMEOUT_MS = 12_000;
/** A transaction whose process hangs gives its locks back after this, milliseconds. */
const IDLE_TRANSACTION_TIMEOUT_MS = 10_000;

/**
 * How long a connection that nobody uses is kept, milliseconds. A new one costs a caller 10 to 20 ms, and its first statements are parsed
 * and planned anew: where work comes now and then, each piece of it would pay that.
 */
const IDLE_MS = 600_000;

/** The role that every process works as: unlike the owner of the tables, it is held by row-level security (0003_tenants.sql). */
const ROLE = 'longhaul_app';
/** What a connection says to see the rows of every tenant. */
const EVERY_TENANT = '*';

/** The record as seen by whom it serves. One statement outside a transaction, or several inside one. */
export interface Records extends Tx {
  /** Commits when `work` resolves, rolls back when it throws. @throws Unavailable when Postgres is away. */
  transaction<T>(work: (tx: Transaction) => Promise<T>, keeping?: Keeping): Promise<T>;
}

/**
 * How long what is committed is kept. `written`: whatever happens. `soon`: a Postgres that is killed loses the last half second of it, and
 * nobody waits for the disk; a later commit that is `written` keeps what came before it, too.
 */
export type Keeping = 'written' | 'soon';

const BEGIN: Record<Keeping, string> = {
  written: 'begin',
  soon: 'begin; set local synchronous_commit = off',
};

/** The pool of a process, seeing the rows of every tenant. */
export interface Database extends Records {
  /** The same pool, seeing the rows of one tenant alone. */
  of(tenant: string): Records;
  /** Connections that are open, those of them that nobody uses, and callers that wait for one. */
  connections(): { open: number; idle: number; waiting: number };
  close(): Promise<void>;
}

export interface DatabaseOptions {
  url: string;
  /** Connections at most. */
  pool: number;
  /** Shown in pg_stat_activity. */
  name: string;
  /** Hears of facts once they are committed; must not throw. */
  onFacts?: (facts: CommittedFacts) => void;
  /** Told about connections that broke while idle; they are replaced. */
  onIdleError?: (error: Error) => void;
}

/** Opens a pool; connects when first asked. */
export function openDatabase({
  url,
  pool: max,
  name,
  onFacts = () => undefined,
  onIdleError,
}: DatabaseOptions): Database {
  const pool = new Pool({
    ...connectionOptions(url, name),
    options: `-c role=${ROLE}`,
    max,
    pipeline: true,
    idleTimeoutMillis: IDLE_MS,
  });
  const prepare = preparing();
  pool.on('error', (error) => onIdleError?.(error));
  const connected = connecting(pool);
  const recordsOf = (tenant: string): Records => ({
    query: (text, values) => connected(tenant, (client) => queryOver(client, prepare)(text, values)),
    announce: onFacts, // a statement outside a transaction is committed when it returns
    async transaction(work, keeping = 'written') {
      const told: CommittedFacts[] = [];
      const result = await connected(tenant, (client, lose) => {
        const query = queryOver(client, prepare);
        const announce = (facts: CommittedFacts) => void told.push(facts);
        return inTransaction(client, lose, BEGIN[keeping], (commit) =>
          work({ query, announce, last: { query: closing(query, commit), announce } }),
        );
      });
      told.forEach(onFacts);
      return result;
    },
  });
  return {
    ...recordsOf(EVERY_TENANT),
    of: recordsOf,
    connections: () => ({ open: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => pool.end(),
  };
}

/** Told that a connection is not to be lent again. */
type Lose = (error: Error) => void;
type Connected = <T>(tenant: string, act: (client: PoolClient, lose: Lose) => Promise<T>) => Promise<T>;

/** Lends a connection that sees the rows of a tenant. It keeps what it was told last, so a pool with one tenant tells it once. */
function connecting(pool: Pool): Connected {
  const told = new WeakMap<PoolClient, string>();
  return (tenant, act) =>
    guarded(async () => {
      const client = await pool.connect();
      let broken: Error | undefined;
      const lose: Lose = (error) => (broken ??= error);
      client.on('error', lose); // without a listener a lost connection ends the process
      try {
        if (told.get(client) !== tenant) {
          await client.query("select set_config('longhaul.tenant', $1, false)", [tenant]);
          told.set(client, tenant);
        }
        return await act(client, lose);
      } catch (error) {
        if (isConnectionFault(error)) lose(error as Error);
        throw error;
      } finally {
        client.off('error', lose);
        client.release(broken);
      }
    });
}

/** How every connection of ours is set up, also the one that listens. */
export function connectionOptions(url: string, name: string): PoolConfig {
  return {
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
  };
}

/**
 * Statements go to the server as they come, without waiting for the answers of those before them (`pipeline`). So the beginning of a
 * transaction, and its end where its last statement is known to be that, cost no round trip of their own. Where a statement fails those
 * behind it are refused, and the commit undoes all of them; only where the beginning itself is cancelled, which takes an operator and the
 * very microsecond, each of those already sent stands alone.
 * @param work gets a function that commits; a transaction that it has not committed is committed once it resolves
 * @throws Error where `work` resolved though a statement had failed: to a commit, Postgres then answers that it has undone everything
 */
async function inTransaction<T>(
  client: PoolClient,
  lose: Lose,
  begin: string,
  work: (commit: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const begun = client.query(begin);
  begun.catch(() => undefined); // told below
  let closed: Promise<QueryResult> | undefined;
  const commit = async () => {
    const { command } = await (closed ??= client.query('commit'));
    if (command !== 'COMMIT')
      throw new Error('A statement failed, so the transaction was undone as a whole.');
  };
  try {
    const result = await work(commit);
    await Promise.all([begun, commit()]);
    return result;
  } catch (error) {
    // After a commit there is nothing to be rolled back: one that comes behind a failed statement rolls back itself.
    await (closed ?? client.query('rollback')).catch(lose);
    throw error;
  }
}

/** Sends a statement and the commit together. @returns its rows, once they are committed */
function closing(query: Tx['query'], commit: () => Promise<void>): Tx['query'] {
  return async <Row extends object>(text: string, values?: unknown[]) => {
    const [rows] = await Promise.all([query<Row>(text, values), commit()]);
    return rows;
  };
}

function queryOver(client: PoolClient, prepare: Prepare): Tx['query'] {
  return async (text, values) => rowsOf(await client.query(prepare(text, values)));
}

type Prepare = (text: string, values: unknown[] | undefined) => QueryConfig;

/**
 * Statements are prepared once per connection, under a name of their own text: parsing and planning cost more than running them. Texts
 * come from our source alone, so there are few, and the hash of each is kept: making it costs as much as sending the text.
 */
function preparing(): Prepare {
  const names = new Map<string, string>();
  return (text, values) => {
    if (values === undefined) return { text };
    const name = names.get(text) ?? createHash('sha1').update(text).digest('hex');
    names.set(text, name);
    return { name, text, values };
  };
}

function rowsOf<Row>(result: { rows: unknown[] }): Row[] {
  return result.rows as Row[];
}

async function guarded<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (isConnectionFault(error)) throw new Unavailable(error);
    throw error;
  }
}
