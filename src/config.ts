import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { CRASH_POINTS } from './contracts/crash-point';
import type { Rules } from './contracts/rules';
import { ModelKey, ModelList, ModelName, ModelUrl, readEndpoints } from './llm/endpoint-settings';
import type { EndpointSettings } from './llm/endpoint-settings';

/**
 * Every setting of Longhaul, with its default, unit and meaning. Environment only; this file alone reads it, and only main
 * files read this file. Each `X` may also be given as `X_FILE`, the path of a file that holds it (mounted secrets).
 */

const PACKAGE = JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8')) as { version: string };

const wholeNumber = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
const listOf = (text: string) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** Of one address in production, where not set: far above any client, far below what one attacker can open. */
const CONNECTIONS_PER_ADDRESS = 1_000;
/** Seconds in production, where not set: a load balancer that asks every second has noticed by then. */
const DRAIN_S = 2;

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
  /** Connections of one process to Postgres, besides those of its own: one that listens (API, workers with the role `runs`), one that elects who reconciles. */
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
  /**
   * Whose word on a client's address is taken (`X-Forwarded-For`): `none`, the number of proxies in front, or their addresses and
   * networks, separated by commas. `none` when unset; an API in production refuses to start before it is decided.
   */
  TRUST_PROXY: z
    .string()
    .transform(trustedProxies)
    .refine((trusted) => trusted !== undefined, {
      error: 'must be `none`, a number of proxies from 1 to 10, or addresses and networks such as 10.0.0.0/8',
    })
    .optional(),
  /** Web pages that may call the API, also by WebSocket, from another origin, separated by commas: `https://app.example.com`. */
  LONGHAUL_ALLOWED_ORIGINS: z
    .string()
    .default('')
    .transform(listOf)
    .refine((origins) => origins.every(isOrigin), {
      error: 'must be origins without a path, such as https://app.example.com',
    }),
  /** Connections of one API process at once; further ones are dropped. */
  LONGHAUL_MAX_CONNECTIONS: wholeNumber(1, 1_000_000).default(20_000),
  /** The same of one address that is no trusted proxy; 1,000 when unset in production, no limit of its own elsewhere. */
  LONGHAUL_MAX_CONNECTIONS_PER_ADDRESS: wholeNumber(1, 1_000_000).optional(),
  /** Seconds an API that is told to stop serves on while `/readyz` says 503; 2 when unset in production, 0 elsewhere. */
  LONGHAUL_DRAIN_S: wholeNumber(0, 10).optional(),
  /** Key that is accepted for the tenant `development`; production refuses to start with it. */
  LONGHAUL_DEVELOPMENT_KEY: z
    .string()
    .regex(/^lh_[A-Za-z0-9_-]{20,100}$/)
    .optional(),
  /** Size of a request body, bytes. */
  LONGHAUL_BODY_LIMIT: wholeNumber(1_000, 10_000_000).default(1_000_000),
  /** Streams that one key may have open in one process: server-sent events and WebSockets. */
  LONGHAUL_STREAMS_PER_KEY: wholeNumber(1, 1_000_000).default(1_000),

  /** Requests a minute that a key may make where it has no limits of its own: taking runs, other changes, reading, opening streams. */
  LONGHAUL_SUBMITS_PER_MINUTE: wholeNumber(1, 1_000_000).default(10),
  LONGHAUL_WRITES_PER_MINUTE: wholeNumber(1, 1_000_000).default(120),
  LONGHAUL_READS_PER_MINUTE: wholeNumber(1, 1_000_000).default(600),
  LONGHAUL_STREAMS_PER_MINUTE: wholeNumber(1, 1_000_000).default(120),
  /** Runs of a tenant that have not ended, at most; above it submits are refused. */
  LONGHAUL_OPEN_RUNS_PER_TENANT: wholeNumber(1, 1_000_000).default(1_000),
  /** What the runs of a key may spend on models a day (UTC) where it has no limit of its own, USD; no limit when unset. */
  LONGHAUL_USD_PER_DAY: z.coerce.number().min(0).max(1_000_000).optional(),
  /** Milliseconds by which the event loop of an API process may lag before it refuses writes, so that reads and streams live on. */
  LONGHAUL_SHED_LAG_MS: wholeNumber(10, 60_000).default(200),

  /** Roles of a worker process, separated by commas. */
  LONGHAUL_ROLES: z
    .string()
    .default('runs,llm,tools')
    .transform((text) => text.split(',').map((role) => role.trim()))
    .pipe(z.array(z.enum(['runs', 'llm', 'tools'])).min(1)),
  /** The prebuilt workflow bundle (`npm run build:workflows`). */
  LONGHAUL_WORKFLOW_BUNDLE: z.string().default('dist/workflow-bundle.js'),
  /** Seconds that activities under way get when a worker stops. */
  LONGHAUL_SHUTDOWN_GRACE_S: wholeNumber(0, 600).default(20),
  /** Modules with tools of one's own, separated by commas; API and workers need the same. */
  LONGHAUL_TOOL_PACKS: z
    .string()
    .default('')
    .transform((text) => text.split(',').filter((path) => path !== '')),

  /** Key for OpenAI, or for the provider at OPENAI_BASE_URL. Without any model Longhaul works, but understands few goals. */
  OPENAI_API_KEY: ModelKey.optional(),
  /** Where models are asked that have no address of their own, `/v1` included; OpenAI when unset. */
  OPENAI_BASE_URL: ModelUrl.optional(),
  /** Names of the models there, by how capable they are. */
  LONGHAUL_MODEL_SMALL: ModelName.optional(),
  LONGHAUL_MODEL_MEDIUM: ModelName.optional(),
  LONGHAUL_MODEL_LARGE: ModelName.optional(),
  /** Several endpoints a tier, each with its own address, key and limits: YAML. */
  LONGHAUL_MODELS: ModelList.optional(),
  /** What models cost, over the prices that are shipped: YAML as in `prices.yaml`. */
  LONGHAUL_PRICES: z.string().optional(),

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
  /** Seconds a run may take; what it waits for people does not count. */
  LONGHAUL_MAX_DURATION_S: wholeNumber(1, 2_592_000).default(3_600),
  /** Seconds a run may wait for one answer of a person. */
  LONGHAUL_MAX_WAIT_S: wholeNumber(1, 31_536_000).default(604_800),

  /** Where a worker kills itself, for tests of what happens then; production refuses to start with it. */
  LONGHAUL_CRASH_POINT: z.enum(CRASH_POINTS).optional(),
});
type Settings = z.infer<typeof Settings>;

