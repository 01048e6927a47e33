/**
 * What the provider says to the runs of this benchmark. A run's goal names its story: `[six-17]` is the 17th run of the story `six`.
 * Each request of a run gets the next reply of its story.
 */

/** From a request's arrival to the last byte of its reply, milliseconds. */
export const REPLY_MS = 500;
/** The same of the plan of `streamed`, whose first step is complete after `REPLY_MS`, milliseconds. */
const LONG_REPLY_MS = 1_500;

/** One reply. Each of its parts comes evenly over the time since the part before it; its last byte leaves at `by_ms`. */
export interface Reply {
  name: string;
  /** Name of the format that the request must ask for; null for text. */
  format: 'plan' | 'verdict' | null;
  parts: { text: string; by_ms: number }[];
}

const APPLES = JSON.stringify({
  id: 'step_1',
  tool: 'calculator',
  title: 'Apples',
  input: { expression: '84 / 7 * 12' },
});
const NOTE = JSON.stringify({
  id: 'step_2',
  tool: 'todo.add',
  title: 'Note',
  input: { text: 'buy {step_1.value} apples' },
});
const GOOD = JSON.stringify({ is_valid: true, confidence: 0.95, issues: [], suggestions: [] });
const BAD = JSON.stringify({
  is_valid: false,
  confidence: 0.9,
  issues: ['It notes nothing.'],
  suggestions: ['Add a todo.'],
});

const reply = (name: string, format: Reply['format'], text: string): Reply => ({
  name,
  format,
  parts: [{ text, by_ms: REPLY_MS }],
});

export const STORIES = {
  /** A plan whose first step comes early and whose end comes late; nobody judges it, and it is not carried out. */
  streamed: [
    {
      name: 'plan',
      format: 'plan',
      parts: [
        { text: `{"steps":[${APPLES}`, by_ms: REPLY_MS },
        { text: `,${NOTE}]}`, by_ms: LONG_REPLY_MS },
      ],
    },
  ],
  /** All that may happen on the way to an answer: an unreadable plan, a rejected one, an accepted one. */
  six: [
    reply('unreadable plan', 'plan', 'I would begin with the apples, and then note what they come to.'),
    reply('plan 1', 'plan', `{"steps":[${APPLES}]}`),
    reply('rejection', 'verdict', BAD),
    reply('plan 2', 'plan', `{"steps":[${APPLES},${NOTE}]}`),
    reply('acceptance', 'verdict', GOOD),
    reply('answer', null, 'You get 144 apples [step_1]; that is noted as a todo [step_2].'),
  ],
} satisfies Record<string, Reply[]>;

export type Story = keyof typeof STORIES;

/** @param tag `six-17`. Patterns do not understand it, so a model plans. */
export function goalOf(tag: string): string {
  return `How many apples do I get for 84 euros at 7 euros a dozen? Note the number for the market. [${tag}]`;
}

/** The tag in a text that holds the goal of a run, and its story. */
export function taggedIn(text: string): { tag: string; story: Story } | undefined {
  const [, tag, story] = /\[((streamed|six)-\d+)\]/.exec(text) ?? [];
  return tag === undefined ? undefined : { tag, story: story as Story };
}

/** A request as the provider saw it, milliseconds of `clock`. */
export interface Served {
  arrived: number;
  /** When the last byte of each part left. */
  parts: number[];
}

/** What the provider tells its parent: once where it listens; its journal by tag, and what it refused, whenever it is sent `journal`. */
export type ProviderReport = { url: string } | { journal: Record<string, Served[]>; refused: string[] };

/** Milliseconds of a clock that all processes of a machine have in common. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
