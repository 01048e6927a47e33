import { createHash } from 'node:crypto';
import type { ToolEffect } from '../contracts/tool';
import type { Tx } from './tx';

// Effects that tools make elsewhere. A row is `started` before the call and `done` after it; what is still `started` when a later try
// comes was cut off, and nobody here knows whether it happened.

/** Which effect a step means to make. */
export interface EffectRef {
  /** 64 hexadecimal digits: the same effect has the same key, whichever try or restart means to make it. */
  key: string;
  tenant: string;
  /** The run that first meant to make it. */
  effect_scope: string;
  step_id: string;
  run_id: string;
  tool: string;
}

/** How an effect stands when a try is about to make it. */
export type Claim =
  /** Nothing is known of it, or its server knows the key: the tool may be called. */
  | { kind: 'call' }
  /** It was made, and this is what the tool returned. */
  | { kind: 'done'; output: unknown }
  /** An earlier try was cut off while it made it; or, where it was `made`, what that returned is nothing that this step can take. */
  | { kind: 'unknown'; made: boolean };

/** The key of an effect. No attempt, Temporal run id, tool version or time is in it. @param input canonical JSON of the filled-in input */
export function effectKey(effect: Omit<EffectRef, 'key' | 'run_id'>, input: string): string {
  const { tenant, effect_scope, step_id, tool } = effect;
  return createHash('sha256')
    .update(JSON.stringify([tenant, effect_scope, step_id, tool, input]))
    .digest('hex');
}

/**
 * Claims an effect for a start of its step, in the transaction that takes the start's number; from then on writes of older starts are refused.
 * @param effect class of the tool: an unsafe one must not be called when an earlier start may have made it, whatever its input was
 */
export async function claimEffect(
  tx: Tx,
  { key, tenant, effect_scope, step_id, run_id, tool }: EffectRef,
  fence: number,
  effect: Exclude<ToolEffect, 'pure'>,
): Promise<Claim> {
  // Restarts of one run share the scope, not the row of the step: without a lock of their own neither would see the other's first claim.
  if (effect !== 'idempotent')
    await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 7240014))', [
      `${effect_scope}:${step_id}`,
    ]);
  const earlier = await tx.query<{ key: string; made: boolean; kept: boolean; output: unknown }>(
    `select key, status = 'done' as made, status = 'done' and output is not null as kept, output from effects
     where effect_scope = $1 and step_id = $2 for update`,
    [effect_scope, step_id],
  );
  const same = earlier.find((effect) => effect.key === key);
  if (same?.kept === true) return { kind: 'done', output: same.output };
  if (effect === 'unsafe' && earlier.length > 0) {
    await tx.query(
      `update effects set run_id = $3, fence = $4, status = case status when 'started' then 'unknown' else status end
       where effect_scope = $1 and step_id = $2`,
      [effect_scope, step_id, run_id, fence],
    );
    return { kind: 'unknown', made: earlier.some(({ made }) => made) };
  }
  await tx.query(
    `insert into effects (key, tenant, effect_scope, step_id, run_id, tool, fence, status)
     values ($1, $2, $3, $4, $5, $6, $7, 'started')
     on conflict (key) do update set run_id = excluded.run_id, fence = excluded.fence`,
    [key, tenant, effect_scope, step_id, run_id, tool, fence],
  );
  return { kind: 'call' };
}

/** An effect that a start has claimed. The run is part of it: restarts that share an effect count their starts each for itself. */
export type Claimed = Pick<EffectRef, 'key' | 'run_id'> & { fence: number };

const STILL_CLAIMED = `key = $1 and run_id = $2 and fence = $3 and status = 'started'`;

/** Notes that a call was made and what it returned, nothing where that cannot be kept; unless a newer start has claimed the effect. */
export async function noteDone(
  tx: Tx,
  { key, run_id, fence }: Claimed,
  returned: { output?: unknown },
): Promise<void> {
  await tx.query(
    `update effects set status = 'done', output = $4, done_at = clock_timestamp() where ${STILL_CLAIMED}`,
    [key, run_id, fence, 'output' in returned ? JSON.stringify(returned.output) : null],
  );
}

/** Notes that a call was cut off, so that nobody here knows whether it was made; unless a newer start has claimed the effect. */
export async function noteUnknown(tx: Tx, { key, run_id, fence }: Claimed): Promise<void> {
  await tx.query(`update effects set status = 'unknown' where ${STILL_CLAIMED}`, [key, run_id, fence]);
}

/** Forgets an effect of which the tool itself says that nothing was done; unless a newer start has claimed it. */
export async function noteNotDone(tx: Tx, { key, run_id, fence }: Claimed): Promise<void> {
  await tx.query(`delete from effects where ${STILL_CLAIMED}`, [key, run_id, fence]);
}

/** Stores what a person says of a step's effects: they happened, with this output, or they did not. */
export async function settleEffects(
  tx: Tx,
  { effect_scope, step_id }: Pick<EffectRef, 'effect_scope' | 'step_id'>,
  said: { happened: true; output: unknown } | { happened: false },
): Promise<void> {
  if (said.happened)
    await tx.query(
      `update effects set status = 'done', output = $3, done_at = clock_timestamp() where effect_scope = $1 and step_id = $2`,
      [effect_scope, step_id, JSON.stringify(said.output)],
    );
  else
    await tx.query('delete from effects where effect_scope = $1 and step_id = $2', [effect_scope, step_id]);
}
