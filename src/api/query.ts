import { z } from 'zod';

// Shapes of query parameters, which come as text, or as a list of texts where a name is repeated.

/** What the document says instead of what its text form would. */
export function shownAs(schema: Record<string, unknown>) {
  return {
    override({ jsonSchema }: { jsonSchema: Record<string, unknown> }): void {
      for (const word of Object.keys(jsonSchema)) delete jsonSchema[word];
      Object.assign(jsonSchema, schema);
    },
  };
}

/** A whole number from 1. */
export function countText(most: number) {
  return z
    .string()
    .regex(/^\d{1,6}$/, `must be a whole number from 1 to ${most}`)
    .transform(Number)
    .pipe(z.number().min(1).max(most))
    .meta(shownAs({ type: 'integer', minimum: 1, maximum: most }));
}

/** Words of a list, repeated or with commas between them: `status=running&status=queued`, `expand=plan,steps`. */
export function wordsText<const T extends readonly [string, ...string[]]>(words: T) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [...new Set([given].flat().flatMap((text) => text.split(',')))])
    .pipe(z.array(z.enum(words)))
    .meta(shownAs({ type: 'array', items: { type: 'string', enum: words } }));
}

const A_TIME = 'must be a time such as 2026-01-31T12:00:00Z';
/** A moment, RFC 3339; becomes UTC with microseconds, which a Date would lose and Postgres keeps. */
export const timeText = z.iso
  .datetime({ offset: true, error: A_TIME })
  .transform((text) => {
    const fraction = /\.(\d{1,6})/.exec(text)?.[1] ?? '0';
    return new Date(text).toISOString().replace(/\.\d+Z$/, `.${fraction}Z`);
  })
  // Years before 1 and after 9999, which an offset may lead to, are written in other ways.
  .refine((text) => /^(?!0000)\d{4}-/.test(text), A_TIME)
  .meta(shownAs({ type: 'string', format: 'date-time' }));

export const booleanText = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .meta(shownAs({ type: 'boolean' }));
