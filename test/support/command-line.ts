import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../src/cli/program';
import type { EventData, EventType } from '../../src/contracts/event';
import { scriptedApi, type Exchange } from './scripted-api';

/** The key of the command line. */
export const KEY = 'lh_key_of_this_test';
const plain = (text: string) => text;
const PAINT = { green: plain, red: plain, yellow: plain, cyan: plain, dim: plain, bold: plain };

/** Ids of three runs; A is the first of their lineage. */
export const [A, B, C] = ['A', 'B', 'C'].map((letter) => `run_01K8Z5V7N2D3M4P5Q6R7S8T9V${letter}`) as [
  string,
  string,
  string,
];

/** The command line in this process, in front of an API that answers by a script. */
export interface CommandLine {
  readonly api_url: string;
  /** Folder for the stack of this machine: none runs there. */
  readonly home: string;
  /** What the API is asked next, and what it answers. */
  expect(...exchanges: Exchange[]): void;
  /** Runs a command. @param env settings in the place of those that lead to the API */
  longhaul(
    args: string[],
    more?: { env?: Record<string, string>; interruption?: AbortController },
  ): Promise<{ code: number; out: string; err: string }>;
}

/** Sets a command line up for the tests of a file; each of them fails when the API was asked anything else than it expects. */
export function commandLine(): CommandLine {
  let api: Awaited<ReturnType<typeof scriptedApi>>;
  let home: string;
  beforeAll(async () => {
    api = await scriptedApi(KEY);
    home = mkdtempSync(join(tmpdir(), 'longhaul-cli-'));
  });
  afterEach(() => api.finish());
  afterAll(async () => {
    rmSync(home, { recursive: true, force: true });
    await api.close();
  });
  return {
    get api_url() {
      return api.url;
    },
    get home() {
      return home;
    },
    expect: (...exchanges) => api.expect(...exchanges),
    async longhaul(args, { env, interruption = new AbortController() } = {}) {
      let [out, err] = ['', ''];
      const code = await runProgram(args, {
        env: { LONGHAUL_HOME: home, ...(env ?? { LONGHAUL_API_URL: api.url, LONGHAUL_API_KEY: KEY }) },
        out: (text) => void (out += text),
        err: (text) => void (err += text),
        screen: { write: (text) => (err += text), redraws: false, columns: 80, rows: 24, paint: PAINT },
        interruption: () => interruption.signal,
      });
      return { code, out, err };
    },
  };
}

/** A run as the API shows it, as far as the command line looks at it: one that completed, unless `more` says otherwise. */
export const run = (id: string, more: object = {}) => ({
  id,
  object: 'run',
  created_at: '2026-01-31T12:00:00.000Z',
  finished_at: '2026-01-31T12:00:01.000Z',
  status: 'completed',
  phase: null,
  status_reason: null,
  goal: 'Say it.',
  answer: 'Said.',
  error: null,
  progress: { steps_total: 2, steps_done: 2, plan_version: 1, rounds: 1 },
  usage: { input_tokens: 0, output_tokens: 0, cost_usd: 0 },
  origin: { type: 'api', run_id: null, from: null },
  root_run_id: A,
  superseded_by: null,
  ...more,
});
/** A step of it. */
export const step = (id: string, more: object = {}) => ({
  object: 'step',
  id,
  run_id: A,
  tool: 'calculator',
  tool_version: '1.0.0',
  status: 'completed',
  status_reason: null,
  output: { value: 84 },
  failure: null,
  tries: 0,
  reused: false,
  ...more,
});
/** A page of a list. */
export const page = (data: { id: string }[], has_more = false) => ({
  object: 'list',
  data,
  has_more,
  first_id: data[0]?.id ?? null,
  last_id: data.at(-1)?.id ?? null,
});
/** The events of a run as a stream that has its end. */
export function stream(
  ...events: { [T in EventType]: [T, EventData[T], step_id?: string] }[EventType][]
): string {
  const frames = events.map(([type, data, step_id], place) => {
    const event = { id: `evt_${place}`, seq: place + 1, type, run_id: A, attempt: 1, v: 1, step_id, data };
    return `id: ${place + 1}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
  });
  return `${frames.join('')}event: stream.end\ndata: {}\n\n`;
}
const SSE = { accept: 'text/event-stream' };
/** The request that follows a run. */
export const follows = (id: string, reply: string) => ({
  request: `GET /v1/runs/${id}/events`,
  headers: SSE,
  type: 'text/event-stream',
  reply,
});
/** The first event of a run. */
export const created: [type: 'run.created', EventData['run.created']] = [
  'run.created',
  { run: { id: A, goal: 'Say it.', user: null, status: 'queued', created_at: '2026-01-31T12:00:00.000Z' } },
];
/** A problem document, as far as the command line looks at it. */
export const problem = (code: string, title: string, more: object = {}) => ({
  code,
  title,
  detail: 'It is so.',
  hint: 'Do that.',
  errors: [],
  request_id: 'req_1',
  ...more,
});
