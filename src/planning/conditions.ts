import type { Condition } from '../contracts/condition';
import { lookUp, parseReference, type PlacedReference } from './references';

/** Whether a condition holds; not `ok` when it asks about a part of an output that is not there. */
export type Holds = { ok: true; value: boolean } | { ok: false; reference: string };

type Comparison = Extract<Condition, { ref: string }>;

/**
 * Decides a condition on the outputs of steps. `all` and `any` stop at the first part that decides them. Numbers and texts of
 * decimal digits compare as exact numbers (`"0.30"` equals 0.3), other texts by code units (so RFC 3339 times in UTC by time);
 * values of different kinds are unequal and neither less nor greater.
 */
export function holds(condition: Condition, outputs: ReadonlyMap<string, unknown>): Holds {
  if ('all' in condition) return decide(condition.all, outputs, false);
  if ('any' in condition) return decide(condition.any, outputs, true);
  if ('not' in condition) {
    const inner = holds(condition.not, outputs);
    return inner.ok ? { ok: true, value: !inner.value } : inner;
  }
  return compare(condition, outputs);
}

/** Every reference of a condition with its pointer. Malformed parts are passed over: plan-check reports them. */
export function referencesOfCondition(condition: unknown): PlacedReference[] {
  const found: PlacedReference[] = [];
  const open: { part: unknown; pointer: string }[] = [{ part: condition, pointer: '' }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { part, pointer } = next;
    if (typeof part !== 'object' || part === null) continue;
    const { ref, all, any, not } = part as Record<string, unknown>;
    const reference = typeof ref === 'string' ? parseReference(ref) : null;
    if (reference) found.push({ pointer: `${pointer}/ref`, ...reference });
    if (typeof not === 'object') open.push({ part: not, pointer: `${pointer}/not` });
    for (const [key, parts] of [['any', any] as const, ['all', all] as const]) {
      if (!Array.isArray(parts)) continue;
      for (let at = parts.length - 1; at >= 0; at -= 1) {
        open.push({ part: parts[at], pointer: `${pointer}/${key}/${at}` });
      }
    }
  }
  return found;
}

/** `all` is decided by the first false, `any` by the first true. */
function decide(parts: Condition[], outputs: ReadonlyMap<string, unknown>, decisive: boolean): Holds {
  for (const part of parts) {
    const result = holds(part, outputs);
    if (!result.ok || result.value === decisive) return result;
  }
  return { ok: true, value: !decisive };
}

function compare({ ref, op, value }: Comparison, outputs: ReadonlyMap<string, unknown>): Holds {
  const reference = parseReference(ref);
  const hit = reference ? lookUp(outputs, reference) : { found: false as const };
  if (op === 'exists') return { ok: true, value: hit.found };
  if (!hit.found) return { ok: false, reference: ref };
  switch (op) {
    case 'eq':
      return { ok: true, value: equals(hit.value, value) };
    case 'ne':
      return { ok: true, value: !equals(hit.value, value) };
    case 'in':
      return { ok: true, value: Array.isArray(value) && value.some((item) => equals(hit.value, item)) };
    case 'contains':
      return { ok: true, value: contains(hit.value, value) };
    default: {
      const order = orderOf(hit.value, value);
      if (order === null) return { ok: true, value: false };
      return { ok: true, value: { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[op] };
    }
  }
}

function contains(whole: unknown, part: unknown): boolean {
  if (Array.isArray(whole)) return whole.some((item) => equals(item, part));
  if (typeof whole !== 'string') return false;
  return (typeof part === 'string' || typeof part === 'number') && whole.includes(String(part));
}

function equals(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, at) => equals(item, b[at]));
  }
  return a === b || orderOf(a, b) === 0;
}

/** Below, at or above zero; null where the two cannot be put in order. */
function orderOf(a: unknown, b: unknown): number | null {
  const [left, right] = [decimalOf(a), decimalOf(b)];
  if (left && right) return orderOfDecimals(left, right);
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  return null;
}

/** An exact decimal: `digits` × 10^`exponent`. */
interface Decimal {
  digits: bigint;
  exponent: number;
}

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/;

/** Texts beyond this are text: scaling longer ones would cost more than a comparison may. */
const MAX_DECIMAL_CHARS = 2_000;

function decimalOf(value: unknown): Decimal | null {
  if (typeof value !== 'number' && typeof value !== 'string') return null;
  if (typeof value === 'string' && value.length > MAX_DECIMAL_CHARS) return null;
  const match = DECIMAL.exec(String(value));
  if (!match) return null;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const digits = BigInt(whole + fraction);
  return { digits: sign === '-' ? -digits : digits, exponent: Number(exponent) - fraction.length };
}

function orderOfDecimals(a: Decimal, b: Decimal): number {
  const exponent = Math.min(a.exponent, b.exponent);
  const left = a.digits * 10n ** BigInt(a.exponent - exponent);
  const right = b.digits * 10n ** BigInt(b.exponent - exponent);
  return left < right ? -1 : left > right ? 1 : 0;
}
