import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PureTool, ToolContext } from '../../src/tools/tool';

/** Pause between two looks of a tool that waits, milliseconds. */
const LOOK_MS = 20;
/** Calls that came to each place where tools meet. */
const met = new Map<unknown, number>();

/** Tools for system tests, as a user's own pack: they run in the lane `tools`. */
function tool(
  name: string,
  call: (input: Record<string, unknown>, context: ToolContext) => Promise<unknown>,
): PureTool {
  return {
    name,
    version: '1.0.0',
    description: `Test tool ${name}.`,
    effect: 'pure',
    lane: 'tools',
    input_schema: { type: 'object' },
    timeout_s: 120,
    max_attempts: 3,
    call: (input, context) => call(input as Record<string, unknown>, context),
  };
}

export const tools: PureTool[] = [
  // Waits `ms` and ends at once when it is told to.
  tool('test.wait', async ({ ms }, { signal }) => {
    await sleep(Number(ms), undefined, { signal });
    return { waited_ms: ms };
  }),
  // Waits `ms` whatever it is told.
  tool('test.deaf', async ({ ms }) => {
    await sleep(Number(ms));
    return { waited_ms: ms };
  }),
  // Waits, whatever it is told, until there is a file `until`; says that it is through by a file beside it.
  tool('test.held', async ({ until }) => {
    while (!existsSync(String(until))) await sleep(LOOK_MS);
    writeFileSync(`${String(until)}.seen`, '');
    return {};
  }),
  // Waits until `count` calls that name the same `place` are there at once.
  tool('test.meet', async ({ place, count }, { signal }) => {
    const there = (met.get(place) ?? 0) + 1;
    met.set(place, there);
    while (met.get(place)! < Number(count)) await sleep(LOOK_MS, undefined, { signal });
    return {};
  }),
  // Hangs in its first attempt; a worker has to die for the second one to come.
  tool('test.hang_once', async (_input, { attempt, signal }) => {
    if (attempt === 1) await sleep(600_000, undefined, { signal });
    return { attempt };
  }),
  // Fails the first `times` tries.
  tool('test.flaky', async ({ times }, { attempt }) => {
    if (attempt <= Number(times)) throw new Error(`try ${attempt} fails`);
    return { attempt };
  }),
];
