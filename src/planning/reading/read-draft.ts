import { z } from 'zod';
import { CONDITION_OPS } from '../../contracts/condition';
import { listOfSteps, MAX_STEPS, Step } from '../../contracts/plan';
import { isTooDeep } from '../input-check';
import type { Draft } from '../planner';
import { readReply, type Read } from './read-reply';

/** Longest `not_possible`, characters: it ends as the message of a failure. */
const MAX_DETAIL_CHARS = 1_000;

/** A step as a model must write it. A missing input is more likely a forgotten one than the wish for none. */
const DraftedStep = Step.extend({ input: z.record(z.string(), z.unknown()) });
const DraftedSteps = listOfSteps(DraftedStep);

/**
 * The form of a reply for providers that can hold a model to it. Conditions are nested once, where `Step` takes any depth: several
 * providers refuse schemas that refer to themselves.
 */
export const DRAFT_FORMAT = { name: 'plan', schema: draftSchema() };

/** A step of a reply, or null. Ids, tools and inputs are the plan check's business; here only the form counts. */
export function readStep(value: unknown): Step | null {
  if (isTooDeep(value)) return null;
  return DraftedStep.safeParse(value).data ?? null;
}

/**
 * A whole reply as a plan, or as the refusal to make one. A field that is null or empty counts as absent: providers that hold a
 * model to a schema make it fill in both. Further fields beside the two are left alone.
 */
export function readDraft(text: string): Read<Draft> {
  const reply = readReply(text);
  if (!reply.ok) return reply;
  const { steps, not_possible } = reply.value;
  const refused = not_possible ?? '';
  if (typeof refused !== 'string') return { ok: false, problem: 'not_possible: must be a text.' };
  const hasSteps = Array.isArray(steps) ? steps.length > 0 : steps !== undefined && steps !== null;
  if (refused.trim() === '') return readSteps(steps);
  if (hasSteps) return { ok: false, problem: 'The reply has both steps and not_possible; give one of them.' };
  const detail = [...refused.slice(0, 2 * MAX_DETAIL_CHARS).trim()].slice(0, MAX_DETAIL_CHARS).join('');
  return { ok: true, value: { kind: 'not_understood', detail } };
}

function readSteps(steps: unknown): Read<Draft> {
  if (!Array.isArray(steps)) return { ok: false, problem: 'steps: must be a list of steps.' };
  if (steps.length > MAX_STEPS) return { ok: false, problem: `steps: there are more than ${MAX_STEPS}.` };
  const parsed = DraftedSteps.safeParse(steps);
  if (parsed.success) return { ok: true, value: { kind: 'plan', steps: parsed.data } };
  const wrong = parsed.error.issues.map(({ path, message }) => `steps.${path.join('.')}: ${message}`);
  return { ok: false, problem: wrong.join('\n') };
}

function draftSchema(): Record<string, unknown> {
  const text = { type: 'string' };
  const object = (properties: Record<string, unknown>, required: string[]) => ({
    type: 'object',
    properties,
    required,
    additionalProperties: false,
  });
  const scalar = { type: ['string', 'number', 'boolean', 'null'] };
  const comparison = object(
    {
      ref: text,
      op: { type: 'string', enum: [...CONDITION_OPS] },
      value: { anyOf: [scalar, { type: 'array', items: scalar }] },
    },
    ['ref', 'op'],
  );
  const comparisons = { type: 'array', items: comparison };
  const condition = {
    anyOf: [
      comparison,
      object({ all: comparisons }, ['all']),
      object({ any: comparisons }, ['any']),
      object({ not: comparison }, ['not']),
    ],
  };
  const step = object(
    {
      id: text,
      tool: text,
      title: text,
      input: { type: 'object' },
      needs: { type: 'array', items: text },
      when: condition,
      join: { type: 'string', enum: ['all', 'any'] },
      on_failure: { type: 'string', enum: ['stop', 'continue'] },
    },
    ['id', 'tool', 'input'],
  );
  return object({ steps: { type: 'array', items: step }, not_possible: text }, []);
}
