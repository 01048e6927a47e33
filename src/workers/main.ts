import { loadConfig } from '../config';
import { createPatternPlanner } from '../planning/pattern-planner';
import { createRuleJudge } from '../planning/rule-judge';
import { createTemplateAnswer } from '../planning/template-answer';
import { runToEnd } from '../process-end';
import { runWorkers } from './run-workers';

/** Without a language model: patterns plan, rules judge, a template answers. All three say the same to the same goal. */
runToEnd('worker', () =>
  runWorkers(loadConfig(), {
    planner: createPatternPlanner(),
    judge: createRuleJudge(),
    writer: createTemplateAnswer(),
    minds: null,
  }),
);
