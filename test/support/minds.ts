import type { ActivityDeps, Minds } from '../../src/activities/deps';
import type { Surroundings } from '../../src/activities/surroundings';
import type { Step } from '../../src/contracts/plan';
import type { Database } from '../../src/db/database';
import { createPatternPlanner } from '../../src/planning/pattern-planner';
import { createRuleJudge } from '../../src/planning/rule-judge';
import { createTemplateAnswer } from '../../src/planning/template-answer';
import { AROUND, ECHO, depsWith } from './activities';
import { fakeModels, PRICES, question, type Said } from './fake-models';

/** A plan of one step. */
export const STEPS: Step[] = [{ id: 'one', tool: 'echo', input: { x: 1 } }];

/** Minds of the fewest words: a plan is a list of steps, one reply a step; a verdict and an answer are what the model says. */
const MINDS: Omit<Minds, 'models' | 'prices'> = {
  planner: {
    source: 'model',
    async draft({ feedback }, { ask, onStep, onReset }) {
      const { text } = await ask(question(`plan ${feedback.length}`));
      if (text === 'again') {
        onStep({ id: 'void', tool: 'echo', input: {} });
        onReset();
      }
      const steps = text === 'again' ? STEPS : (JSON.parse(text) as Step[]);
      for (const step of steps) onStep(step);
      return { kind: 'plan', steps };
    },
  },
  judge: {
    name: 'model',
    instant: false,
    judge: async (_request, ask) => JSON.parse((await ask(question('judge'))).text) as unknown,
  },
  writer: {
    model: 'model/medium',
    instant: false,
    write: async (_request, ask, onText) => (await ask(question('answer'), onText)).text,
  },
};

/** What activities are made of where there are models, and the models, which say what the test wrote down. */
export function withMinds(
  db: Database,
  ...says: Said[]
): { models: ReturnType<typeof fakeModels>; deps: ActivityDeps } {
  const models = fakeModels(...says);
  const deps = depsWith(db, [ECHO], {
    planner: createPatternPlanner(),
    judge: createRuleJudge(),
    writer: createTemplateAnswer(),
    minds: { ...MINDS, models, prices: PRICES },
  });
  return { models, deps };
}

/** Nobody stops it. */
export const around = (): Surroundings => AROUND;
