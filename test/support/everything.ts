import type { ApiServer } from './api-server';

const TABLES = [
  'runs',
  'plans',
  'steps',
  'events',
  'wishes',
  'effects',
  'idempotency_keys',
  'todos',
  'model_calls',
];

/** Everything that is kept of runs and keys, whoever they belong to, and what the workflows were told: equal when nothing happened in between. */
export async function everything({ database, workflows }: ApiServer): Promise<string> {
  const rows = await Promise.all([
    ...TABLES.map((table) => database.owner.query(`select * from ${table} t order by t::text`)),
    // When a key was last used is noted in passing.
    database.owner.query('select id, hash, previous_hash, revoked_at, scopes from api_keys order by id'),
  ]);
  return JSON.stringify([rows, workflows.started.map(({ id }) => id), workflows.woken]);
}
