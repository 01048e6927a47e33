import type { ApiServer } from './api-server';

/** Every table that holds what belongs to a tenant. */
export const TENANT_TABLES = [
  'runs',
  'plans',
  'steps',
  'events',
  'wishes',
  'effects',
  'idempotency_keys',
  'todos',
  'model_calls',
  'key_spending',
  'api_keys',
  'stream_tickets',
];

/** Everything that is kept, whoever it belongs to, and what the workflows were told: equal when nothing happened in between. */
export async function everything({ database, workflows }: ApiServer): Promise<string> {
  const rows = await Promise.all(
    // When a key was used is noted by requests that do nothing else.
    TENANT_TABLES.map((table) =>
      database.owner.query(`select to_jsonb(t) - 'last_used_at' as row from ${table} t order by t::text`),
    ),
  );
  return JSON.stringify([rows, workflows.woken]);
}
