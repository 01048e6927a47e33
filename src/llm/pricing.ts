import type { Pricing } from './model';
import { costOf, worstCase, type Prices } from './prices';

/**
 * What questions cost at these models. The worst case is that of the dearest: which of them answers shows only when it does. One
 * without a price makes it unknown.
 * @param models names of all that may be asked
 */
export function createPricing(prices: Prices, models: readonly string[]): Pricing {
  return {
    worstCase(request) {
      const cases = [...new Set(models)].map((model) => worstCase(prices, model, request));
      const costs = cases.map(({ cost_usd }) => cost_usd);
      return {
        tokens: Math.max(...cases.map(({ tokens }) => tokens)),
        cost_usd: costs.includes(null) ? null : Math.max(...costs.map((cost) => cost ?? 0)),
      };
    },
    costOf: (model, usage) => costOf(prices, model, usage),
  };
}
