import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, parseDocument } from 'yaml';
import { z } from 'zod';
import type { Usage } from '../contracts/model';
import type { ModelRequest } from './model';

/** The prices that come with this release. */
const SHIPPED = join(__dirname, '../../prices.yaml');
/** Decimals that a price may have: providers name tenths of a cent, a million tokens. */
const PRICE_DECIMALS = 6;
/** A price counts millionths of a USD for a million tokens, so a cost counts in units of 10^-12 USD; of them make one of 10^-8. */
const UNITS_PER_STEP = 10_000n;
/** Steps of a cost in one USD: the ledger keeps 8 decimals. */
const STEPS_PER_USD = 1e8;
/** How dated releases of a model are named: `gpt-4.1-2025-04-14`. They cost what the model costs. */
const RELEASE = /-\d{4}-\d{2}-\d{2}$/;

const Amount = z
  .number()
  .min(0)
  .max(1_000_000)
  .refine((usd) => Number(usd.toFixed(PRICE_DECIMALS)) === usd, {
    error: `has more than ${PRICE_DECIMALS} decimals`,
  });

const Price = z
  .strictObject({ input: Amount, cached_input: Amount, output: Amount })
  .refine(({ input, cached_input }) => cached_input <= input, {
    error: 'cached_input is above input',
  });
/** USD for a million tokens. */
export type Price = z.infer<typeof Price>;

export interface Prices {
  /** Day as of which they hold, of the text that was read last: `2025-08-07`. */
  date: string;
  models: ReadonlyMap<string, Price>;
}

/**
 * The shipped prices, and over them those of the operator.
 * @param own YAML as in prices.yaml; undefined where the operator has none
 * @throws Error as `readPrices`
 */
export function loadPrices(own: string | undefined): Prices {
  return readPrices([readFileSync(SHIPPED, 'utf8'), ...(own === undefined ? [] : [own])]);
}

/**
 * Reads price lists; what a later one says of a model replaces what the earlier ones say.
 * @param texts YAML: `date`, and `models` with `input`, `cached_input` and `output` for each
 * @throws Error that names the model and what is wrong with its price
 */
export function readPrices(texts: readonly string[]): Prices {
  const models = new Map<string, Price>();
  let date = '';
  for (const text of texts) {
    const list = parsed(text);
    date = list.date;
    for (const [model, price] of list.models) models.set(model, price);
  }
  return { date, models };
}

function parsed(text: string): { date: string; models: [string, Price][] } {
  // Keys that are given twice are found below: the parser's own message does not say which.
  const document = parseDocument(text, { uniqueKeys: false });
  const [fault] = document.errors;
  if (fault !== undefined) throw new Error(`The prices are not YAML: ${fault.message}`);
  const date = z.iso.date().safeParse(document.get('date'));
  if (!date.success) throw new Error('The prices have no `date` such as 2025-08-07.');
  const models = document.get('models');
  if (!isMap(models)) throw new Error('The prices have no `models`.');
  const read = new Map<string, Price>();
  for (const { key, value } of models.items) {
    const model = String(key);
    if (read.has(model)) throw new Error(`The price of ${model} is given twice.`);
    read.set(model, priceOf(model, isMap(value) ? value.toJSON() : value));
  }
  return { date: date.data, models: [...read] };
}

function priceOf(model: string, value: unknown): Price {
  const price = Price.safeParse(value);
  if (price.success) return price.data;
  const wrong = price.error.issues.map(({ path, message }) => [...path, message].join(': '));
  throw new Error(
    `The price of ${model} is wrong: ${wrong.join('; ')}. It takes input, cached_input and output, USD for a million tokens.`,
  );
}

/**
 * What a call has cost.
 * @param model as the provider names it; a dated release has the price of its model where it has none of its own
 * @returns USD with 8 decimals, rounded up; null where the price is not known
 */
export function costOf(prices: Prices, model: string, usage: Usage): number | null {
  const price = priceFor(prices, model);
  if (price === undefined) return null;
  const cached = Math.min(usage.cached_tokens, usage.input_tokens);
  return usd(
    [usage.input_tokens - cached, price.input],
    [cached, price.cached_input],
    [usage.output_tokens, price.output],
  );
}

/**
 * The most that a call can come to, before it is made: every byte of what is sent a token of its own (a tokenizer never makes more of
 * them, and the JSON around each message is more than what the provider puts around it), nothing of it cached, and a reply as long as it
 * may be.
 * @returns `cost_usd` null where the price is not known
 */
export function worstCase(
  prices: Prices,
  model: string,
  { messages, format, max_output_tokens }: ModelRequest,
): { tokens: number; cost_usd: number | null } {
  const input = Buffer.byteLength(JSON.stringify({ messages, format }));
  const cost_usd = costOf(prices, model, {
    input_tokens: input,
    cached_tokens: 0,
    output_tokens: max_output_tokens,
  });
  return { tokens: input + max_output_tokens, cost_usd };
}

function priceFor({ models }: Prices, model: string): Price | undefined {
  return models.get(model) ?? models.get(model.replace(RELEASE, ''));
}

/** Sums in whole numbers: in floating point the parts of a cent would drift, and a sum that should be exact be rounded up. */
function usd(...parts: [tokens: number, price: number][]): number {
  const units = parts
    .map(([tokens, price]) => BigInt(tokens) * BigInt(Math.round(price * 10 ** PRICE_DECIMALS)))
    .reduce((sum, part) => sum + part, 0n);
  return Number((units + UNITS_PER_STEP - 1n) / UNITS_PER_STEP) / STEPS_PER_USD;
}
