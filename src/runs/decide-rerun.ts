import type { Finding, GivenPlan, Step } from '../contracts/plan';
import { Refusal, type RefusedPart } from '../contracts/refusal';
import type { ForkRun, Rerun } from '../contracts/restart';
import type { Rules } from '../contracts/rules';
import { isTerminal, type StepStatus } from '../contracts/run-status';
import type { ToolCard } from '../contracts/tool';
import type { RepeatedRun } from '../db/repeated-runs';
import type { InputCheck } from '../planning/input-check';
import { edgesOf, needsOf } from '../planning/outline';
import { checkPlan } from '../planning/plan-check';
import { diffOf } from '../planning/plan-diff';
import type { Catalogue } from '../tools/registry';
import { closureOf, lostBy, type Fate } from './closure';
import { toolFor, type Missing } from './rerun-tools';

/** What somebody wants repeated of a run, and with what edits. */
export interface Asked extends Pick<ForkRun, 'goal' | 'step_input' | 'plan' | 'model' | 'reason'> {
  type: 'restart' | 'fork';
  /** `start`, the id of a step, or, of a restart, `failed`. */
  from: string;
}

/** What a plan is held against. */
export interface Ground {
  tools: Catalogue;
  checkInput: InputCheck;
  /** Of the new run. */
  rules: Pick<Rules, 'max_steps' | 'max_input_bytes'>;
}

/** What a restart or a fork does. */
export interface Decided {
  planning: Rerun['planning'];
  /** A plan that is drafted, as any given one, when the new run begins: nothing of it has been carried out. */
  given_plan: GivenPlan | null;
  /** Steps of the plan; none where it is planned again. */
  steps: Step[];
  /** By id, of every step. */
  fates: Map<string, Fate>;
  /** Steps that end as skipped at once, since skips that are taken over leave them without their inputs. */
  lost: Set<string>;
  /** By id, of the steps that are run: the tools they are run with. */
  cards: Map<string, ToolCard>;
  /** Of the others, which cannot be run. */
  missing: Missing[];
}

/** The plan that is to be carried out, before anything is decided on its steps. */
type Wanted = Pick<Decided, 'planning' | 'given_plan' | 'steps'>;

/**
 * Decides what a restart or a fork of a run does. Pure.
 * @throws Refusal `run_not_terminal`, `unknown_step`, `invalid_plan`. Tools that are gone are not refused here.
 */
export function decideRerun(old: RepeatedRun, asked: Asked, ground: Ground): Decided {
  if (!isTerminal(old.status)) throw new Refusal('run_not_terminal', `The run is ${old.status}.`);
  const wanted = wantedPlan(old, asked);
  if (!isWhole(asked) && !wanted.steps.some(({ id }) => id === asked.from)) throw unknownStep(asked);
  const fates = fatesOf(old, asked, wanted);
  const lost = new Set(lostBy(fates, { steps: wanted.steps.map(nodeOf) }));
  for (const id of lost) fates.set(id, { action: 'reuse', because: 'skipped' });
  const was = new Map(old.steps.map((step) => [step.id, step]));
  const cards = new Map<string, ToolCard>();
  const missing: Missing[] = [];
  for (const step of wanted.steps) {
    const before = was.get(step.id);
    const isHeld = !lost.has(step.id) || before?.tool === step.tool;
    if (fates.get(step.id)!.action === 'reuse' && isHeld) continue;
    // What has not been carried out is drafted anew, with the newest tools.
    const found = toolFor(step, wanted.given_plan === null ? before : undefined, ground.tools);
    if ('card' in found) cards.set(step.id, found.card);
    else missing.push(found.missing);
  }
  const decided: Decided = { ...wanted, fates, lost, cards, missing };
  if (wanted.planning !== 'again') refuseUnsound(asked, decided, ground);
  return decided;
}

/** @throws Refusal `invalid_plan` that names each tool, or version of one, that is gone. */
export function refuseMissing({ missing, steps }: Decided): void {
  if (missing.length > 0) throw invalidPlan(missing.map((one) => partOf(one, steps)));
}

