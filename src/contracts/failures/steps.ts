import type { FailureEntry } from './entry';

/** Failures of steps and their tools. */
export const STEP_FAILURES = {
  step_failed: {
    kind: 'terminal',
    title: 'A step failed',
    hint: 'The failure of the step says why.',
  },
  reference_missing: {
    kind: 'terminal',
    title: 'A reference leads nowhere',
    hint: 'The step it names was skipped, or its output has no such part.',
  },
  invalid_input: {
    kind: 'terminal',
    title: 'The input does not fit the tool',
    hint: 'Compare the filled-in input with the schema of the tool.',
  },
  input_too_large: {
    kind: 'terminal',
    title: 'The filled-in input is too large',
    hint: 'Refer to smaller parts of earlier outputs.',
  },
  output_too_large: {
    kind: 'terminal',
    title: 'The output of the tool is too large',
    hint: 'Let the tool return less.',
  },
  invalid_output: {
    kind: 'terminal',
    title: 'The output of the tool cannot be taken',
    hint: 'A tool returns JSON that fits its `output_schema`, without NUL characters or lone surrogates.',
  },
  tool_missing: {
    kind: 'terminal',
    title: 'The worker does not have this tool',
    hint: 'Start the workers with the same tools as the API.',
  },
  tool_error: {
    kind: 'retryable',
    title: 'The tool failed',
    hint: 'It is tried again up to the limit of the tool.',
  },
  tool_timeout: {
    kind: 'retryable',
    title: 'The tool took too long',
    hint: 'It is tried again up to the limit of the tool.',
  },
  outcome_unknown: {
    kind: 'terminal',
    title: 'It is not known whether the effect happened',
    hint: 'Look where the tool would have made it, then say so: `POST /v1/runs/{id}/steps/{step}/resolve`.',
  },
  worker_lost: {
    kind: 'retryable',
    title: 'The worker was lost during the step',
    hint: 'Another worker tries the step again; after ten losses it is given up.',
  },
  invalid_expression: {
    kind: 'terminal',
    title: 'The expression cannot be calculated',
    hint: 'Use numbers, + - * / ^ % ( ) and the functions the calculator lists.',
  },
  division_by_zero: {
    kind: 'terminal',
    title: 'Division by zero',
    hint: 'Guard the step with a condition on the divisor.',
  },
  result_too_large: {
    kind: 'terminal',
    title: 'The result is too large',
    hint: 'Results have at most 1,000 digits.',
  },
  todo_not_found: {
    kind: 'terminal',
    title: 'There is no such todo',
    hint: 'List the todos to see their texts and ids.',
  },
  too_many_todos: {
    kind: 'terminal',
    title: 'The todo list is full',
    hint: 'Remove what is done.',
  },
} as const satisfies Record<string, FailureEntry>;
