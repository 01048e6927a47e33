import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { KeyLimits, SCOPES, type Scope } from '../contracts/api-key';
import { STEP_ID } from '../contracts/plan';
import { RUN_ID } from '../contracts/run';
import { RUN_STATUSES, type RunStatus } from '../contracts/run-status';

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };
/** What Temporal takes as a name to share turns by, in characters that need no quoting anywhere. */
const TENANT = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** `30d`, `12h`, `90m` or `45s`, in seconds. @param most longest that is taken, seconds */
export function duration(most: number): (text: string) => number {
  return (text) => {
    const [, count, unit] = /^(\d{1,10})([smhd])$/.exec(text) ?? [];
    const seconds = Number(count) * (UNITS[unit ?? ''] ?? NaN);
    if (Number.isNaN(seconds)) throw new InvalidArgumentError('Write it like 30d, 12h, 90m or 45s.');
    if (seconds > most) throw new InvalidArgumentError(`At most ${most / UNITS.d!}d.`);
    return seconds;
  };
}

export function tenant(text: string): string {
  if (TENANT.test(text)) return text;
  throw new InvalidArgumentError(
    '1 to 64 letters, digits, "_", "." and "-", beginning with a letter or digit.',
  );
}

/** `runs:read,runs:write`. */
export function scopes(text: string): Scope[] {
  const wanted = text.split(',').map((scope) => scope.trim());
  const unknown = wanted.find((scope) => !SCOPES.some((known) => known === scope));
  if (unknown === undefined) return wanted as Scope[];
  throw new InvalidArgumentError(`"${unknown}" is no scope. There are ${SCOPES.join(', ')}.`);
}

/** `submits=100`, added to those that were read before. */
export function limit(text: string, earlier: KeyLimits = {}): KeyLimits {
  const [, kind, count] = /^([a-z_]+)=(\d{1,9}(?:\.\d{1,8})?)$/.exec(text) ?? [];
  const parsed = KeyLimits.safeParse({ ...earlier, [kind ?? '']: Number(count) });
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(
    'Write it like submits=100; there are submits, writes, reads, streams and usd_per_day.',
  );
}

export function runId(text: string): string {
  if (RUN_ID.test(text)) return text;
  throw new InvalidArgumentError(
    'The id of a run is like run_01M7YS15FSR8H7RNT684VKVD36; `longhaul runs list` shows them.',
  );
}

export function stepId(text: string): string {
  if (STEP_ID.test(text)) return text;
  throw new InvalidArgumentError('The id of a step is like step_2; `longhaul runs show` lists them.');
}

/** `failed,timed_out`. */
export function statuses(text: string): RunStatus[] {
  const wanted = text.split(',').map((status) => status.trim());
  const unknown = wanted.find((status) => !RUN_STATUSES.some((known) => known === status));
  if (unknown === undefined) return wanted as RunStatus[];
  throw new InvalidArgumentError(`"${unknown}" is no status. There are ${RUN_STATUSES.join(', ')}.`);
}

/** A whole number from 1. */
export function count(most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,6}$/.test(text) ? Number(text) : 0;
    if (number >= 1 && number <= most) return number;
    throw new InvalidArgumentError(`A whole number from 1 to ${most}.`);
  };
}

/** Any JSON. */
export function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON: ${(error as Error).message}.`);
  }
}

/** JSON out of a file, by its path. */
export function jsonFile(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read: ${(error as Error).message}.`);
  }
  return json(text);
}
