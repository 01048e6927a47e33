import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { TIERS, type Tier } from '../contracts/model';

/**
 * Which models there are, from settings. Pure; `src/config.ts` reads the texts. No message of an error quotes a value: any of them may be
 * a key in the wrong place.
 */

/** Where OpenAI itself is asked. */
const OPENAI_URL = 'https://api.openai.com/v1';
/** For servers that want no key: the protocol has a place for one, and most servers take anything there. */
const NO_KEY = 'none';
/** What OpenAI is asked for where nothing else is said. No large one: the medium one takes its place. */
const OPENAI_MODELS = { small: 'gpt-4.1-mini', medium: 'gpt-4.1' };

/** Of one call, seconds: a long plan of a slow model. */
const DEFAULT_TIMEOUT_S = 120;
/** Node gives up an answer that does not begin within 300 seconds, whatever is set here. */
const MAX_TIMEOUT_S = 300;
/** Calls to an endpoint at once, over all workers. */
const DEFAULT_MAX_PARALLEL = 32;

/** A key as it fits into a header. */
export const ModelKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,500}$/, { error: 'must be a key without spaces and line breaks' });

/** Where a provider's API begins. */
export const ModelUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .refine((url) => !URL.canParse(url) || isPlain(new URL(url)), {
    error: 'must be a URL without a login, a query or a fragment; the key is a setting of its own',
  })
  .transform((url) => url.replace(/\/+$/, ''));

/** A model's name as its provider knows it. */
export const ModelName = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, { error: 'must be the name of a model, without spaces' });

const wholeNumber = (least: number, most: number) =>
  z
    .int({ error: `must be a whole number from ${least} to ${most}` })
    .min(least)
    .max(most);

const ListedEndpoint = z.strictObject(
  {
    model: ModelName,
    base_url: ModelUrl.optional(),
    api_key: ModelKey.optional(),
    timeout_s: wholeNumber(1, MAX_TIMEOUT_S).default(DEFAULT_TIMEOUT_S),
    max_parallel: wholeNumber(1, 1_000).default(DEFAULT_MAX_PARALLEL),
    /** Calls in a minute, over all workers; no limit of our own when absent. */
    per_minute: wholeNumber(1, 1_000_000).optional(),
  },
  { error: unknownAmong('model, base_url, api_key, timeout_s, max_parallel and per_minute') },
);
type ListedEndpoint = z.infer<typeof ListedEndpoint>;

const Listed = z.array(ListedEndpoint).min(1).max(20).optional();
const Tiers = z.strictObject(
  { small: Listed, medium: Listed, large: Listed },
  { error: unknownAmong(TIERS.join(', ')) },
);

/** Endpoints by tier, as YAML. */
export const ModelList = z
  .string()
  .transform((text, context) => {
    const read = readYaml(text);
    if ('wrong' in read) context.issues.push({ code: 'custom', message: read.wrong, input: undefined });
    return 'wrong' in read ? z.NEVER : read.value;
  })
  .pipe(Tiers);

/** The settings that endpoints are made of. */
export interface ModelSettings {
  OPENAI_API_KEY?: string | undefined;
  OPENAI_BASE_URL?: string | undefined;
  LONGHAUL_MODEL_SMALL?: string | undefined;
  LONGHAUL_MODEL_MEDIUM?: string | undefined;
  LONGHAUL_MODEL_LARGE?: string | undefined;
  LONGHAUL_MODELS?: z.infer<typeof Tiers> | undefined;
}

/** One endpoint, complete. */
export interface EndpointSettings {
  /** Tier and place in its list, counted from 1: `small/1`. */
  name: string;
  tier: Tier;
  model: string;
  base_url: string;
  api_key: string;
  /** Of one call, seconds. */
  timeout_s: number;
  /** Calls at once, over all workers. */
  max_parallel: number;
  /** Calls in a minute, over all workers; null: no limit. */
  per_minute: number | null;
}

/**
 * @returns the endpoints, the tiers in their order, and in each the order of the settings; none when nothing is set
 * @throws Error that says what is missing or said twice
 */
