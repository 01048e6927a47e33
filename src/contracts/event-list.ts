import { z } from 'zod';

/** An event as every wire carries it. Consumers ignore types they do not know; what `data` holds follows from the type. */
export const EventEnvelope = z
  .strictObject({
    id: z.string(),
    seq: z
      .number()
      .int()
      .min(1)
      .meta({ description: 'Number in the log of its run: 1, 2, 3 … without gaps.' }),
    type: z.string(),
    run_id: z.string(),
    attempt: z.number().int().min(1),
    time: z.iso.datetime(),
    v: z.literal(1),
    step_id: z.string().optional(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event' });

/** A page of the event log of a run. */
export const EventList = z
  .strictObject({
    object: z.literal('list'),
    data: z.array(EventEnvelope),
    has_more: z.boolean(),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    position: z.number().int().min(0).meta({
      description:
        'Number up to which this page has looked: read on after it. Beyond the last event when a filter left some out.',
    }),
    gaps: z
      .array(z.strictObject({ from: z.number().int(), to: z.number().int(), reason: z.literal('folded') }))
      .meta({ description: 'Numbers of the page whose deltas were folded away.' }),
  })
  .meta({ id: 'EventList' });
