import { z } from 'zod';

export const ORIGIN_TYPES = ['api', 'restart', 'fork'] as const;

/** What a run comes from: a submit (`api`), or another run that it repeats from a point on. */
export const Origin = z.strictObject({
  type: z.enum(ORIGIN_TYPES),
  run_id: z.string().nullable().meta({ description: 'The run it repeats.' }),
  from: z
    .string()
    .nullable()
    .meta({ description: '`failed`, `start` or the id of a step: from where on it is repeated.' }),
  reason: z.string().optional().meta({ description: 'Why, in the words of whoever repeats it.' }),
});
export type Origin = z.infer<typeof Origin>;
