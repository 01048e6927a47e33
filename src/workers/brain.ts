import type { ActivityDeps } from '../activities';
import type { Config } from '../config';
import type { Database } from '../db/database';
import { createEndpointStates, endpointKey } from '../llm/endpoint-states';
import { createModelPool, type ModelPool } from '../llm/model-pool';
import { createOpenAiEndpoint } from '../llm/openai-endpoint';
import { loadPrices } from '../llm/prices';
import { createPricing } from '../llm/pricing';
import { ANSWER_TIER, createModelAnswer } from '../planning/model-answer';
import { createModelJudge } from '../planning/model-judge';
import { createModelPlanner } from '../planning/model-planner';
import { createPatternPlanner } from '../planning/pattern-planner';
import { createRuleJudge } from '../planning/rule-judge';
import { createTemplateAnswer } from '../planning/template-answer';
import { loadPrompts } from '../prompts/load-prompts';

/** Who plans, judges and answers; and the models that some of them ask, null where none is configured. */
export interface Brain {
  parts: Pick<ActivityDeps, 'planner' | 'judge' | 'writer' | 'minds'>;
  pool: ModelPool | null;
}

/**
 * Patterns, rules and a template, which always say the same to the same goal; and for what they do not understand language models, where
 * endpoints are configured.
 * @throws Error that names what is wrong with the prompts or the prices
 */
export function createBrain(config: Config, db: Database): Brain {
  const pool = createPool(config, db);
  return {
    parts: {
      planner: createPatternPlanner(),
      judge: createRuleJudge(),
      writer: createTemplateAnswer(),
      minds: pool && mindsOf(config, pool),
    },
    pool,
  };
}

function createPool({ model_endpoints }: Config, db: Database): ModelPool | null {
  if (model_endpoints.length === 0) return null;
  return createModelPool({
    states: createEndpointStates({ db }),
    endpoints: model_endpoints.map((settings) => ({
      ...settings,
      endpoint: createOpenAiEndpoint(settings),
      key: endpointKey(settings.base_url, settings.model),
      per_minute: settings.per_minute ?? Infinity,
    })),
  });
}

function mindsOf(config: Config, models: ModelPool): ActivityDeps['minds'] {
  const prompts = loadPrompts();
  const names = config.model_endpoints.map(({ model }) => model);
  return {
    // Planning is the hard part; a judge only has to find what is wrong, and is asked more often.
    planner: createModelPlanner({ prompt: prompts.planner, tier: 'medium' }),
    judge: createModelJudge({ prompt: prompts.judge, tier: 'small' }),
    writer: createModelAnswer({ prompt: prompts.answer, tier: ANSWER_TIER }),
    models,
    prices: createPricing(loadPrices(config.LONGHAUL_PRICES), names),
  };
}
