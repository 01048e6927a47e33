import { createHash } from 'node:crypto';
import type { Failure } from '../contracts/failure';
import type { StepRow } from '../db/steps';
import { holds } from '../planning/conditions';
import type { InputCheck } from '../planning/input-check';
import { fillIn } from '../planning/references';
import type { Tool } from '../tools/tool';

/** What is to be done with a step: skip it, fail it before any call, or call its tool. */
export type Prepared =
  | { kind: 'skip'; reason: string }
  | { kind: 'fail'; failure: Failure }
  | { kind: 'call'; tool: Tool; input: Record<string, unknown>; input_hash: string };

/**
 * Decides on a step from stored outputs alone: its condition, then its input with the references filled in, then the tool's schema. Pure.
 */
export function prepareCall(step: StepRow, tool: Tool | undefined, checkInput: InputCheck): Prepared {
  const fail = (code: Failure['code'], message: string): Prepared => ({
    kind: 'fail',
    failure: { code, message, step_id: step.spec.id },
  });
  const outputs = new Map(Object.entries(step.outputs));
  if (step.spec.when !== undefined) {
    const condition = holds(step.spec.when, outputs);
    if (!condition.ok)
      return fail(
        'reference_missing',
        `The condition refers to {${condition.reference}}, which is not there.`,
      );
    if (!condition.value) return { kind: 'skip', reason: 'Its condition does not hold.' };
  }
  if (tool === undefined) {
    return fail('tool_missing', `This worker does not have ${step.tool} ${step.tool_version}.`);
  }
  const filled = fillIn(step.spec.input, outputs);
  if (!filled.ok && filled.reason === 'too_large') {
    return fail('input_too_large', `What {${filled.reference}} brings in at ${filled.pointer} is too large.`);
  }
  if (!filled.ok) {
    return fail(
      'reference_missing',
      `The input refers to ${filled.reference} at ${filled.pointer}, which is not there.`,
    );
  }
  const json = JSON.stringify(filled.input);
  if (Buffer.byteLength(json) > step.rules.max_input_bytes) {
    return fail('input_too_large', `The filled-in input is larger than ${step.rules.max_input_bytes} bytes.`);
  }
  const [wrong] = checkInput(tool, filled.input);
  if (wrong !== undefined) return fail('invalid_input', `${wrong.pointer}: ${wrong.detail}`);
  const input_hash = createHash('sha256').update(`${tool.name}@${tool.version}\n${json}`).digest('hex');
  return { kind: 'call', tool, input: filled.input, input_hash };
}
