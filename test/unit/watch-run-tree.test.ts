import type { EventData, EventType, RunEvent } from '../../src/contracts/event';
import type { Step } from '../../src/contracts/plan';
import { drawView, eventLine, runTree, type Paint } from '../../src/watch/run-tree';
import { EMPTY_VIEW, viewAfter } from '../../src/watch/run-view';

const plain = (text: string) => text;
const PLAIN: Paint = { green: plain, red: plain, yellow: plain, cyan: plain, dim: plain, bold: plain };

let seq = 0;
function event<T extends EventType>(type: T, data: EventData[T], step_id?: string): RunEvent {
  const known = {
    id: `evt_${++seq}`,
    seq,
    type,
    run_id: 'run_1',
    attempt: 1,
    time: '2026-01-01T00:00:00Z',
    v: 1 as const,
    data,
  };
  return step_id === undefined ? known : { ...known, step_id };
}

const step = (id: string, tool: string, input: Record<string, unknown>): Step => ({ id, tool, input });
const created = event('run.created', {
  run: { id: 'run_1', goal: 'sum', user: null, status: 'queued', created_at: '2026-01-01T00:00:00Z' },
});
const planned = event('plan.created', {
  version: 1,
  source: 'pattern',
  steps: [
    step('one', 'calculator', { expression: '12 * 7' }),
    step('two', 'calculator', { expression: '7 ^ 2' }),
    step('add_one', 'todo.add', { text: '{one.value}' }),
    step('list', 'todo.list', {}),
  ],
  edges: [
    ['one', 'add_one'],
    ['two', 'list'],
    ['add_one', 'list'],
  ],
});
const failure = { code: 'division_by_zero', message: 'No.' } as const;

