import type { Catalogue } from '../tools/registry';
import { CONDITION_OPS } from '../contracts/condition';
import { cut } from '../contracts/cut';
import { STEP_ID, type Finding, type Step } from '../contracts/plan';
import { MAX_DETAIL_CHARS, MAX_POINTER_CHARS } from '../contracts/refusal';
import type { Rules } from '../contracts/rules';
import type { ToolCard } from '../contracts/tool';
import { referencesOfCondition } from './conditions';
import { isTooDeep, type InputCheck } from './input-check';
import { MAX_OUTLINE_BYTES, outlineBytes, outlineOf } from './outline';
import { cyclesOf, type Edge } from './plan-graph';
import { MAX_DEPTH, parseReference, referencesOf } from './references';

export interface PlanCheckOptions {
  tools: Catalogue;
  rules: Pick<Rules, 'max_steps' | 'max_input_bytes'>;
  checkInput: InputCheck;
  /** Whether the tool of a step will be called; every one's when absent. What is about its tool or input means nothing otherwise. */
  isRun?: (step: Step) => boolean;
}

/** Findings of one check: more would not be read. With what each may say they go into one event of a run. */
const MAX_FINDINGS = 100;
const SHOWN_TOOLS = 5;
const SHOWN_CHARS = 60;

/**
 * Everything that is wrong with a plan, at once, in the order of the steps. Total: whatever the steps hold, it returns.
 * A plan without findings can be carried out; whether it does what the goal asks is the judge's question.
 */
export function checkPlan(steps: readonly Step[], options: PlanCheckOptions): Finding[] {
  const { isRun = () => true } = options;
  const findings = countFindings(steps, options.rules.max_steps);
  const edges: Edge[] = [];
  const ids = idsOf(steps);
  for (const [index, step] of steps.entries()) {
    const at = `/steps/${index}`;
    if (!isObject(step)) {
      findings.push({
        code: 'invalid_input',
        pointer: at,
        detail: 'A step is an object; see the plan format.',
      });
      continue;
    }
    findings.push(...idFindings(step, at, ids.get(step.id) !== index));
    if (isRun(step)) findings.push(...toolFindings(step, at, options));
    findings.push(...conditionFindings(step.when, `${at}/when`, 1));
    const named = namedBy(step);
    findings.push(...referenceFindings(named, at, ids));
    for (const { step_id } of named) edges.push([step_id, step.id]);
    if (findings.length >= MAX_FINDINGS) return told(findings);
  }
  findings.push(...cycleFindings(steps, edges));
  if (findings.length === 0) findings.push(...outlineFindings(steps, options));
  return told(findings);
}

/** The first of these, cut: keys of an input may be as long as it is, and stand in every pointer into it. */
function told(findings: readonly Finding[]): Finding[] {
  return findings.slice(0, MAX_FINDINGS).map(({ code, pointer, detail }) => ({
    code,
    pointer: cut(pointer, MAX_POINTER_CHARS),
    detail: cut(detail, MAX_DETAIL_CHARS),
  }));
}

function countFindings(steps: readonly Step[], max_steps: number): Finding[] {
  if (steps.length === 0) {
    return [
      { code: 'empty_plan', pointer: '/steps', detail: 'The plan has no steps; give it at least one.' },
    ];
  }
  if (steps.length <= max_steps) return [];
  const detail = `The plan has ${steps.length} steps and may have ${max_steps}; raise budget.max_steps or plan less.`;
  return [{ code: 'too_many_steps', pointer: '/steps', detail }];
}

/** Where each id stands first. */
function idsOf(steps: readonly Step[]): Map<unknown, number> {
  const ids = new Map<unknown, number>();
  for (const [index, step] of steps.entries()) {
    if (isObject(step) && !ids.has(step.id)) ids.set(step.id, index);
  }
  return ids;
}

function idFindings({ id }: Step, at: string, isDouble: boolean): Finding[] {
  const pointer = `${at}/id`;
  if (typeof id !== 'string' || !STEP_ID.test(id)) {
    const detail = `${shown(id)} is no id: it takes a lower-case letter, then up to 63 letters, digits or _.`;
    return [{ code: 'invalid_id', pointer, detail }];
  }
  if (!isDouble) return [];
  return [
    { code: 'duplicate_id', pointer, detail: `An earlier step is called ${shown(id)}; rename one of them.` },
  ];
}

function toolFindings(step: Step, at: string, { tools, rules, checkInput }: PlanCheckOptions): Finding[] {
  const size = inputFindings(step.input, at, rules.max_input_bytes);
  const versions = tools.versions(step.tool);
  if (versions.length === 0) {
    const detail = `There is no tool ${shown(step.tool)}. Known are ${someOf(tools.names())}.`;
    return [{ code: 'unknown_tool', pointer: `${at}/tool`, detail }, ...size];
  }
  const tool = tools.find(step.tool, step.version);
  if (!tool) {
    const known = someOf(versions);
    const detail = `${step.tool} has no version ${shown(step.version)}. Known are ${known}; leave it out for the newest.`;
    return [{ code: 'unknown_version', pointer: `${at}/version`, detail }, ...size];
  }
  if (size.length > 0) return size;
  return checkInput.planned(tool, step.input).map(({ pointer, detail }) => ({
    code: 'invalid_input',
    pointer: `${at}/input${pointer}`,
    detail: `${pointer === '' ? 'The input' : shown(pointer.slice(1))} ${detail}; compare it with the schema of ${tool.name}.`,
  }));
}

