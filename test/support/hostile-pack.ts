import { EventEmitter } from 'node:events';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { FailureCode } from '../../src/contracts/failure';
import type { OutsideTool, ToolContext } from '../../src/tools/tool';

/** What a tool of somebody else may do, and how its step ends all the same. */
interface Hostile {
  call: (input: Record<string, unknown>, context: ToolContext) => unknown;
  ends: FailureCode | 'completed';
  /** 10 when absent. */
  timeout_s?: number;
}

/** Whoever asks it anything is thrown at. */
const untouchable = () =>
  new Proxy(
    {},
    {
      get: () => refuse('get'),
      has: () => refuse('has'),
      getPrototypeOf: () => refuse('getPrototypeOf'),
      ownKeys: () => refuse('ownKeys'),
      getOwnPropertyDescriptor: () => refuse('getOwnPropertyDescriptor'),
    },
  );
function refuse(what: string): never {
  throw new Error(`You may not ask: ${what}`);
}
/** An object that can be resolved with, and throws at all else. */
const untouchableValue = () =>
  new Proxy(
    {},
    {
      get: (_, name) => (name === 'then' ? undefined : refuse(String(name))),
      ownKeys: () => refuse('ownKeys'),
    },
  );

/** Throws a value as it is: it may be anything. */
function raise(thrown: unknown): never {
  throw thrown;
}
const circular = () => {
  const one: Record<string, unknown> = {};
  return Object.assign(one, { self: one });
};
const never = () => new Promise(() => undefined);

/** What hangs goes on when `lets.go` is called: long after its try is over. */
let letGo!: () => void;
const goesOn = new Promise<void>((resolve) => (letGo = resolve));
/** Limit of a try that hangs, seconds. */
const SHORT_S = 0.2;

/** The tool that lets those go on whose tries are over. */
export const LETS_GO = 'lets.go';

const STORIES: Record<string, Hostile> = {
  'returns.five_megabytes': { call: () => 'x'.repeat(5_000_000), ends: 'output_too_large' },
  'returns.undefined': { call: () => undefined, ends: 'invalid_output' },
  'returns.a_circle': { call: circular, ends: 'invalid_output' },
  'returns.a_bigint': { call: () => ({ n: 1n }), ends: 'invalid_output' },
  'returns.a_proxy': { call: untouchableValue, ends: 'invalid_output' },
  'returns.a_thenable': { call: () => ({ then: () => refuse('then') }), ends: 'tool_error' },
  'returns.what_throws': { call: () => ({ toJSON: () => raise(null) }), ends: 'invalid_output' },
  'returns.what_throws_a_proxy': {
    call: () => ({ toJSON: () => raise(untouchable()) }),
    ends: 'invalid_output',
  },
  'returns.much': { call: () => ({ text: 'x'.repeat(100_000) }), ends: 'completed' },
  'throws.a_string': { call: () => raise('a string'), ends: 'tool_error' },
  'throws.null': { call: () => raise(null), ends: 'tool_error' },
  'throws.a_symbol': { call: () => raise(Symbol('s')), ends: 'tool_error' },
  'throws.five_megabytes': { call: () => raise(new Error('€'.repeat(5_000_000))), ends: 'tool_error' },
  'throws.what_has_no_message': {
    call: () => raise(Object.defineProperty(new Error(), 'message', { get: () => refuse('message') })),
    ends: 'tool_error',
  },
  'throws.what_has_no_code': {
    call: () => raise(Object.defineProperty(new Error('m'), 'code', { get: () => refuse('code') })),
    ends: 'tool_error',
  },
  'throws.a_proxy': { call: () => raise(untouchable()), ends: 'tool_error' },
  'hangs.for_ever': { call: never, ends: 'tool_timeout', timeout_s: SHORT_S },
  'hangs.and_then_returns': {
    call: () => goesOn.then(() => 'too late'),
    ends: 'tool_timeout',
    timeout_s: SHORT_S,
  },
  'hangs.and_then_throws': {
    call: () => goesOn.then(() => refuse('too late')),
    ends: 'tool_timeout',
    timeout_s: SHORT_S,
  },
  [LETS_GO]: { call: () => letGo(), ends: 'invalid_output' },
  'floods.at_once': {
    call: (_input, { progress }) => {
      for (let at = 0; at < 100_000; at += 1) progress(at / 100_000, `word ${at}`);
      return 'flooded';
    },
    ends: 'completed',
  },
  'floods.in_turns': {
    async call(_input, { progress }) {
      for (let at = 0; at < 100_000; at += 1) {
        progress(at / 100_000, 'x'.repeat(10_000));
        if (at % 100 === 0) await setImmediate();
      }
      return 'flooded';
    },
    ends: 'completed',
  },
  'floods.with_nonsense': {
    call: (_input, { progress }) => {
      for (const word of [Number.NaN, Infinity, -1, 7, '0.5', untouchable(), circular(), 1n])
        progress(word as number, word as string);
      progress(0.5, 'NUL \u0000 and half a character \ud800');
      return 'flooded';
    },
    ends: 'completed',
  },
  'leaves.a_rejection': {
    call: () => {
      void Promise.reject(new Error('nobody handles this'));
      return 'left';
    },
    ends: 'completed',
  },
  'leaves.a_rejection_later': {
    call: () => {
      void sleep(50).then(() => raise(untouchable()));
      return 'left';
    },
    ends: 'completed',
  },
  'leaves.an_exception': {
    call: () => {
      setTimeout(() => raise(new Error('nobody catches this')), 0);
      return 'left';
    },
    ends: 'completed',
  },
  'leaves.an_exception_later': {
    call: () => {
      const emitter = new EventEmitter();
      setTimeout(() => emitter.emit('error', untouchable()), 50);
      return 'left';
    },
    ends: 'completed',
  },
  'leaves.a_word_later': {
    call: (_input, { progress }) => {
      setTimeout(() => progress(1, 'too late'), 50);
      return 'left';
    },
    ends: 'completed',
  },
  'meddles.with_its_input': {
    call: (input) => {
      input['self'] = input;
      return 'meddled';
    },
    ends: 'completed',
  },
};

/** How the step of each tool ends, by the tool's name. */
export const ENDS: ReadonlyMap<string, Hostile['ends']> = new Map(
  Object.entries(STORIES).map(([name, { ends }]) => [name, ends]),
);

/** Tools that do no harm: each fails or completes its own step. */
export const tools: OutsideTool[] = Object.entries(STORIES).map(([name, { call, timeout_s = 10 }]) => ({
  name,
  version: '1.0.0',
  description: `A hostile tool: ${name}.`,
  effect: 'pure',
  lane: 'tools',
  input_schema: { type: 'object' },
  timeout_s,
  max_attempts: 1,
  // Not `async`: what it throws is thrown before it promises anything.
  call: (input, context) => call(input as Record<string, unknown>, context) as Promise<unknown>,
}));
