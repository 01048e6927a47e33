import { loadConfig } from '/work/main/src/config';
import { runToEnd } from '/work/main/src/process-end';
import { runWorkers } from '/work/main/src/workers/run-workers';
runToEnd('worker', () => runWorkers(loadConfig(), {
  planner: { source: 'pattern', draft: async () => ({ kind: 'plan', steps: [{id:'a',tool:'calculator',input:{expression:'12*7'}},{id:'b',tool:'calculator',input:{expression:'3+4'}},{id:'c',tool:'calculator',input:{expression:'10-2'}},{id:'d',tool:'todo.add',input:{text:'{a.value} {b.value} {c.value}'}}] }) } as any,
  judge: { name: 'x', judge: async () => ({ is_valid: true, confidence: 1, issues: [], suggestions: [] }) },
  writer: { model: 't', write: async ({ steps }) => JSON.stringify(steps.map((s) => s.output)) },
}));
