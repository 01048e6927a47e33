import { createHash } from 'node:crypto';
import type { Step } from '../contracts/plan';

/** JSON with sorted keys: the order in which somebody writes fields, or Postgres keeps them, does not make another value. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** What says of two plans that they are the same. SHA-256, hexadecimal. */
export function contentHashOf(steps: readonly Step[]): string {
  return createHash('sha256').update(canonical(steps)).digest('hex');
}
