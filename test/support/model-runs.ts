import type { RunEvent } from '../../src/contracts/event';
import type { Purpose, Tier } from '../../src/contracts/model';
import type { Step } from '../../src/contracts/plan';
import type { ProviderRequest, ScriptedProvider } from './scripted-provider';

/** A goal that patterns do not understand, and what a model makes of it. */
export const GOAL =
  'How many apples do I get for 84 euros at 7 euros a dozen? Note the number for the market.';
export const STEPS: Step[] = [
  { id: 'step_1', tool: 'calculator', title: 'Apples', input: { expression: '84 / 7 * 12' } },
  { id: 'step_2', tool: 'todo.add', title: 'Note', input: { text: 'buy {step_1.value} apples' } },
];

/** What a good model says to it. */
export const SAYS: Record<Purpose, string> = {
  plan: JSON.stringify({ steps: STEPS }),
  judge: JSON.stringify({ is_valid: true, confidence: 0.95, issues: [], suggestions: [] }),
  answer: 'You get 144 apples [step_1]; it is noted [step_2].',
};

/** The setting LONGHAUL_MODELS: one model a tier, named after it, all at one provider. */
export function modelsAt(base_url: string, ...tiers: Tier[]): string {
  return JSON.stringify(Object.fromEntries(tiers.map((tier) => [tier, [{ model: `${tier}-1`, base_url }]])));
}

/** What a request to the provider is for: plans and verdicts have a format of their own. */
export function purposeOf({ body }: ProviderRequest): Purpose {
  const format = body.response_format?.json_schema?.name;
  if (format === 'verdict') return 'judge';
  return format === 'plan' ? 'plan' : 'answer';
}

/** Whether a request is about a goal; one that no other goal of the test begins with. */
export function isAbout({ body }: ProviderRequest, goal: string): boolean {
  return body.messages.some(({ content }) => content.includes(goal));
}

/** How often the provider was asked about a goal, and for what. */
export function asked({ requests }: ScriptedProvider, goal: string): Record<Purpose, number> {
  const counts = { plan: 0, judge: 0, answer: 0 };
  for (const request of requests) if (isAbout(request, goal)) counts[purposeOf(request)] += 1;
  return counts;
}

/** Types of events in their order, one that comes several times in a row once. */
export function typesOf(events: readonly RunEvent[]): string[] {
  return events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1]);
}

/** That the events of a run are numbered 1, 2, 3 … and the last one ends it. */
export function expectWhole(events: readonly RunEvent[], end: RunEvent['type']): void {
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 1));
  expect(events.filter(({ type }) => /^run\.(completed|failed|cancelled|timed_out)$/.test(type))).toEqual([
    expect.objectContaining({ type: end, seq: events.length }),
  ]);
}
