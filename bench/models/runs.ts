import { sseParser } from '../../src/watch/read-sse';
import type { Ground } from '../ground';
import { clock, goalOf } from './stories';

/** A run as its client saw it, milliseconds of `clock`. */
export interface SeenRun {
  tag: string;
  submitted: number;
  events: { type: string; at: number }[];
}

/** Submits a run and reads its events to the last one. @throws Error when it was not completed */
export async function followedRun(ground: Ground, tag: string, more: object = {}): Promise<SeenRun> {
  const submitted = clock();
  const reply = await post(ground, '/v1/runs/stream', tag, more);
  const parser = sseParser();
  const decoder = new TextDecoder();
  const events: SeenRun['events'] = [];
  for await (const bytes of reply.body!) {
    const at = clock();
    const frames = parser.push(decoder.decode(bytes as Uint8Array, { stream: true }));
    events.push(...frames.map(({ event }) => ({ type: event, at })));
  }
  const run = { tag, submitted, events };
  firstOf(run, 'run.completed');
  return run;
}

/** Submits a run that nobody follows. */
export async function submittedRun(ground: Ground, tag: string): Promise<void> {
  await (await post(ground, '/v1/runs', tag, {})).arrayBuffer();
}

/** When the first event of a type reached the client. @throws Error when none did */
export function firstOf({ tag, events }: SeenRun, type: string): number {
  const event = events.find((one) => one.type === type);
  if (event !== undefined) return event.at;
  throw new Error(`${tag} has no ${type}, but ${events.map((one) => one.type).join(', ')}.`);
}

async function post(ground: Ground, path: string, tag: string, more: object): Promise<Response> {
  const reply = await fetch(`${ground.api_url}${path}`, {
    method: 'POST',
    headers: ground.headers,
    // Every run has a todo list of its own, so that lists do not grow from run to run.
    body: JSON.stringify({ goal: goalOf(tag), user: tag, ...more }),
  });
  if (!reply.ok) throw new Error(`${tag} was not taken: ${reply.status} ${await reply.text()}`);
  return reply;
}