/** Settings of the command line where it works over HTTP; it needs no others. */
const ClientSettings = z.object({
  /** Where the API is, without a slash at the end. */
  LONGHAUL_API_URL: z
    .url({ protocol: /^https?$/, error: 'must be an address such as https://longhaul.example.com' })
    .default('http://127.0.0.1:3000'),
  /** Key that goes with every request. */
  LONGHAUL_API_KEY: z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'must be a key, such as lh_…')
    .optional(),
});

/** The settings, and what follows from them. */
export interface Config extends Settings {
  /** Of this release, from package.json. */
  version: string;
  public_url: string;
  /** As Express takes it. */
  trust_proxy: false | number | string[];
  max_connections_per_address: number;
  drain_s: number;
  log: { level: Settings['LOG_LEVEL']; format: Settings['LONGHAUL_LOG_FORMAT']; log_goals: boolean };
  rules: Rules;
  /** Empty: there is no language model. */
  model_endpoints: EndpointSettings[];
  /** Words for the log: settings that have no meaning here. */
  warnings: string[];
}

/**
 * Parses the environment once.
 * @throws Error that names every wrong setting.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return configOf(env, refusedInProduction);
}

/**
 * The same for a process that serves clients: there more has to be decided before it starts.
 * @throws Error that names every wrong setting.
 */
export function loadApiConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return configOf(env, (values) => [...refusedInProduction(values), ...undecidedInProduction(values)]);
}

/** How the command line reaches the API. */
export interface ClientConfig {
  api_url: string;
  key: string | undefined;
}

/**
 * The settings of the command line where it works over HTTP.
 * @returns undefined when nothing is said about the API
 * @throws Error that names every wrong setting.
 */
export function loadClientConfig(env: NodeJS.ProcessEnv): ClientConfig | undefined {
  const values = withFiles(env, Object.keys(ClientSettings.shape));
  if (Object.keys(values).length === 0) return undefined;
  const parsed = ClientSettings.safeParse(values);
  if (!parsed.success) throw wrongSettings(wrongIn(parsed.error));
  const { LONGHAUL_API_URL, LONGHAUL_API_KEY } = parsed.data;
  return { api_url: LONGHAUL_API_URL.replace(/\/+$/, ''), key: LONGHAUL_API_KEY };
}

type Values = Record<string, string>;

