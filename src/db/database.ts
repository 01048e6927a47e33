import { createHash } from 'node:crypto';
import { Pool, type PoolClient, type PoolConfig, type QueryConfig } from 'pg';
import type { Tx } from './tx';
import { Unavailable, isConnectionFault } from './unavailable';

/** Longest wait for a connection, milliseconds: beyond it the caller hears that Postgres is away. */
const CONNECT_TIMEOUT_MS = 2_000;
/** Longest statement, milliseconds. Everything we ask is answered in a few. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** A server that says nothing for longer than its own limit is gone, milliseconds. */
const QUERY_TIMEOUT_MS = 12_000;
/** A transaction whose process hangs gives its locks back after this, milliseconds. */
const IDLE_TRANSACTION_TIMEOUT_MS = 10_000;

/** The pool of a process. One statement outside a transaction, or several inside one. */
export interface Database extends Tx {
  /** Commits when `work` resolves, rolls back when it throws. @throws Unavailable when Postgres is away. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  url: string;
  /** Connections at most. */
  pool: number;
  /** Shown in pg_stat_activity. */
  name: string;
  /** Told about connections that broke while idle; they are replaced. */
  onIdleError?: (error: Error) => void;
}

/** Opens a pool; connects when first asked. */
export function openDatabase({ url, pool: max, name, onIdleError }: DatabaseOptions): Database {
  const pool = new Pool({ ...connectionOptions(url, name), max });
  const prepare = preparing();
  pool.on('error', (error) => onIdleError?.(error));
  return {
    query: (text, values) => guarded(async () => rowsOf(await pool.query(prepare(text, values)))),
    transaction: (work) => guarded(() => inTransaction(pool, prepare, work)),
    close: () => pool.end(),
  };
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

async function inTransaction<T>(pool: Pool, prepare: Prepare, work: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  const onError = (error: Error) => (broken = error); // without a listener a lost connection ends the process
  client.on('error', onError);
  try {
    await client.query('begin');
    const result = await work(txOver(client, prepare));
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((cause: Error) => (broken ??= cause));
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

function txOver(client: PoolClient, prepare: Prepare): Tx {
  return { query: async (text, values) => rowsOf(await client.query(prepare(text, values))) };
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
    if (isConnectionFault(error)) throw new Unavailable('Postgres', error);
    throw error;
  }
}
