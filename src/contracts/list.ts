import { z, type ZodType } from 'zod';

/** A list as every route gives it. */
export function listOf<T extends ZodType>(item: T) {
  return z.strictObject({
    object: z.literal('list'),
    data: z.array(item),
    has_more: z.boolean(),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
  });
}

/** A page of a list; the whole of it unless there is more. `idOf` says by what its items are told apart. */
export function pageOf<T>(data: T[], idOf: (item: T) => string, has_more = false) {
  const [first, last] = [data[0], data.at(-1)];
  return {
    object: 'list' as const,
    data,
    has_more,
    first_id: first === undefined ? null : idOf(first),
    last_id: last === undefined ? null : idOf(last),
  };
}
