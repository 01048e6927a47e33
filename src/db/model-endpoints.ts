import { EndpointState } from '../contracts/model-endpoint';
import type { Records } from './database';
import type { Tx } from './tx';

/** A state as it was read, and the clock of the database then, milliseconds since 1970. */
export interface SeenState {
  state: EndpointState;
  now: number;
}

const STATE = `breaker, calls, minute, extract(epoch from clock_timestamp())::float8 * 1000 as now`;

interface StateRow {
  key: string;
  breaker: unknown;
  calls: unknown;
  minute: unknown;
  now: number;
}

/**
 * Changes what is known of an endpoint: locks its row, lets `decide` decide, and writes what came out, all in one transaction. So
 * processes decide one after the other, each about what the last one left. Nobody waits for the disk: what a killed Postgres loses of it
 * is half a second of calls that count no longer, and the request of a call is counted, and with it kept, before it is sent.
 * @param unasked the state of an endpoint that has no row yet
 * @param decide pure; gets the state and the clock of the database
 * @throws Unavailable when Postgres is away.
 */
export function changeModelEndpoint<Result>(
  db: Records,
  key: string,
  unasked: EndpointState,
  decide: (seen: SeenState) => { state: EndpointState; result: Result },
): Promise<Result> {
  return db.transaction(async (tx) => {
    const seen = await lock(tx, key, unasked);
    const { state, result } = decide(seen);
    if (state !== seen.state) {
      await tx.last.query('update model_endpoints set breaker = $2, calls = $3, minute = $4 where key = $1', [
        key,
        state.breaker,
        state.calls,
        state.minute,
      ]);
    }
    return result;
  }, 'soon');
}

/** An update, not `select for update`: it also makes the row that is missing, and reads the clock once the lock is granted, not before. */
async function lock(tx: Tx, key: string, { breaker, calls, minute }: EndpointState): Promise<SeenState> {
  const [row] = await tx.query<StateRow>(
    `insert into model_endpoints (key, breaker, calls, minute) values ($1, $2, $3, $4)
     on conflict (key) do update set updated_at = clock_timestamp() returning key, ${STATE}`,
    [key, breaker, calls, minute],
  );
  return seenOf(row!);
}

/** What is known of endpoints, by key; those that nobody has asked yet are missing. */
export async function readModelEndpoints(db: Tx, keys: readonly string[]): Promise<Map<string, SeenState>> {
  const rows = await db.query<StateRow>(`select key, ${STATE} from model_endpoints where key = any($1)`, [
    keys,
  ]);
  return new Map(rows.map((row) => [row.key, seenOf(row)]));
}

function seenOf({ now, breaker, calls, minute }: StateRow): SeenState {
  return { now, state: EndpointState.parse({ breaker, calls, minute }) };
}
