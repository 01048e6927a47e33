import type { FailureEntry } from './entry';

/** Failures of planning, and of the models that plan, judge and answer. */
export const MODEL_FAILURES = {
  goal_not_understood: {
    kind: 'terminal',
    title: 'The goal is not understood',
    hint: 'Without a language model Longhaul calculates and keeps todo lists; say it in those words, or hand in a plan.',
  },
  plan_rejected: {
    kind: 'terminal',
    title: 'No plan was accepted',
    hint: 'The verdicts say what was missing; state the goal in smaller parts, or hand in a plan.',
  },

  model_rate_limited: {
    kind: 'retryable',
    title: 'The model provider limits the rate',
    hint: 'It is asked again after the delay it names. Where that goes on, raise its limits or lower those of the endpoint here.',
  },
  model_overloaded: {
    kind: 'retryable',
    title: 'The model provider is overloaded',
    hint: 'It is asked again, then another endpoint where there is one.',
  },
  model_timeout: {
    kind: 'retryable',
    title: 'The model took too long',
    hint: 'It is asked again. Where that goes on, take a faster model or raise the limit of the endpoint.',
  },
  model_unreachable: {
    kind: 'retryable',
    title: 'The model provider cannot be reached',
    hint: 'Check the base URL of the endpoint, and that something there speaks the OpenAI protocol.',
  },
  model_key_refused: {
    kind: 'terminal',
    title: 'The model provider refuses the key',
    hint: 'Check the key of the endpoint, and what its account may do.',
  },
  model_unknown: {
    kind: 'terminal',
    title: 'The model provider has no such model',
    hint: 'Check the name of the model: the provider lists those it has.',
  },
  model_request_refused: {
    kind: 'terminal',
    title: 'The model provider refuses the request',
    hint: 'Its message says why; an endpoint that speaks another protocol refuses every request.',
  },
  model_declined: {
    kind: 'terminal',
    title: 'The model declines to answer',
    hint: 'Its policy forbids this goal, or what the steps gave.',
  },
  context_too_long: {
    kind: 'terminal',
    title: 'The question is too long for the model',
    hint: 'State the goal in fewer words, or take a model with a longer context.',
  },
  reply_truncated: {
    kind: 'terminal',
    title: 'The reply of the model was cut off',
    hint: 'It needed more tokens than it may have; state the goal in smaller parts.',
  },
  reply_unreadable: {
    kind: 'terminal',
    title: 'The reply of the model cannot be read',
    hint: 'It was asked once more and did not keep to the format; take a more capable model.',
  },
  provider_unavailable: {
    kind: 'terminal',
    title: 'No model provider answers',
    hint: 'Every endpoint failed too often or is left alone for a while; `/readyz` says which. Restart the run when they are back.',
  },
  budget_exceeded: {
    kind: 'terminal',
    title: 'The budget is used up',
    hint: 'The next model call might cost more than is left. Give the run, or the day of the key, a larger budget.',
  },

  price_unknown: {
    kind: 'terminal',
    title: 'The price of a model is not known',
    hint: 'The operator adds it to LONGHAUL_PRICES; without a budget in money the run needs no price.',
  },
} as const satisfies Record<string, FailureEntry>;
