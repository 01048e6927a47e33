import { z } from 'zod';

/** Milliseconds since 1970, by the clock of the database. */
const Instant = z.number();

/** Whether an endpoint may be asked. The transitions are in src/llm/breaker.ts. */
export const Breaker = z.discriminatedUnion('state', [
  /** Asked freely. `failures`: how many calls in a row have failed. */
  z.object({ state: z.literal('closed'), failures: z.number().int().min(0) }),
  /** Left alone until then. */
  z.object({ state: z.literal('open'), until: Instant }),
  /** One call, the probe, is out to see whether the endpoint is back. One that has not reported until then is lost. */
  z.object({ state: z.literal('half_open'), probe: z.string(), until: Instant }),
]);
export type Breaker = z.infer<typeof Breaker>;

/** What all workers together know of one model at one provider. */
export const EndpointState = z.object({
  breaker: Breaker,
  /** Ids of calls under way, and until when each counts at most: what a killed worker held is free then. */
  calls: z.record(z.string(), Instant),
  /** Calls begun in the minute that ends then. */
  minute: z.object({ used: z.number().int().min(0), ends_at: Instant }),
});
export type EndpointState = z.infer<typeof EndpointState>;
