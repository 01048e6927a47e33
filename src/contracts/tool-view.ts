import { z } from 'zod';
import { listOf } from './list';
import { TOOL_EFFECTS, TOOL_LANES } from './tool';

/** A tool as clients see it. */
export const ToolView = z
  .strictObject({
    object: z.literal('tool'),
    name: z.string(),
    version: z.string(),
    versions: z.array(z.string()).meta({ description: 'Newest first.' }),
    description: z.string(),
    effect: z.enum(TOOL_EFFECTS),
    lane: z.enum(TOOL_LANES),
    input_schema: z.record(z.string(), z.unknown()),
    output_schema: z.record(z.string(), z.unknown()).nullable(),
    timeout_s: z.number(),
    max_attempts: z.number().int(),
    non_retryable: z
      .array(z.string())
      .meta({ description: 'Errors after which it is not tried again, whatever its `max_attempts`.' }),
  })
  .meta({ id: 'Tool' });
export type ToolView = z.infer<typeof ToolView>;
export const ToolList = listOf(ToolView).meta({ id: 'ToolList' });