/** Which plan is to be carried out. */
function wantedPlan(old: RepeatedRun, { type, from, plan, step_input }: Asked): Wanted {
  if (type === 'fork' && from === 'start') return plan === undefined ? PLANNED_AGAIN : givenTo(plan);
  if (old.plan === null) {
    // It ended before a plan was accepted: there is no step to begin at, and nothing to take over.
    return old.given_plan === null ? PLANNED_AGAIN : givenTo(old.given_plan);
  }
  if (plan !== undefined) return { planning: 'given', given_plan: null, steps: plan.steps };
  const edited = old.plan.steps.map((step) =>
    step_input === undefined || step.id !== from ? step : { ...step, input: step_input },
  );
  return { planning: 'reused', given_plan: null, steps: edited };
}

const PLANNED_AGAIN: Wanted = { planning: 'again', given_plan: null, steps: [] };
const givenTo = (plan: GivenPlan): Wanted => ({ planning: 'given', given_plan: plan, steps: plan.steps });

/** Whether no single step is named to begin at. */
function isWhole({ type, from }: Asked): boolean {
  return from === 'start' || (type === 'restart' && from === 'failed');
}

function unknownStep({ type, from }: Asked): Refusal {
  const detail = `There is no step ${from} in the plan.`;
  const pointer = type === 'fork' ? '/at' : '/from';
  return new Refusal('unknown_step', detail, [{ pointer, code: 'unknown_step', detail }]);
}

function nodeOf(step: Step) {
  return { id: step.id, needs: needsOf(step), join: step.join ?? 'all' };
}

function fatesOf(old: RepeatedRun, asked: Asked, { given_plan, steps }: Wanted): Map<string, Fate> {
  const ids = steps.map(({ id }) => id);
  const all = asked.from === 'start' || given_plan !== null;
  const chosen = all ? ids : ids.filter((id) => !isWhole(asked) && id === asked.from);
  const { added, changed } = diffOf(old.plan?.steps ?? [], steps);
  return closureOf({
    ids,
    edges: edgesOf(steps),
    was: endingsOf(old),
    chosen: new Set(chosen),
    changed: new Set([...added, ...changed]),
  });
}

/** How the steps of a run ended, as far as it counts. */
function endingsOf({ rules, attempt, steps }: RepeatedRun): Map<string, StepStatus> {
  // Where the plan alone was asked for, every step was skipped and none was carried out.
  if (rules.mode === 'plan_only') return new Map();
  // A skip from before a Reset may have had a cause that no longer holds.
  const counts = (step: RepeatedRun['steps'][number]) =>
    step.status !== 'skipped' || step.attempt === attempt;
  return new Map(steps.filter(counts).map(({ id, status }) => [id, status]));
}

/** Holds the plan to the plan check, as every plan is; a step that is taken over needs its tool no more. */
function refuseUnsound(asked: Asked, { steps, cards, missing }: Decided, ground: Ground): void {
  const asRun = steps.map((step) => {
    const version = cards.get(step.id)?.version;
    return version === undefined ? step : { ...step, version };
  });
  const findings = checkPlan(asRun, { ...ground, isRun: ({ id }) => cards.has(id) });
  if (findings.length === 0) return;
  const parts = findings.map((finding) => ({ ...finding, pointer: pointerIn(asked, steps, finding) }));
  throw invalidPlan([...parts, ...missing.map((one) => partOf(one, steps))]);
}

/** Where in the request a finding on the plan is: what is wrong with an edited input is wrong there. */
function pointerIn({ step_input, from }: Asked, steps: readonly Step[], { pointer }: Finding): string {
  const edited = `/steps/${steps.findIndex(({ id }) => id === from)}/input`;
  if (step_input === undefined || !`${pointer}/`.startsWith(`${edited}/`)) return `/plan${pointer}`;
  return `/step_input${pointer.slice(edited.length)}`;
}

function partOf({ step_id, version, detail }: Missing, steps: readonly Step[]): RefusedPart {
  const pointer = `/plan/steps/${steps.findIndex(({ id }) => id === step_id)}/tool`;
  return { pointer, code: version === null ? 'unknown_tool' : 'unknown_version', detail };
}

function invalidPlan(parts: RefusedPart[]): Refusal {
  return new Refusal('invalid_plan', parts[0]!.detail, parts);
}
