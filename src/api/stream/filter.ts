import { z } from 'zod';
import type { StoredEvent } from '../../events/read';
import { booleanText, shownAs } from '../query';

/** Names in one filter: there are fewer types of events than that. */
const MAX_TYPES = 50;
const TYPE = /^[a-z]{1,32}\.([a-z_]{1,32}|\*)$/;

/** Types of events: `step.completed`, or `step.*` for all of one noun. */
export const TypeNames = z
  .array(z.string().regex(TYPE, 'must be a type of event such as step.completed, or step.*'))
  .min(1)
  .max(MAX_TYPES);

/** Where a query carries the filter: `types` may be repeated, and each may be a list with commas. */
export const filterFields = {
  types: z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [given].flat().flatMap((list) => list.split(',')))
    .pipe(TypeNames)
    .optional()
    .meta(
      shownAs({
        type: 'array',
        items: { type: 'string', pattern: TYPE.source },
        description:
          'Types of events that are given, also with commas between them: `step.completed`, `step.*`. All when absent.',
      }),
    ),
  deltas: booleanText.optional().meta({
    description: '`false` leaves out `generation.delta`: the whole text comes at its end anyway.',
  }),
};

/** Pieces of a text that is being generated. A reader that does not want them, or is too slow for them, loses nothing that lasts. */
export function isDelta({ type }: Pick<StoredEvent, 'type'>): boolean {
  return type === 'generation.delta';
}

/** What a reader wants to be given. */
export interface Filter {
  /** Filters that let the same pass have the same key; '' lets everything pass. */
  readonly key: string;
  passes(event: Pick<StoredEvent, 'type'>): boolean;
}

/** One for all readers without a filter, which most are. */
const EVERYTHING: Filter = { key: '', passes: () => true };

class SomeTypes implements Filter {
  readonly key: string;
  private readonly names: ReadonlySet<string>;

  /** @param types null: all but for the deltas */
  constructor(
    private readonly types: readonly string[] | null,
    private readonly deltas: boolean,
  ) {
    this.names = new Set(types);
    this.key = `${[...this.names].sort().join()}${deltas ? '' : '-deltas'}`;
  }

  passes(event: Pick<StoredEvent, 'type'>): boolean {
    return (
      (this.deltas || !isDelta(event)) &&
      (this.types === null ||
        this.names.has(event.type) ||
        this.names.has(`${event.type.slice(0, event.type.indexOf('.'))}.*`))
    );
  }
}

export function filterOf({
  types,
  deltas = true,
}: {
  types?: string[] | undefined;
  deltas?: boolean | undefined;
}): Filter {
  return types === undefined && deltas ? EVERYTHING : new SomeTypes(types ?? null, deltas);
}
