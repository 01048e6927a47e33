/**
 * The one table of failures. A failure crosses a boundary (an activity, a request, an event) and is known by its code; the
 * adapter that meets the outside picks the code, once. Plain constants only: the workflow bundle imports this file.
 */

interface FailureEntry {
  /** `terminal`: the same try fails again. `retryable`: a later try may succeed. */
  kind: 'terminal' | 'retryable';
  /** HTTP status where the failure is the reply to a request; absent where it only ends a step or a run. */
  status?: number;
  title: string;
  /** What the reader can do about it. */
  hint: string;
}

export const FAILURES = {
  // Requests
  invalid_json: {
    kind: 'terminal',
    status: 400,
    title: 'The body is not JSON',
    hint: 'Send one JSON object, encoded in UTF-8.',
  },
  invalid_request: {
    kind: 'terminal',
    status: 400,
    title: 'The request is not valid',
    hint: 'Each entry of `errors` points at a field and says what it takes.',
  },
  too_deep: {
    kind: 'terminal',
    status: 400,
    title: 'The body is nested too deeply',
    hint: 'Nest objects and arrays at most 32 levels deep.',
  },
  invalid_cursor: {
    kind: 'terminal',
    status: 400,
    title: 'The cursor is not valid',
    hint: 'For events use a whole number from 0, or `last`; for lists the `first_id` or `last_id` of a page.',
  },
  secret_in_url: {
    kind: 'terminal',
    status: 400,
    title: 'The address carries a secret',
    hint: 'Send keys in `Authorization` or `X-API-Key` only. Addresses end up in logs and histories: revoke the key that was in this one.',
  },
  unauthorized: {
    kind: 'terminal',
    status: 401,
    title: 'No valid API key',
    hint: 'Send `Authorization: Bearer lh_…` or `X-API-Key: lh_…`.',
  },
  forbidden: {
    kind: 'terminal',
    status: 403,
    title: 'The key may not do this',
    hint: 'Use a key that has the scope which the detail names.',
  },
  origin_refused: {
    kind: 'terminal',
    status: 403,
    title: 'This web site may not connect',
    hint: 'The operator lists the origins of web sites that may connect in LONGHAUL_ALLOWED_ORIGINS.',
  },
  not_found: {
    kind: 'terminal',
    status: 404,
    title: 'Not found',
    hint: 'Check the address and the key: objects of other tenants are not shown.',
  },
  method_not_allowed: {
    kind: 'terminal',
    status: 405,
    title: 'Method not allowed',
    hint: 'The `Allow` header lists the methods this address takes.',
  },
  not_acceptable: {
    kind: 'terminal',
    status: 406,
    title: 'No such representation',
    hint: 'Accept `application/json` or, for events, `text/event-stream`.',
  },
  request_timeout: {
    kind: 'retryable',
    status: 408,
    title: 'The request did not come in time',
    hint: 'Send the request without pauses; over a slow connection, send less.',
  },
  cursor_ahead: {
    kind: 'terminal',
    status: 409,
    title: 'The cursor is beyond the last event',
    hint: 'Read on from `last_seq` of the run, or from `after=last`.',
  },
  run_not_terminal: {
    kind: 'terminal',
    status: 409,
    title: 'The run has not ended',
    hint: 'Wait for its end, or cancel it first.',
  },
  precondition_failed: {
    kind: 'terminal',
    status: 412,
    title: 'The object has changed',
    hint: 'Read it again, look whether your change still makes sense, and send the new `ETag` as `If-Match`.',
  },
  events_expired: {
    kind: 'terminal',
    status: 410,
    title: 'These events are no longer kept',
    hint: 'Read the run itself for its state, then its events from the first number still kept.',
  },
  body_too_large: {
    kind: 'terminal',
    status: 413,
    title: 'The body is too large',
    hint: 'Send less: 1 MB where the operator did not set another limit.',
  },
  unsupported_media_type: {
    kind: 'terminal',
    status: 415,
    title: 'Unsupported media type',
    hint: 'Send `Content-Type: application/json`.',
  },
  idempotency_mismatch: {
    kind: 'terminal',
    status: 422,
    title: 'This Idempotency-Key was used with another body',
    hint: 'Use a new key for a new request.',
  },
  invalid_plan: {
    kind: 'terminal',
    status: 422,
    title: 'The plan is not valid',
    hint: 'Each entry of `errors` points at a part of the plan and says what is wrong with it.',
  },
  too_many_keys: {
    kind: 'terminal',
    status: 409,
    title: 'The tenant has as many keys as it may have',
    hint: 'Revoke keys that are no longer used.',
  },
  key_over: {
    kind: 'terminal',
    status: 409,
    title: 'The key is no longer accepted',
    hint: 'Create a new key: one that is revoked or has expired stays so.',
  },
  too_many_requests: {
    kind: 'retryable',
    status: 429,
    title: 'The key has used up its requests',
    hint: 'Try again after the time in `Retry-After`; with an `Idempotency-Key`, a run is not taken twice.',
  },
  queue_full: {
    kind: 'retryable',
    status: 429,
    title: 'The tenant has as many open runs as it may have',
    hint: 'Try again when runs have ended, or cancel some that are not needed.',
  },
  overloaded: {
    kind: 'retryable',
    status: 503,
    title: 'The service is overloaded',
    hint: 'Try again after the time in `Retry-After`. Reading goes on meanwhile.',
  },
  too_many_streams: {
    kind: 'retryable',
    status: 429,
    title: 'The key has too many open streams',
    hint: 'Close streams that are no longer read, or read many runs over one WebSocket.',
  },
  too_many_subscriptions: {
    kind: 'terminal',
    title: 'The WebSocket has too many subscriptions',
    hint: 'Unsubscribe runs that are no longer watched, or open another WebSocket; `max_subs` of the welcome is the limit.',
  },
  too_many_frames: {
    kind: 'retryable',
    title: 'Too many frames',
    hint: 'Send frames more slowly; a socket that goes on is closed with 4429.',
  },
  unavailable: {
    kind: 'retryable',
    status: 503,
    title: 'The service cannot take this now',
    hint: 'Try again after the time in `Retry-After`; with an `Idempotency-Key`, a run that was taken all the same is not taken twice.',
  },
  internal: {
    kind: 'terminal',
    status: 500,
    title: 'Something went wrong on our side',
    hint: 'Report the request id; it leads to the cause in the log.',
  },

  // Planning
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

  // Language models
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

  // Steps
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
    title: 'The output of the tool cannot be stored',
    hint: 'A tool returns JSON without NUL characters or lone surrogates.',
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

  // Runs
  run_over: {
    kind: 'terminal',
    title: 'The run has already ended',
    hint: 'Read the run to see how it ended.',
  },
  run_cancelling: {
    kind: 'terminal',
    title: 'The run is being cancelled',
    hint: 'It ends as cancelled within seconds.',
  },
  superseded: {
    kind: 'terminal',
    title: 'A newer attempt does this work',
    hint: 'Nothing is to be done: the write of an older attempt was refused.',
  },
} as const satisfies Record<string, FailureEntry>;

export type FailureCode = keyof typeof FAILURES;

/** A failure as it is stored, sent and shown. `message` is one sentence for people; `step_id` names the step it arose in. */
export interface Failure {
  code: FailureCode;
  message: string;
  step_id?: string;
  /** The failure behind this one, where it wraps another. */
  cause?: { code: FailureCode; message: string };
}

/** Whether a later try of the same thing may succeed. */
export function isRetryable(code: FailureCode): boolean {
  return FAILURES[code].kind === 'retryable';
}

/** Type name of Temporal's ApplicationFailure for each failure that leaves an activity: its code. */
export function isFailureCode(value: unknown): value is FailureCode {
  return typeof value === 'string' && Object.hasOwn(FAILURES, value);
}