describe('tree of a run', () => {
  test('hangs each step below the last of those it waits for', () => {
    expect(runTree([created, planned], PLAIN)).toEqual([
      '· run_1 queued',
      '├─ · one calculator 12 * 7',
      '│  └─ · add_one todo.add {one.value}',
      '│     └─ · list todo.list ',
      '└─ · two calculator 7 ^ 2',
    ]);
  });

  test('shows states, outputs, failures and reasons', () => {
    const lines = runTree(
      [
        created,
        event('run.status', { status: 'running', phase: 'executing', previous: 'queued' }),
        planned,
        event('step.completed', { output: { value: 84, exact: true }, duration_ms: 3, reused: false }, 'one'),
        event('step.failed', { failure, attempts: 1 }, 'two'),
        event('step.started', { tool: 'todo.add', version: '1', attempt: 1, input: {} }, 'add_one'),
        event('step.skipped', { reason: 'two failed' }, 'list'),
        event('run.failed', { failure: { code: 'step_failed', message: 'Two.' } }),
      ],
      PLAIN,
    );
    expect(lines).toEqual([
      '✗ run_1 failed',
      '├─ ✓ one calculator 12 * 7 → 84  3 ms',
      '│  └─ ▸ add_one todo.add {one.value}',
      '│     └─ – list todo.list  skipped: two failed',
      '└─ ✗ two calculator 7 ^ 2 failed: division_by_zero: No.',
    ]);
  });

  test('shows how far a step has come, what was taken over, and how large a large output is', () => {
    const large = { output_ref: { bytes: 1_234_567, url: 'http://x/' }, duration_ms: 9, reused: false };
    const lines = runTree(
      [
        created,
        planned,
        event('step.completed', { output: 84, duration_ms: 3, reused: true }, 'one'),
        event('step.completed', large, 'two'),
        event('step.started', { tool: 'todo.add', version: '1', attempt: 1, input: {} }, 'add_one'),
        event('step.progress', { attempt: 1, ratio: 0.256, message: 'writes' }, 'add_one'),
      ],
      PLAIN,
    );
    expect(lines).toEqual([
      '· run_1 queued',
      '├─ ✓ one calculator 12 * 7 → 84  taken over',
      '│  └─ ▸ add_one todo.add {one.value} running: 26 % writes',
      '│     └─ · list todo.list ',
      '└─ ✓ two calculator 7 ^ 2 → 1,234,567 bytes  9 ms',
    ]);
  });

  test('shows a question, who answered it, and the step go on', () => {
    const asked = [
      created,
      event('run.status', { status: 'running', phase: 'executing', previous: 'queued' }),
      event('plan.created', { version: 1, source: 'given', steps: [step('pay', 'bank.pay', {})], edges: [] }),
      event(
        'step.needs_attention',
        {
          attempt: 1,
          question: 'Was it paid?',
          failure: { code: 'outcome_unknown', message: 'The connection broke.' },
        },
        'pay',
      ),
      event('run.status', { status: 'waiting', phase: 'executing', previous: 'running' }),
    ];
    expect(runTree(asked, PLAIN)).toEqual([
      '… run_1 waiting waits for an answer: `longhaul runs show run_1` says how to give it',
      '└─ … pay bank.pay  waiting: Was it paid?',
    ]);
    const other = event('step.started', { tool: 'bank.look', version: '1', attempt: 1, input: {} }, 'other');
    expect(runTree([...asked, other], PLAIN)[0]).toBe(runTree(asked, PLAIN)[0]);
    const resolved = [
      ...asked,
      event('step.resolved', { outcome: 'not_done', actor: 'key_1', reason: 'No entry.' }, 'pay'),
      event('run.status', { status: 'running', phase: 'executing', previous: 'waiting' }),
    ];
    expect(runTree(resolved, PLAIN)).toEqual([
      '▸ run_1 running',
      '└─ · pay bank.pay  pending: key_1 says it was not done: No entry.',
    ]);
    const started = event('step.started', { tool: 'bank.pay', version: '1', attempt: 2, input: {} }, 'pay');
    expect(runTree([...resolved, started], PLAIN)[1]).toBe('└─ ▸ pay bank.pay ');
    // What a person has said was taken over from nowhere, and took no time that is known.
    const completed = event('step.completed', { output: 'paid', duration_ms: 0, reused: true }, 'pay');
    expect(runTree([...resolved, completed], PLAIN)[1]).toBe('└─ ✓ pay bank.pay  → paid');
  });

  describe('of a run that was opened again', () => {
    const failed = [
      created,
      planned,
      event('step.completed', { output: 84, duration_ms: 3, reused: false }, 'one'),
      event('step.failed', { failure, attempts: 1 }, 'two'),
      event('step.skipped', { reason: 'two failed' }, 'list'),
      event('run.failed', { failure }),
    ];
    const reopened = event('run.reopened', { attempt: 2, actor: 'temporal' });
    const steps = runTree(failed, PLAIN).slice(1);

    test('shows its steps as they ended, until their turn comes', () => {
      expect(runTree([...failed, reopened], PLAIN)).toEqual(['▸ run_1 running', ...steps]);
      const again = [
        event('step.started', { tool: 'calculator', version: '1', attempt: 1, input: {} }, 'two'),
        event('step.completed', { output: 49, duration_ms: 2, reused: false }, 'two'),
      ];
      expect(runTree([...failed, reopened, ...again], PLAIN)).toEqual([
        '▸ run_1 running',
        ...steps.slice(0, -1),
        '└─ ✓ two calculator 7 ^ 2 → 49  2 ms',
      ]);
    });

    test('shows what failed as failed where nothing is done again', () => {
      const tree = runTree([...failed, reopened, event('run.failed', { failure })], PLAIN);
      expect(tree).toEqual(runTree(failed, PLAIN));
    });

    test('shows that it waits on where a step waits for an answer', () => {
      const asked = event(
        'step.needs_attention',
        { attempt: 1, question: 'Was it added?', failure: { code: 'outcome_unknown', message: 'Lost.' } },
        'add_one',
      );
      const waiting = event('run.status', { status: 'waiting', phase: 'attention', previous: 'running' });
      const before = [created, planned, asked, waiting];
      expect(runTree([...before, reopened], PLAIN)).toEqual(runTree(before, PLAIN));
    });
  });

  test('a new plan takes the place of the old one', () => {
    const steps = [step('only', 'todo.list', {})];
    const lines = runTree(
      [created, planned, event('plan.created', { version: 2, source: 'pattern', steps, edges: [] })],
      PLAIN,
    );
    expect(lines).toEqual(['· run_1 queued plan 2', '└─ · only todo.list ']);
  });

  test('draws a plan that goes in a circle without going in one', () => {
    const steps = ['a', 'b'].map((id) => step(id, 'todo.list', {}));
    const circle = event('plan.created', {
      version: 1,
      source: 'given',
      steps,
      edges: [
        ['a', 'b'],
        ['b', 'a'],
        ['a', 'a'],
      ],
    });
    expect(runTree([created, circle], PLAIN)[0]).toBe('· run_1 queued');
  });

  test('ignores events it does not know and steps the plan does not have', () => {
    const strange = { ...created, type: 'run.teleported' as EventType };
    const lost = event('step.skipped', { reason: '' }, 'nowhere');
    expect(runTree([created, strange, planned, lost], PLAIN)).toEqual(runTree([created, planned], PLAIN));
  });

  test('what a tool returns cannot steer the terminal', () => {
    const done = event(
      'step.completed',
      { output: 'a\u001b[2J\u0007\r\nb', duration_ms: 1, reused: false },
      'one',
    );
    expect(runTree([created, planned, done], PLAIN).join('')).not.toMatch(/\p{Cc}/u);
  });
});

describe('line of an event', () => {
  test('says what changed, and nothing where nothing did', () => {
    let view = viewAfter(EMPTY_VIEW, created);
    const say = (happened: RunEvent) => {
      const before = view;
      view = viewAfter(view, happened);
      return eventLine(happened, before, view, PLAIN);
    };
    expect(say(event('plan.started', { round: 1, source: 'pattern' }))).toBe('drafts a plan');
    expect(say(planned)).toBe('plan 1: one, two, add_one, list');
    expect(
      say(event('step.started', { tool: 'calculator', version: '1', attempt: 1, input: {} }, 'one')),
    ).toBeUndefined();
    expect(say(event('step.progress', { attempt: 1, ratio: 0.5 }, 'one'))).toBeUndefined();
    expect(say(event('step.completed', { output: 'x', duration_ms: 2, reused: false }, 'one'))).toBe(
      '✓ one calculator 12 * 7 → x  2 ms',
    );
    expect(say(event('generation.completed', { text: '' }))).toBeUndefined();
    expect(say(event('run.completed', { answer: 'All.' }))).toBe('✓ run_1 completed');
    expect(view).toMatchObject({ status: 'completed', ending: 'All.' });
    expect(drawView(view, PLAIN)[0]).toBe('✓ run_1 completed');
  });
});
