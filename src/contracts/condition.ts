import { z } from 'zod';

const Scalar = z.union([z.string().max(10_000), z.number(), z.boolean(), z.null()]);

export const CONDITION_OPS = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'contains', 'exists'] as const;

/** Comparisons and combinations of one condition, at most: a list of twenty lists of twenty, and some. */
export const MAX_CONDITION_PARTS = 500;
/** Conditions within one `all` or `any`. */
const MAX_LIST = 20;
/** Faults of one condition that are told. */
const MAX_FAULTS = 20;

/** One comparison: the part of an output that `ref` names (`step_1.value`) against `value`. */
const Comparison = z.strictObject({
  ref: z.string().min(1).max(500),
  op: z.enum(CONDITION_OPS),
  value: z.union([Scalar, z.array(Scalar).max(100)]).optional(),
});

/** The forms that combine conditions, by the key that tells them. */
const combining = <T>(part: z.ZodType<T>) => ({
  all: z.strictObject({ all: z.array(part).min(1).max(MAX_LIST) }),
  any: z.strictObject({ any: z.array(part).min(1).max(MAX_LIST) }),
  not: z.strictObject({ not: part }),
});

/** A condition is data, never code. `all`, `any` and `not` combine. */
export type Condition =
  z.infer<typeof Comparison> | { all: Condition[] } | { any: Condition[] } | { not: Condition };

const Form: z.ZodType<Condition> = z
  .lazy(() => {
    const { all, any, not } = combining(Form);
    return z.union([Comparison, all, any, not]);
  })
  .meta({ id: 'Condition' });

/**
 * A union tries every form of every part and keeps the faults of all of them, which a hostile condition makes millions of. So each part
 * is held to the one form that its key tells, until there are too many parts or faults; what passes is a `Form`.
 */
export const Condition = z.preprocess((value, ctx) => {
  const faults = new Faults();
  faults.look(value, []);
  for (const issue of faults.found) ctx.addIssue({ ...issue });
  return value;
}, Form);

/** One part by itself, whatever is in it. */
const Shallow = combining(z.unknown());
const KEYS = ['all', 'any', 'not'] as const;

class Faults {
  readonly found: z.core.$ZodIssue[] = [];
  private parts = 0;

  look(value: unknown, path: PropertyKey[]): void {
    this.parts += 1;
    if (this.parts > MAX_CONDITION_PARTS) {
      const message = `has more than ${MAX_CONDITION_PARTS} parts`;
      this.found.splice(0, Infinity, { code: 'custom', path: [], message });
    }
    if (this.isOver) return;
    if (typeof value !== 'object' || value === null) {
      this.found.push({ code: 'custom', path, message: 'has none of the forms of a condition' });
      return;
    }
    const key = KEYS.find((one) => Object.hasOwn(value, one));
    const { error } = (key === undefined ? Comparison : Shallow[key]).safeParse(value);
    for (const issue of error?.issues ?? []) this.add(issue, path);
    if (key === undefined) return;
    const within = (value as Record<string, unknown>)[key];
    if (key === 'not') this.look(within, [...path, key]);
    // A list that is too long is wrong whatever it holds.
    else if (Array.isArray(within) && within.length <= MAX_LIST)
      for (let at = 0; at < within.length && !this.isOver; at += 1) this.look(within[at], [...path, key, at]);
  }

  private add(issue: z.core.$ZodIssue, above: PropertyKey[]): void {
    const path = [...above, ...issue.path];
    if (issue.code !== 'unrecognized_keys') this.found.push({ ...issue, path });
    else {
      // As it is, zod would go on to the form after it, and forget it there.
      const fault = { code: 'custom', message: 'is not a field of this condition' } as const;
      for (const key of issue.keys.slice(0, MAX_FAULTS))
        this.found.push({ ...fault, path: [...path, key], params: { code: 'unknown_field' } });
    }
  }

  private get isOver(): boolean {
    return this.parts > MAX_CONDITION_PARTS || this.found.length >= MAX_FAULTS;
  }
}
