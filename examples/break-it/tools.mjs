import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/*
 * A small shop as a pack of tools: what the README breaks, mends and changes. One of the three tools has a bug.
 */

/** Every call leaves a line here, so that you see what was called, and what was not. */
const LOG = '.longhaul/break-it.log';

/** In cents. */
const PRICES = { flour: 120, eggs: 35, milk: 110 };

/** What all tools of the pack have in common. They only look things up and add: a call may be repeated freely, which is `pure`. */
const tool = (name, description, properties, call) => ({
  name,
  version: '1.0.0',
  description,
  effect: 'pure',
  input_schema: {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  },
  timeout_s: 10,
  max_attempts: 1,
  call: async (input, { step_id }) => {
    mkdirSync(dirname(LOG), { recursive: true });
    appendFileSync(LOG, `${step_id}: ${name} ${JSON.stringify(input)}\n`);
    return call(input);
  },
});

export const tools = [
  tool(
    'shop.price',
    'What so many of an item cost: {cents}.',
    { item: { enum: Object.keys(PRICES) }, count: { type: 'integer', minimum: 1 } },
    ({ item, count }) => ({ cents: PRICES[item] * count }),
  ),
  tool(
    'shop.total',
    'The sum of prices in cents, as text: {amount}.',
    { prices: { type: 'array', items: { type: 'integer' } } },
    ({ prices }) => {
      const cents = prices.reduce((sum, price) => sum + price, 0);
      return { amount: (cents / 100).toFixd(2) }; // the bug: it is toFixed
    },
  ),
  tool(
    'shop.receipt',
    'A receipt: {text}.',
    { total: { type: 'string' }, change: { type: ['string', 'number'] } },
    ({ total, change }) => ({ text: `Total ${total}, change ${change}. Thank you!` }),
  ),
];
