import type { Verdict } from '../../src/contracts/verdict';
import type { AnswerWriter } from '../../src/planning/answer-writer';
import type { Judge } from '../../src/planning/judge';
import type { Draft, Planner } from '../../src/planning/planner';
import type { ClosedWorkflow, ClosedWorkflows } from '../../src/runs/closed-workflows';
import type { KnownWorkflows } from '../../src/runs/known-workflows';
import type { RunWorkflows, StartableRun } from '../../src/runs/run-workflows';

/** An answer, or an error that is thrown instead, or something to be done before the answer is there. */
type Scripted<Answer> = Answer | Error | (() => Promise<Answer>);

/** Scripts of the test that runs now: what they still hold when it ends fails it. */
const scripts = new Set<{ name: string; left: number }>();

afterEach(() => {
  const left = [...scripts].filter((script) => script.left > 0);
  scripts.clear();
  if (left.length > 0) throw new Error(`Answers were left over: ${left.map(({ name }) => name).join(', ')}.`);
});

/** Gives answers one after the other and keeps every request. Out of answers is an error, and so are answers left over. */
function script<Request, Answer>(name: string, answers: Scripted<Answer>[]) {
  const requests: Request[] = [];
  const open = [...answers];
  scripts.add({
    name,
    get left() {
      return open.length;
    },
  });
  return {
    requests,
    async next(request: Request): Promise<Answer> {
      requests.push(request);
      if (open.length === 0)
        throw new Error(`The ${name} was asked ${requests.length} times, once too often.`);
      const answer = open.shift() as Scripted<Answer>;
      if (answer instanceof Error) throw answer;
      return typeof answer === 'function' ? (answer as () => Promise<Answer>)() : answer;
    },
  };
}

/** Answers that are given once all of them were asked for: so many workers are at it at once. */
export function atOnce<Answer>(...answers: Answer[]): (() => Promise<Answer>)[] {
  let missing = answers.length;
  let open!: () => void;
  const complete = new Promise<void>((resolve) => (open = resolve));
  return answers.map((answer) => async () => {
    missing -= 1;
    if (missing === 0) open();
    await complete;
    return answer;
  });
}

type Asked<Port extends (request: never, ...rest: never[]) => unknown> = { requests: Parameters<Port>[0][] };

/** A planner that drafts what it is given. */
export function fakePlanner(...drafts: Scripted<Draft>[]): Planner & Asked<Planner['draft']> {
  const { requests, next } = script<Parameters<Planner['draft']>[0], Draft>('planner', drafts);
  return { source: 'pattern', requests, draft: next };
}

/** A judge that says what it is given, also what is no verdict. */
export function fakeJudge(...verdicts: Scripted<unknown>[]): Judge & Asked<Judge['judge']> {
  const { requests, next } = script<Parameters<Judge['judge']>[0], unknown>('judge', verdicts);
  return {
    name: 'fake judge',
    instant: false,
    requests,
    judge: (request) => next(request) as Promise<Verdict>,
  };
}

/** A writer that answers what it is given. */
export function fakeWriter(...answers: Scripted<string>[]): AnswerWriter & Asked<AnswerWriter['write']> {
  const { requests, next } = script<Parameters<AnswerWriter['write']>[0], string>('writer', answers);
  return { model: 'fake-writer', instant: false, requests, write: next };
}

/** What a process knows of Temporal, without Temporal. */
export interface FakeWorkflows extends RunWorkflows {
  /** While true, nothing is taken. */
  away: boolean;
  /** Ids of runs that are refused whatever happens. */
  refused: Set<string>;
  started: StartableRun[];
  woken: string[];
  /** What it calls the execution of a workflow that is started; null where there is one that has closed. */
  execution: string | null;
}

/** What Temporal says of closed workflows, without Temporal. */
export interface FakeClosed extends ClosedWorkflows {
  /** While true, nothing is answered. */
  away: boolean;
  /** Runs that the list names, by when they were closed: it names no newer workflow, as Temporal's does not. */
  listed: Map<string, Date>;
  /** The newest workflow of a run, where it is a closed one. */
  newest: Map<string, ClosedWorkflow>;
  /** From when on it was asked, and of which runs. */
  asked: Date[];
  described: string[];
}

export function fakeClosed(): FakeClosed {
  const closed: FakeClosed = {
    away: false,
    listed: new Map(),
    newest: new Map(),
    asked: [],
    described: [],
    async *since(since) {
      closed.asked.push(since);
      if (closed.away) throw new Error('Temporal is away');
      for (const [run_id, at] of closed.listed) if (at > since) yield [{ run_id, closed_at: at }];
    },
    async newestOf(run_id) {
      closed.described.push(run_id);
      return closed.newest.get(run_id) ?? null;
    },
  };
  return closed;
}

/** Which workflows Temporal knows, without Temporal. */
export interface FakeKnown extends KnownWorkflows {
  namespace: string;
  /** While true, nothing is answered. */
  away: boolean;
  /** Runs whose workflows are not open; of all others they are. */
  lost: Map<string, 'closed' | 'unknown'>;
  asked: string[];
}

export function fakeKnown(): FakeKnown {
  const answer = async <T>(of: () => T) => {
    if (known.away) throw new Error('Temporal is away');
    return of();
  };
  const known: FakeKnown = {
    namespace: 'first',
    away: false,
    lost: new Map(),
    asked: [],
    namespaceId: () => answer(() => known.namespace),
    standingOf: (run_id) =>
      answer(() => {
        known.asked.push(run_id);
        return known.lost.get(run_id) ?? 'open';
      }),
  };
  return known;
}

export function fakeWorkflows({ away = false }: { away?: boolean } = {}): FakeWorkflows {
  const take = async (id: string) => {
    if (workflows.away) throw new Error('Temporal is away');
    if (workflows.refused.has(id)) throw new Error(`Temporal refuses ${id}`);
  };
  const workflows: FakeWorkflows = {
    away,
    refused: new Set(),
    started: [],
    woken: [],
    execution: 'started',
    async start(run) {
      await take(run.id);
      workflows.started.push(run);
      return workflows.execution;
    },
    look: (run_id) => take(run_id).then(() => void workflows.woken.push(run_id)),
  };
  return workflows;
}