export function readEndpoints(settings: ModelSettings): EndpointSettings[] {
  const listed = settings.LONGHAUL_MODELS ?? {};
  const named = namedModels(settings);
  const twice = TIERS.find((tier) => named[tier] !== undefined && listed[tier] !== undefined);
  if (twice !== undefined) {
    throw new Error(
      `${nameSetting(twice)}: the tier ${twice} is in LONGHAUL_MODELS too. Say it in one of the two.`,
    );
  }
  if (settings.OPENAI_BASE_URL !== undefined && Object.keys({ ...named, ...listed }).length === 0) {
    throw new Error(
      'OPENAI_BASE_URL: says where models are asked, but not which. Set LONGHAUL_MODEL_SMALL to the name of one, ' +
        'and LONGHAUL_MODEL_MEDIUM and LONGHAUL_MODEL_LARGE where there are more capable ones.',
    );
  }
  return TIERS.flatMap((tier) => {
    const model = named[tier];
    const entries = model === undefined ? (listed[tier] ?? []) : [ListedEndpoint.parse({ model })];
    return entries.map((entry, index) => complete(entry, { tier, index, settings }));
  });
}

/** The models that are set by name; OpenAI's own when there is its key and not a word about models. */
function namedModels(settings: ModelSettings): Partial<Record<Tier, string>> {
  const names = TIERS.map((tier) => [tier, settings[nameSetting(tier)]] as const);
  const named = names.filter(([, name]) => name !== undefined);
  if (named.length > 0) return Object.fromEntries(named) as Partial<Record<Tier, string>>;
  const { OPENAI_API_KEY, OPENAI_BASE_URL, LONGHAUL_MODELS } = settings;
  const isOpenAi = OPENAI_API_KEY !== undefined && OPENAI_BASE_URL === undefined;
  return isOpenAi && LONGHAUL_MODELS === undefined ? OPENAI_MODELS : {};
}

function nameSetting(tier: Tier) {
  return `LONGHAUL_MODEL_${tier.toUpperCase() as Uppercase<Tier>}` as const;
}

/** An endpoint with an address of its own never gets the key of another: OPENAI_API_KEY belongs to OPENAI_BASE_URL. */
function complete(
  entry: ListedEndpoint,
  { tier, index, settings }: { tier: Tier; index: number; settings: ModelSettings },
): EndpointSettings {
  const name = `${tier}/${index + 1}`;
  const base_url = entry.base_url ?? settings.OPENAI_BASE_URL ?? OPENAI_URL;
  const api_key = entry.api_key ?? (entry.base_url === undefined ? settings.OPENAI_API_KEY : undefined);
  if (api_key === undefined && base_url === OPENAI_URL) {
    throw new Error(
      `OPENAI_API_KEY: must be set, because ${entry.model} (${name}) is asked at OpenAI. ` +
        'For a server of your own set OPENAI_BASE_URL.',
    );
  }
  const { model, timeout_s, max_parallel, per_minute = null } = entry;
  return { name, tier, model, base_url, api_key: api_key ?? NO_KEY, timeout_s, max_parallel, per_minute };
}

function isPlain({ username, password, search, hash }: URL): boolean {
  return [username, password, search, hash].every((part) => part === '');
}

/** Says which names there are, and of an unknown one only where it stands: it may be a key that lost its field. */
function unknownAmong(names: string) {
  return (issue: { code?: string | undefined }) =>
    issue.code === 'unrecognized_keys' ? `has a field that is none of ${names}` : undefined;
}

/** The parser's own messages quote the text. */
function readYaml(text: string): { value: unknown } | { wrong: string } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line } = lines.linePos(error.pos[0]);
    const what = error.code === 'DUPLICATE_KEY' ? 'the same tier or field twice' : 'no YAML';
    return { wrong: `has ${what}, in line ${line}` };
  }
  try {
    return { value: document.toJS() as unknown };
  } catch {
    return { wrong: 'has aliases that cannot be resolved' };
  }
}
