import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Rules } from './contracts/rules';

/**
 * Every setting of Longhaul, with its default, unit and meaning. Environment only; this file alone reads it, and only main
 * files read this file. Each `X` may also be given as `X_FILE`, the path of a file that holds it (mounted secrets).
 */

const wholeNumber = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

const Settings = z.object({
  /** `production` when unset: only `npm start`, `npm run demo` and tests say otherwise. */
  NODE_ENV: z.enum(['production', 'development', 'test']).default('production'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),

  /** `pretty` for people; programs read `json`. */
  LONGHAUL_LOG_FORMAT: z.enum(['json', 'pretty']).default('json'),
  /** Whether the log may quote the goals of users. */
  LONGHAUL_LOG_GOALS: z.stringbool().default(false),

  /** Address and port on which a worker serves `/metrics`; no port, or 0: it does not. The API serves its own beside everything else. */
  LONGHAUL_METRICS_HOST: z.string().min(1).default('127.0.0.1'),
  LONGHAUL_METRICS_PORT: wholeNumber(0, 65_535).default(0),

  /** Postgres, the record. */
  DATABASE_URL: z.string().min(1),
  /** Connections of one process to Postgres, besides the one that listens for events. */
  LONGHAUL_DB_POOL: wholeNumber(1, 200).default(10),

  /** Temporal, the scheduler: host:port. */
  TEMPORAL_ADDRESS: z.string().min(1).default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  /** Where operators find the Temporal UI; shown in each run. */
  LONGHAUL_TEMPORAL_UI_URL: z.url().default('http://127.0.0.1:8233'),
  /** First part of the task queues' names; the role follows: `longhaul-runs`. */
  LONGHAUL_TASK_QUEUE: z
    .string()
    .regex(/^[a-z0-9_-]{1,100}$/)
    .default('longhaul'),

  /** Address and port the API listens on. */
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(3000),
  /** How clients reach the API, without a slash at the end; `http://HOST:PORT` when unset. */
  PUBLIC_URL: z.url().optional(),
  /** Key that is accepted for the tenant `development`; production refuses to start with it. */
  LONGHAUL_DEVELOPMENT_KEY: z
    .string()
    .regex(/^lh_[A-Za-z0-9_-]{20,100}$/)
    .optional(),
  /** Size of a request body, bytes. */
  LONGHAUL_BODY_LIMIT: wholeNumber(1_000, 10_000_000).default(1_000_000),

  /** Roles of a worker process, separated by commas. */
  LONGHAUL_ROLES: z
    .string()
    .default('runs,tools')
    .transform((text) => text.split(',').map((role) => role.trim()))
    .pipe(z.array(z.enum(['runs', 'tools'])).min(1)),
  /** The prebuilt workflow bundle (`npm run build:workflows`). */
  LONGHAUL_WORKFLOW_BUNDLE: z.string().default('dist/workflow-bundle.js'),
  /** Seconds that activities under way get when a worker stops. */
  LONGHAUL_SHUTDOWN_GRACE_S: wholeNumber(0, 600).default(20),
  /** Modules with tools of one's own, separated by commas; API and workers need the same. */
  LONGHAUL_TOOL_PACKS: z
    .string()
    .default('')
    .transform((text) => text.split(',').filter((path) => path !== '')),

  /** Folder of the development stack's data and logs; only `npm start` and `npm run demo` look at it. `.longhaul` when unset. */
  LONGHAUL_HOME: z.string().optional(),

  /** Rules that new runs begin with. */
  LONGHAUL_MAX_STEPS: wholeNumber(1, 500).default(50),
  LONGHAUL_MAX_PARALLEL_STEPS: wholeNumber(1, 100).default(10),
  /** Bytes of one step's input, of its output, as JSON. */
  LONGHAUL_MAX_INPUT_BYTES: wholeNumber(1_000, 1_000_000).default(65_536),
  LONGHAUL_MAX_OUTPUT_BYTES: wholeNumber(1_000, 10_000_000).default(1_000_000),
  LONGHAUL_JUDGE_THRESHOLD: z.coerce.number().min(0).max(1).default(0.8),
  LONGHAUL_MAX_REPLANS: wholeNumber(0, 10).default(2),
  /** Seconds a run may take. */
  LONGHAUL_MAX_DURATION_S: wholeNumber(1, 2_592_000).default(3_600),
});
type Settings = z.infer<typeof Settings>;

/** The settings, and what follows from them. */
export interface Config extends Settings {
  public_url: string;
  log: { level: Settings['LOG_LEVEL']; format: Settings['LONGHAUL_LOG_FORMAT']; log_goals: boolean };
  rules: Rules;
  /** Words for the log: settings that have no meaning here. */
  warnings: string[];
}

/**
 * Parses the environment once.
 * @throws Error that names every wrong setting.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const parsed = Settings.safeParse(withFiles(env));
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`These settings are wrong:\n${wrong.join('\n')}`);
  }
  const settings = parsed.data;
  if (settings.NODE_ENV === 'production' && settings.LONGHAUL_DEVELOPMENT_KEY !== undefined) {
    throw new Error(
      'LONGHAUL_DEVELOPMENT_KEY is set in production (NODE_ENV unset counts as production). ' +
        'Unset it and create a key, or set NODE_ENV=development.',
    );
  }
  return {
    ...settings,
    public_url: (settings.PUBLIC_URL ?? `http://${settings.HOST}:${settings.PORT}`).replace(/\/$/, ''),
    log: {
      level: settings.LOG_LEVEL,
      format: settings.LONGHAUL_LOG_FORMAT,
      log_goals: settings.LONGHAUL_LOG_GOALS,
    },
    rules: rulesOf(settings),
    warnings: unknownSettings(env),
  };
}

/** What a child process inherits: the whole environment, with `more` on top. */
export function inheritedEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...process.env, ...more };
}

function rulesOf(settings: Settings): Rules {
  return {
    max_steps: settings.LONGHAUL_MAX_STEPS,
    max_parallel_steps: settings.LONGHAUL_MAX_PARALLEL_STEPS,
    max_input_bytes: settings.LONGHAUL_MAX_INPUT_BYTES,
    max_output_bytes: settings.LONGHAUL_MAX_OUTPUT_BYTES,
    judge_threshold: settings.LONGHAUL_JUDGE_THRESHOLD,
    max_replans: settings.LONGHAUL_MAX_REPLANS,
    max_duration_s: settings.LONGHAUL_MAX_DURATION_S,
  };
}

function withFiles(env: NodeJS.ProcessEnv): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of Object.keys(Settings.shape)) {
    const path = env[`${name}_FILE`];
    const value = path === undefined ? env[name] : readFileSync(resolve(path), 'utf8').trim();
    if (value !== undefined && value !== '') values[name] = value;
  }
  return values;
}

function unknownSettings(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(Object.keys(Settings.shape).flatMap((name) => [name, `${name}_FILE`]));
  return Object.keys(env)
    .filter((name) => name.startsWith('LONGHAUL_') && !known.has(name))
    .map((name) => `${name} is not a setting of Longhaul; it has no effect.`);
}
