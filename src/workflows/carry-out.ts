import { sleep } from '@temporalio/workflow';
import type { Chain } from '../activities';
import type { Outline } from '../contracts/outline';
import type { StepResult, StepResults } from '../contracts/step-result';
import { failedWith, stepFailed } from './failures';
import type { Interruptions } from './interruptions';
import type { RunInput } from './messages';
import { carryOutInstantly, useTool } from './proxies';
import { isDone, isInstant, isStuck, lostOf, startable, stopsRun } from './schedule';

/** How long steps that were told to stop are waited for. What they store within it is told truthfully; later writes are refused. */
const GRACE = '1 s';

/** Steps that were started together, and what comes of them. */
interface Started {
  ids: string[];
  work: Promise<StepResults>;
}

/**
 * Carries a plan out: every step starts as soon as its own inputs are there. Ends when all have ended, or when one that the plan
 * cannot do without has failed; then the others are told to stop.
 * @returns whether the answer is written: instant work goes on to it where nothing else is left.
 * @throws Ended `step_failed`, or what was wished
 */
export async function carryOut(
  { run_id, rules }: RunInput,
  outline: Outline,
  interruptions: Interruptions,
): Promise<{ answered: boolean }> {
  const { heed, stoppable, left } = interruptions;
  const ended = endedBefore(outline);
  const running = new Map<string, Promise<StepResults>>();
  const progress = () => ({ ended, running: new Set(running.keys()) });
  const at = (): Chain => ({ run_id, outline, rules, ended: [...ended], running: [...running.keys()] });
  let answered = false;

  // Instant steps may have gone on to others that became startable by them, or come back before all of them were begun.
  function take(ids: string[], results: StepResults): StepResults['again'] {
    const first = results.ended[0]?.step_id ?? results.again?.step_id;
    if (first !== ids[0]) throw new Error(`Asked for ${ids[0]}, got the result of ${first}.`);
    for (const id of ids) running.delete(id);
    for (const result of results.ended) {
      ended.set(result.step_id, result.status);
      for (const skipped of result.skipped) ended.set(skipped, 'skipped');
      heed(result);
      if (stopsRun(outline, result)) throw failedWith(stepFailed(result.step_id));
    }
    answered = results.answered;
    return results.again;
  }

  // Callbacks and not a loop around a race: the SDK keeps a stack trace for every promise of a workflow, and a race makes one
  // for each step in flight each time one of them ends.
  function flow(done: (nothing: void) => void, fail: (error: unknown) => void): void {
    const follow = ({ ids, work }: Started) => {
      for (const id of ids) running.set(id, work);
      work.then((results) => goOn(() => take(ids, results)), stop);
    };
    const goOn = (arrive: () => StepResults['again']) => {
      try {
        const again = arrive();
        if (stoppable.consideredCancelled) return;
        if (again !== null) follow(startAgain(at(), again, interruptions));
        for (const started of start(at(), interruptions)) follow(started);
        if (isDone(outline, progress())) done();
        else if (isStuck(outline, progress())) throw new Error('No step may start and the plan is not done.');
      } catch (error) {
        stop(error);
      }
    };
    const stop = (error: unknown) => {
      fail(error);
      stoppable.cancel(); // nothing starts any more, and what runs is told to stop
    };
    // A step that ignores its cancellation must not hold the story: the request itself ends the wait.
    stoppable.cancelRequested.catch(fail);
    goOn(() => null);
  }

  try {
    await new Promise(flow);
    return { answered };
  } finally {
    if (running.size > 0) {
      await Promise.race([Promise.allSettled(running.values()), sleep(GRACE)]);
      left.push(...outline.steps.filter(isInstant).flatMap(({ id }) => running.get(id) ?? []));
    }
  }
}

/** Starts what may go now: slow steps each for itself, instant ones together. */
function start(at: Chain, interruptions: Interruptions): Started[] {
  const progress = { ended: new Map(at.ended), running: new Set(at.running) };
  const ready = startable(at.outline, progress, at.rules.max_parallel_steps);
  const slow = ready.filter((step) => !isInstant(step)).map((step) => step.id);
  const instant = ready.filter(isInstant).map((step) => step.id);
  const started = slow.map((id) => ({ ids: [id], work: alone(at, id, interruptions) }));
  if (instant.length === 0) return started;
  return [
    ...started,
    { ids: instant, work: carryOutInstantly({ ...at, running: [...at.running, ...slow] }) },
  ];
}

/** Starts an instant step again after its pause, alone: the others have gone on. */
function startAgain(
  at: Chain,
  { step_id, pause_ms }: NonNullable<StepResults['again']>,
  interruptions: Interruptions,
): Started {
  const pause = interruptions.stoppable.run(() => sleep(pause_ms));
  return { ids: [step_id], work: pause.then(() => alone(at, step_id, interruptions)) };
}

/** Carries one step out, and again once a person has answered whether its effect happened, where that was not known. */
async function alone(
  { run_id, outline, ended }: Chain,
  id: string,
  { stoppable, answered }: Interruptions,
): Promise<StepResults> {
  const step = outline.steps.find((one) => one.id === id)!;
  const use = () => useTool(run_id, outline.plan_version, step, lostOf(ended));
  for (;;) {
    const result = await (isInstant(step) ? use() : stoppable.run(use));
    if (result.status !== 'waiting') return { ended: [result], again: null, answered: false };
    await answered(id);
  }
}

/** Steps that a restart has taken over. */
function endedBefore({ steps }: Outline): Map<string, StepResult['status']> {
  return new Map(steps.flatMap(({ id, reused }) => (reused === undefined ? [] : [[id, reused] as const])));
}
