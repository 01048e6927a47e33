import type { Fact } from '../../../src/contracts/fact';
import { newId } from '../../../src/db/new-id';
import { createTelemetry } from '../../../src/telemetry/telemetry';
import { LogLines } from '../../support/log-lines';

const created = (goal: string): Fact => {
  const run = { id: 'run_1', goal, user: null, status: 'queued', created_at: '' } as const;
  return { type: 'run.created', data: { run } };
};
const entered = (phase: string): Fact => ({
  type: 'run.status',
  data: { status: 'running', phase, previous: 'running' },
});
const planned: Fact = {
  type: 'plan.created',
  data: { version: 1, source: 'pattern', steps: [{ id: 'a', tool: 'known', input: {} }], edges: [] },
};
const cancelledStep = (step_id: string): Fact => ({
  type: 'step.cancelled',
  step_id,
  data: { reason: 'why' },
});
/** A step that asks a person, and is answered. */
const failure = { code: 'outcome_unknown', message: 'why' } as const;
const attended: Fact[] = [
  { type: 'step.progress', step_id: 'a', data: { attempt: 1, message: 'half' } },
  { type: 'step.needs_attention', step_id: 'a', data: { attempt: 1, question: 'done?', failure } },
  { type: 'step.resolved', step_id: 'a', data: { outcome: 'done', actor: 'key_1', reason: 'seen' } },
];
const completedRun: Fact = { type: 'run.completed', data: { answer: 'the answer' } };

describe('Committed facts', () => {
  const lines = new LogLines();
  const begin = (log_goals = false) => {
    lines.texts.length = 0;
    return createTelemetry({
      name: 'test',
      level: 'info',
      format: 'json',
      log_goals,
      tools: ['known'],
      to: lines,
    });
  };

  test('bring a goal into the log only where that is wanted', () => {
    begin().onFacts({ run_id: 'run_1', facts: [created('a goal')] });
    expect(lines.lines()).toEqual([expect.not.objectContaining({ goal: 'a goal' })]);
    begin(true).onFacts({ run_id: 'run_1', facts: [created('a goal')] });
    expect(lines.lines()).toEqual([expect.objectContaining({ goal: 'a goal', msg: 'run accepted' })]);
  });

  test('are counted by tool where the tool is known, else as other', async () => {
    const { onFacts, register } = begin();
    const run_id = newId('run');
    const unknown: Fact = {
      type: 'step.started',
      step_id: 'b',
      data: { tool: 'made_up', version: '1.0.0', attempt: 1, input: null },
    };
    onFacts({
      run_id,
      facts: [planned, unknown, cancelledStep('a'), cancelledStep('b'), cancelledStep('c')],
    });
    const text = await register.metrics();
    expect(text).toContain('step_executions_total{tool="known",status="cancelled"} 1');
    expect(text).toContain('step_executions_total{tool="other",status="cancelled"} 2');
    expect(text.match(/^step_executions_total\{/gm)).toHaveLength(2); // nothing has come yet of a step that only began
    expect(text).not.toContain('made_up');
  });

  test('of a step that waits for a person are told, and are no outcome of it', async () => {
    const { onFacts, register } = begin();
    onFacts({ run_id: newId('run'), facts: [planned, ...attended] });
    expect(
      lines.lines().map(({ msg, step_id, status, outcome, code }) => [msg, step_id, status ?? outcome, code]),
    ).toEqual([
      ['plan drafted', undefined, undefined, undefined],
      ['step needs attention', 'a', 'waiting', 'outcome_unknown'],
      ['step resolved', 'a', 'done', undefined],
    ]);
    expect(await register.metrics()).not.toMatch(/^step_executions_total\{/m);
  });

  test('make the duration of a phase once its end is seen, and of none that another process began', async () => {
    const { onFacts, register } = begin();
    const run_id = newId('run');
    onFacts({ run_id, facts: [entered('planning'), entered('executing')] });
    onFacts({ run_id, facts: [completedRun] });
    onFacts({ run_id: newId('run'), facts: [completedRun] });
    const text = await register.metrics();
    expect(text).toContain('run_phase_duration_seconds_count{phase="planning"} 1');
    expect(text).toContain('run_phase_duration_seconds_count{phase="executing"} 1');
    expect(text).toContain('run_duration_seconds_count{status="completed"} 2');
    // Within the phase nothing changed its status.
    expect(text).not.toContain('run_status_total{status="running"}');
  });

  test('harm nobody when one of them cannot be observed', async () => {
    const { onFacts, register } = begin();
    const broken = { type: 'judge.verdict', data: { confidence: 'high' } } as unknown as Fact;
    onFacts({ run_id: 'run_1', facts: [broken, completedRun] });
    expect(lines.having({ level: 'error', msg: 'A fact could not be observed.' })).toHaveLength(1);
    expect(await register.metrics()).toContain('run_status_total{status="completed"} 1');
  });
});
