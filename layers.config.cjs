// Who may import whom, under src/. Folders say first where code runs: this table keeps them so. Changed here when a real need
// shows; .dependency-cruiser.cjs makes rules of it, and scripts/check-layers.cjs runs them.
//
//   values   folders, or single files, of which anything may be imported
//   types    what may be imported besides, with `import type` only
//   npm      packages, their types too
//
// A folder may always import itself. Nobody imports a main.ts. `extra` adds to a row what single files of it may import.

const EVERYWHERE = [
  'contracts',
  'activities',
  'db',
  'events',
  'knowledge',
  'llm',
  'planning',
  'prompts',
  'runs',
  'telemetry',
  'tools',
];

/** @type {Record<string, {values: string[], types?: string[], npm: string[], node?: false}>} */
const folders = {
  contracts: { values: [], npm: ['zod'], node: false },
  workflows: {
    // Plain constants and nothing that leads to zod: the bundle of the sandbox stays small and deterministic.
    values: ['contracts/failure', 'contracts/run-status'],
    types: ['contracts', 'activities'],
    npm: ['@temporalio/workflow', '@temporalio/common'],
    node: false,
  },
  activities: {
    // The scheduler is pure: the activity that goes on from one instant step to the next asks it too.
    values: ['contracts', 'planning', 'events', 'db', 'runs', 'workflows/schedule'],
    types: ['llm', 'tools', 'knowledge'],
    npm: ['@temporalio/activity', '@temporalio/common'],
  },
  runs: {
    values: ['contracts', 'planning', 'events', 'db', 'workflows/messages'],
    types: ['tools', 'workflows'],
    npm: ['@temporalio/client', '@temporalio/common'],
  },
  planning: {
    values: ['contracts', 'prompts', 'db'],
    types: ['llm', 'tools', 'knowledge'],
    npm: ['ajv', 'jsonrepair', 'zod'],
  },
  llm: { values: ['contracts', 'db'], npm: ['openai', 'yaml', 'zod'] },
  tools: { values: ['contracts', 'db'], types: ['knowledge', 'llm'], npm: ['zod'] },
  knowledge: { values: ['contracts', 'db'], npm: [] },
  prompts: { values: ['contracts', 'db'], npm: ['yaml', 'zod'] },
  events: { values: ['contracts', 'db'], npm: ['pg'] },
  db: { values: ['contracts'], npm: ['pg', 'ulid'] },
  api: {
    values: ['contracts', 'runs', 'events', 'db', 'planning', 'tools', 'telemetry'],
    npm: ['cors', 'express', 'helmet', 'lru-cache', 'prom-client', 'ws', 'zod', 'zod-openapi'],
  },
  workers: {
    values: [...EVERYWHERE, 'workflows/messages'],
    npm: ['@temporalio/worker', '@temporalio/activity', '@temporalio/common', 'prom-client'],
  },
  // A run on a terminal, from its events: the demo and the command line show it so.
  watch: { values: ['contracts'], npm: ['picocolors'] },
  dev: { values: ['contracts', 'db', 'watch', 'workers/bundle-workflows'], npm: ['pg'] },
  // Keys, the schema and the choice of Temporal are the operator's, who has Postgres; everything about runs goes over HTTP.
  cli: {
    values: [
      'contracts',
      'dev',
      'watch',
      'db/api-keys',
      'db/migrate',
      'db/database',
      'db/lost-runs',
      'db/unavailable',
    ],
    npm: ['commander'],
  },
  telemetry: { values: ['contracts'], npm: ['pino', 'pino-pretty', 'prom-client', 'lru-cache', 'ulid'] },
};

/** Single files, and what they may import besides what their folder may. */
const extra = {
  // Every setting, parsed once. Besides these files nobody may import it: what they build gets what it needs as arguments.
  config: { values: ['contracts', 'llm/endpoint-settings'], npm: ['zod'] },
  'process-end': { values: [], npm: [] },
  // Only these build: they read the settings and connect to what the rest gets handed in.
  'api/main': { values: ['config', 'process-end', 'llm', 'prompts'], npm: ['@temporalio/client'] },
  'workers/main': { values: ['config', 'process-end'], npm: [] },
  'workers/run-workers': { values: ['config', 'process-end'], npm: ['@temporalio/client'] },
  'workers/brain': { values: ['config'], npm: [] },
  'workers/build-bundle': { values: ['process-end'], npm: [] },
  // Schemas of packs are held to what will hold inputs to them.
  'tools/load-pack': { values: ['planning/input-check'], npm: [] },
  'cli/program': { values: ['config'], npm: [] },
  'dev/main': { values: ['config'], npm: [] },
  'dev/demo': { values: ['config'], npm: [] },
  'cli/main': { values: ['config'], npm: [] },
  // Holds a connection of its own, whose lock elects the one process that reconciles.
  'runs/reconcile': { values: [], npm: ['pg'] },
};

module.exports = { folders, extra };
