import { TIERS, type Tier } from '../contracts/model';
import type { Step } from '../contracts/plan';
import { Refusal } from '../contracts/refusal';
import type { Prompt } from '../prompts/prompt';
import { askReadably } from './ask-readably';
import type { Draft, Drafting, Planner, PlanRequest } from './planner';
import { DraftStream } from './reading/draft-stream';
import { DRAFT_FORMAT, readDraft } from './reading/read-draft';

/** A plan of 50 steps of 150 tokens each fits; the smallest models in use can write as much. */
const MAX_OUTPUT_TOKENS = 8_192;
/** Findings of an earlier round that the model is shown: a hostile or hopeless plan has hundreds, all of a few kinds. */
const MAX_FINDINGS = 20;

/**
 * Plans goals by asking a model of a tier, unless the run names another one, and of the next one up once a plan was refused: the same one would likely fail again.
 * Steps are shown while they come.
 */
export function createModelPlanner({ prompt, tier }: { prompt: Prompt; tier: Tier }) {
  return {
    source: 'model',
    draft: (request: PlanRequest, drafting: Drafting) => draft(prompt, tier, request, drafting),
  } satisfies Planner;
}

async function draft(prompt: Prompt, tier: Tier, request: PlanRequest, drafting: Drafting): Promise<Draft> {
  const { goal, tools, max_steps, feedback } = request;
  const first = request.tier ?? tier;
  const shown = new ShownSteps(drafting);
  let stream = shown.stream();
  const drafted = await askReadably(drafting.ask, {
    prompt,
    values: {
      tools: tools.map(({ name, description, input_schema }) => ({ name, description, input_schema })),
      max_steps,
      goal,
      feedback: feedback.map(({ findings, ...rest }) => ({
        ...rest,
        ...(findings === undefined ? {} : { findings: findings.slice(0, MAX_FINDINGS) }),
      })),
    },
    asked: {
      tier: feedback.length > 0 ? above(first) : first,
      format: DRAFT_FORMAT,
      max_output_tokens: MAX_OUTPUT_TOKENS,
    },
    read: readDraft,
    onAgain: () => {
      shown.reset();
      stream = shown.stream();
    },
    onText: (piece) => stream.push(piece),
  });
  if (!drafted.ok)
    throw new Refusal('reply_unreadable', `The reply of the model is no plan. ${drafted.problem}`);
  shown.settle(drafted.value.kind === 'plan' ? drafted.value.steps : []);
  return drafted.value;
}

function above(tier: Tier): Tier {
  return TIERS[TIERS.indexOf(tier) + 1] ?? tier;
}

/** What was shown of a draft. In the end it is exactly the plan, also where the reply had to be mended to be read. */
class ShownSteps {
  private steps: Step[] = [];

  constructor(private readonly drafting: Pick<Drafting, 'onStep' | 'onReset'>) {}

  /** Shows the steps of a reply that begins now. */
  stream(): DraftStream {
    return new DraftStream((step) => this.show(step));
  }

  reset(): void {
    this.steps = [];
    this.drafting.onReset();
  }

  /** Shows what is missing of the plan; all of it anew where something else was shown. */
  settle(plan: readonly Step[]): void {
    const isBeginning = this.steps.every(
      (step, index) => JSON.stringify(step) === JSON.stringify(plan[index]),
    );
    if (!isBeginning) this.reset();
    for (const step of plan.slice(this.steps.length)) this.show(step);
  }

  private show(step: Step): void {
    this.steps.push(step);
    this.drafting.onStep(step);
  }
}
