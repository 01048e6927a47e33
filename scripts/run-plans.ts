import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../src/contracts/event';
import type { GivenPlan } from '../src/contracts/plan';
import { readStackNote } from '../src/dev/stack-note';

/**
 * Runs every plan of a file against the stack that `npm start` keeps up and compares the value of its last step with the stated answer.
 * Usage: node --import tsx scripts/run-plans.ts FILE, with lines of {"id", "plan": {"steps"}, "answer"}.
 */
const IN_FLIGHT = 20;

interface Row {
  id: string;
  plan: GivenPlan;
  answer: string;
}

async function main(file: string): Promise<number> {
  const stack = readStackNote(join(__dirname, '..', '.longhaul'));
  if (stack === undefined) throw new Error('No stack is running. Start one with `npm start` first.');
  const rows = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
  const wrong: string[] = [];
  let next = 0;
  const began = performance.now();
  const lane = async () => {
    for (let row = rows[next++]; row !== undefined; row = rows[next++]) {
      const value = await lastValue(stack, row);
      if (value !== Number(row.answer)) wrong.push(`${row.id}: ${value} instead of ${row.answer}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const seconds = (performance.now() - began) / 1_000;
  for (const line of wrong) process.stdout.write(`${line}\n`);
  process.stdout.write(
    `${rows.length} plans, ${rows.length - wrong.length} with the stated answer, ${(rows.length / seconds).toFixed(1)} runs/s\n`,
  );
  return wrong.length === 0 ? 0 : 1;
}

/** The value that the last step of a plan gave, or what the run ended with instead. */
async function lastValue(
  { api_url, key }: { api_url: string; key: string },
  { id, plan }: Row,
): Promise<unknown> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ goal: id, plan });
  const submitted = await fetch(`${api_url}/v1/runs`, { method: 'POST', headers, body });
  const run = (await submitted.json()) as { id: string };
  if (submitted.status !== 202) return JSON.stringify(run);
  const stream = await fetch(`${api_url}/v1/runs/${run.id}/events`, {
    headers: { ...headers, accept: 'text/event-stream' },
  });
  const events = (await stream.text())
    .split('\n')
    .filter((line) => line.startsWith('data: {"id"'))
    .map((line) => JSON.parse(line.slice('data: '.length)) as RunEvent);
  const last = plan.steps.at(-1)!.id;
  const completed = events.find(({ type, step_id }) => type === 'step.completed' && step_id === last);
  if (completed === undefined) return JSON.stringify(events.at(-1)?.data);
  return Number((completed as RunEvent<'step.completed'>).data.output!['value' as never]);
}

main(process.argv[2] ?? '').then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  },
);
