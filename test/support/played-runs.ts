import type { Run } from '../../src/contracts/run';
import type { NewEvent } from '../../src/events/append';
import type { ApiServer } from './api-server';

/** Facts of a worker that all look alike: `count` of them from number `from`, each with a text of `chars` characters. */
export function facts(from: number, count: number, chars = 20): NewEvent[] {
  return Array.from({ length: count }, (_, i) => ({
    key: `fact-${from + i}`,
    type: 'generation.completed',
    data: { text: `ä${'x'.repeat(chars - 1)}` },
  }));
}

/** Pieces of a text that is being generated. */
export function deltas(from: number, count: number, chars = 20): NewEvent[] {
  return Array.from({ length: count }, (_, i) => ({
    key: `delta-fact-${from + i}`,
    type: 'generation.delta',
    data: { text: `ä${'x'.repeat(chars - 1)}`, attempt: 1 },
  }));
}

/** A run at work: queued, then running. Its last number is 2. */
export async function startedRun(api: ApiServer): Promise<Run> {
  const run = await api.submit();
  const data = { status: 'running', phase: 'planning', previous: 'queued' } as const;
  await api.append(run.id, [{ key: 'started', type: 'run.status', data }], {
    status: 'running',
    phase: 'planning',
    started_at: new Date().toISOString(),
  });
  return run;
}

/** Ends a run as completed. @returns its last number */
export function complete(api: ApiServer, run_id: string): Promise<number> {
  return api.append(run_id, [{ key: 'ended', type: 'run.completed', data: { answer: '4' } }], {
    status: 'completed',
    phase: null,
    answer: '4',
    finished_at: new Date().toISOString(),
  });
}

/** Removes events as retention and folding do. With `first_seq`, the log begins there from now on. */
export async function forget(
  api: ApiServer,
  run_id: string,
  seqs: number[],
  first_seq?: number,
): Promise<void> {
  await api.database.db.transaction(async (tx) => {
    await tx.query("set local longhaul.retention = 'on'");
    await tx.query('delete from events where run_id = $1 and seq = any($2)', [run_id, seqs]);
    if (first_seq !== undefined)
      await tx.query('update runs set first_seq = $2 where id = $1', [run_id, first_seq]);
  });
}

/** The events of a run as the JSON page carries them, byte for byte. */
export async function eventTexts(api: ApiServer, run_id: string): Promise<string[]> {
  const reply = await api.request(`/v1/runs/${run_id}/events?limit=500`);
  const text = await reply.text();
  const whole = /^\{"object":"list","data":\[(.*)\],"has_more":false,/s.exec(text)![1]!;
  // Every event begins with its id, and no text of these tests looks like one.
  return whole.split(/,(?=\{"id":"evt_)/);
}
