import { loadConfig } from '../../src/config';
import { createRuleJudge } from '../../src/planning/rule-judge';
import { createTemplateAnswer } from '../../src/planning/template-answer';
import { runToEnd } from '../../src/process-end';
import { runWorkers } from '../../src/workers/run-workers';
import { PLANTED } from './planted-plans';

/** A worker whose planner draws planted plans: what a careless model might answer. The judge is the real one. */
runToEnd('worker', () =>
  runWorkers(loadConfig(), () => ({
    pool: null,
    parts: {
      planner: {
        source: 'pattern',
        draft({ goal }) {
          const planted = PLANTED.find((plan) => plan.goal === goal);
          if (planted === undefined) throw new Error(`Nobody planted a plan for: ${goal}`);
          return Promise.resolve({ kind: 'plan', steps: planted.steps });
        },
      },
      judge: createRuleJudge(),
      writer: createTemplateAnswer(),
      minds: null,
    },
  })),
);
