import { z } from 'zod';

/** Longest life of a ticket, seconds: it stands in an address, and addresses end up in logs. */
const MAX_LIFE_S = 300;
const USUAL_LIFE_S = 60;

/** Body of `POST /v1/stream-tickets`. */
export const NewStreamTicket = z.strictObject({
  run_id: z.string().max(64).optional().meta({ description: 'The only run it opens; any run when absent.' }),
  expires_in_s: z
    .number()
    .int()
    .min(1)
    .max(MAX_LIFE_S)
    .default(USUAL_LIFE_S)
    .meta({ description: 'Seconds within which the stream has to be opened.' }),
});

/** A ticket, shown once. It opens one stream, as `?ticket=` of its address. */
export const StreamTicket = z
  .strictObject({
    object: z.literal('stream_ticket'),
    ticket: z.string(),
    run_id: z.string().nullable(),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: 'StreamTicket' });