function configOf(env: NodeJS.ProcessEnv, alsoWrong: (values: Values) => string[]): Config {
  const values = withFiles(env, Object.keys(Settings.shape));
  const parsed = Settings.safeParse(values);
  const wrong = parsed.error === undefined ? [] : wrongIn(parsed.error);
  if ((values.NODE_ENV ?? 'production') === 'production') wrong.push(...alsoWrong(values));
  const model_endpoints = parsed.success ? endpointsOf(parsed.data, wrong) : [];
  if (!parsed.success || wrong.length > 0) throw wrongSettings(wrong);
  const settings = parsed.data;
  const production = settings.NODE_ENV === 'production';
  return {
    ...settings,
    version: PACKAGE.version,
    public_url: (settings.PUBLIC_URL ?? `http://${settings.HOST}:${settings.PORT}`).replace(/\/$/, ''),
    trust_proxy: settings.TRUST_PROXY ?? false,
    max_connections_per_address:
      settings.LONGHAUL_MAX_CONNECTIONS_PER_ADDRESS ??
      (production ? CONNECTIONS_PER_ADDRESS : settings.LONGHAUL_MAX_CONNECTIONS),
    drain_s: settings.LONGHAUL_DRAIN_S ?? (production ? DRAIN_S : 0),
    log: {
      level: settings.LOG_LEVEL,
      format: settings.LONGHAUL_LOG_FORMAT,
      log_goals: settings.LONGHAUL_LOG_GOALS,
    },
    rules: rulesOf(settings),
    model_endpoints,
    warnings: unknownSettings(env),
  };
}

function wrongIn(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

function wrongSettings(wrong: string[]): Error {
  return new Error(`These settings are wrong:\n${wrong.map((line) => `  ${line}`).join('\n')}`);
}

function refusedInProduction({ LONGHAUL_DEVELOPMENT_KEY, LONGHAUL_CRASH_POINT }: Values): string[] {
  const refused = 'is refused in production (NODE_ENV unset counts as production).';
  return [
    ...(LONGHAUL_DEVELOPMENT_KEY === undefined
      ? []
      : [`LONGHAUL_DEVELOPMENT_KEY: ${refused} Unset it and create a key, or set NODE_ENV=development.`]),
    ...(LONGHAUL_CRASH_POINT === undefined
      ? []
      : [`LONGHAUL_CRASH_POINT: ${refused} Unset it: it is for tests.`]),
  ];
}

/** Who speaks for the clients' addresses cannot be guessed: both wrong guesses are holes. */
function undecidedInProduction({ TRUST_PROXY }: Values): string[] {
  if (TRUST_PROXY !== undefined) return [];
  return [
    'TRUST_PROXY: is not decided. Say how many proxies stand in front of the API (1 where one ends TLS), ' +
      'or their addresses, or `none` when clients connect to it directly.',
  ];
}

/** @returns undefined when the text is none of the forms. */
function trustedProxies(text: string): false | number | string[] | undefined {
  if (text === 'none') return false;
  if (/^([1-9]|10)$/.test(text)) return Number(text);
  const networks = listOf(text);
  return networks.length > 0 && networks.every(isNetwork) ? networks : undefined;
}

/** An address, or a network as address and length of its prefix. */
function isNetwork(text: string): boolean {
  const [address = '', bits = '1', ...more] = text.split('/');
  const most = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  return more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= most;
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

/** Names of all settings, as the reference lists them. */
export function settingNames(): string[] {
  return [...Object.keys(Settings.shape), ...Object.keys(ClientSettings.shape)];
}

/** What a child process inherits: the whole environment, with `more` on top. */
export function inheritedEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...process.env, ...more };
}

/** What is wrong with several settings together joins what is wrong with single ones. */
function endpointsOf(settings: Settings, wrong: string[]): EndpointSettings[] {
  try {
    return readEndpoints(settings);
  } catch (error) {
    wrong.push((error as Error).message);
    return [];
  }
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
    max_wait_s: settings.LONGHAUL_MAX_WAIT_S,
  };
}

function withFiles(env: NodeJS.ProcessEnv, names: string[]): Values {
  const values: Values = {};
  for (const name of names) {
    const path = env[`${name}_FILE`];
    const value = path === undefined ? env[name] : readFileSync(resolve(path), 'utf8').trim();
    if (value !== undefined && value !== '') values[name] = value;
  }
  return values;
}

function unknownSettings(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(settingNames().flatMap((name) => [name, `${name}_FILE`]));
  return Object.keys(env)
    .filter((name) => name.startsWith('LONGHAUL_') && !known.has(name))
    .map((name) => `${name} is not a setting of Longhaul; it has no effect.`);
}