function inputFindings(input: unknown, at: string, max_input_bytes: number): Finding[] {
  const pointer = `${at}/input`;
  if (!isObject(input) || Array.isArray(input)) {
    return [
      {
        code: 'invalid_input',
        pointer,
        detail: 'The input of a step is an object; {} where it takes nothing.',
      },
    ];
  }
  if (isTooDeep(input)) {
    const detail = `The input is nested deeper than ${MAX_DEPTH} levels; flatten it.`;
    return [{ code: 'invalid_input', pointer, detail }];
  }
  const bytes = Buffer.byteLength(JSON.stringify(input));
  if (bytes <= max_input_bytes) return [];
  const detail = `The input has ${bytes} bytes and may have ${max_input_bytes}; refer to outputs or split the step.`;
  return [{ code: 'input_too_large', pointer, detail }];
}

/** A step that another one names, and where within it. */
interface Named {
  step_id: string;
  pointer: () => string;
}

function namedBy(step: Step): Named[] {
  const needs = Array.isArray(step.needs) ? step.needs : [];
  return [
    ...referencesOf(step.input).map((one) => ({
      step_id: one.step_id,
      pointer: () => `/input${one.pointer}`,
    })),
    ...needs.map((step_id, index) => ({ step_id, pointer: () => `/needs/${index}` })),
    ...referencesOfCondition(step.when).map((one) => ({
      step_id: one.step_id,
      pointer: () => `/when${one.pointer}`,
    })),
  ];
}

function referenceFindings(
  named: readonly Named[],
  at: string,
  ids: ReadonlyMap<unknown, number>,
): Finding[] {
  return named
    .filter(({ step_id }) => !ids.has(step_id))
    .slice(0, MAX_FINDINGS)
    .map(({ step_id, pointer }) => ({
      code: 'unknown_reference',
      pointer: `${at}${pointer()}`,
      detail: `The plan has no step ${shown(step_id)}; name one it has, or write {{…}} for the text itself.`,
    }));
}

function conditionFindings(condition: unknown, pointer: string, depth: number): Finding[] {
  const finding = (detail: string, part = ''): Finding[] => [
    { code: 'invalid_condition', pointer: `${pointer}${part}`, detail },
  ];
  if (condition === undefined) return [];
  if (!isObject(condition))
    return finding('A condition is an object with ref, op and value, or with all, any or not.');
  if (depth > MAX_DEPTH)
    return finding(`The condition is nested deeper than ${MAX_DEPTH} levels; flatten it.`);
  const { all, any, not, ref, op, value } = condition as Record<string, unknown>;
  for (const [key, parts] of [['all', all] as const, ['any', any] as const]) {
    if (parts === undefined) continue;
    if (!Array.isArray(parts) || parts.length === 0)
      return finding(`${key} takes a list of conditions.`, `/${key}`);
    return parts
      .slice(0, MAX_FINDINGS)
      .flatMap((part, at) => conditionFindings(part ?? null, `${pointer}/${key}/${at}`, depth + 1));
  }
  if (not !== undefined) return conditionFindings(not, `${pointer}/not`, depth + 1);
  if (typeof ref !== 'string' || !parseReference(ref)) {
    return finding(`${shown(ref)} is no reference; write it like step_1.value, without braces.`, '/ref');
  }
  if (!CONDITION_OPS.some((known) => known === op)) {
    return finding(`${shown(op)} is no comparison; use one of ${CONDITION_OPS.join(', ')}.`, '/op');
  }
  if (op !== 'exists' && value === undefined)
    return finding(`${op} needs a value to compare with.`, '/value');
  if (op === 'in' && !Array.isArray(value)) return finding('in needs a list of values.', '/value');
  return [];
}

/** One finding at each step of a cycle. Steps with the same id count as one, and are reported as doubles already. */
function cycleFindings(steps: readonly Step[], edges: readonly Edge[]): Finding[] {
  const ids = [...new Set(steps.flatMap((step) => (isObject(step) ? [step.id] : [])))];
  const known = new Set(ids);
  const cycles = cyclesOf(
    ids,
    edges.filter(([from]) => known.has(from)),
  );
  if (cycles.size === 0) return [];
  return steps.flatMap((step, index): Finding[] => {
    const walk = isObject(step) ? cycles.get(step.id) : undefined;
    if (!walk) return [];
    const detail =
      walk.length === 2
        ? `${shown(walk[0])} needs itself; refer to an earlier step.`
        : `These steps wait for each other: ${someOf(walk.map(shown), ' → ')}; take one of the edges out.`;
    return [{ code: 'cycle', pointer: `/steps/${index}`, detail }];
  });
}

/** In place of a tool that is not called any more. */
const GONE: Pick<ToolCard, 'lane' | 'timeout_s'> = { lane: 'tools', timeout_s: 1 };

function outlineFindings(steps: readonly Step[], { tools }: PlanCheckOptions): Finding[] {
  const bytes = outlineBytes(outlineOf(1, steps, (step) => tools.find(step.tool, step.version) ?? GONE));
  if (bytes <= MAX_OUTLINE_BYTES) return [];
  const detail = `The outline of the plan has ${bytes} bytes and may have ${MAX_OUTLINE_BYTES}; shorten ids or needs.`;
  return [{ code: 'outline_too_large', pointer: '/steps', detail }];
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** A value of the plan inside a sentence: bounded, whatever it is. */
function shown(value: unknown): string {
  if (typeof value !== 'string') return value === undefined ? 'nothing' : `a ${typeof value}`;
  return JSON.stringify(value.length > SHOWN_CHARS ? `${value.slice(0, SHOWN_CHARS)}…` : value);
}

function someOf(names: readonly string[], separator = ', '): string {
  if (names.length === 0) return 'none';
  const rest = names.length - SHOWN_TOOLS;
  const list = names.slice(0, SHOWN_TOOLS).join(separator);
  return rest > 0 ? `${list}${separator}… (${rest} more)` : list;
}
