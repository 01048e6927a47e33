import { z } from 'zod';
import { FAILURES, type FailureCode } from './failure';

const Code = z.enum(Object.keys(FAILURES) as [FailureCode, ...FailureCode[]]).meta({ id: 'FailureCode' });

/** A failure as `failure.ts` defines it: what ended a step or a run. */
export const Failure = z
  .strictObject({
    code: Code,
    message: z.string(),
    step_id: z.string().optional(),
    cause: z.strictObject({ code: Code, message: z.string() }).optional(),
  })
  .meta({ id: 'Failure' });

/** A failed request: RFC 9457, with the essence repeated in the shape that OpenAI clients read. Some codes add members of their own. */
export const Problem = z
  .looseObject({
    /** Address of a page that says what the code means. */
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string(),
    code: Code,
    request_id: z.string(),
    /** Whether the same request may succeed later. */
    retryable: z.boolean(),
    run_id: z.string().nullable(),
    hint: z.string(),
    /** Every wrong part of the request: a JSON pointer, a code, a sentence. */
    errors: z.array(z.strictObject({ pointer: z.string(), code: z.string(), detail: z.string() })),
    error: z.strictObject({
      message: z.string(),
      type: z.string(),
      code: Code,
      param: z.string().nullable(),
    }),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;
