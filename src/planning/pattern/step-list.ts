import type { Condition } from '../../contracts/condition';
import type { Step } from '../../contracts/plan';
import { NotUnderstood } from './refusal';

/** Most steps of a drafted plan. Far above what a run may have by default; it bounds the work on a hostile goal. */
const MAX_STEPS = 200;
const MAX_TITLE = 200;

/** A step before its place in the plan is worked out. */
export interface Wanted {
  tool: string;
  title: string;
  input: Record<string, unknown>;
  when: Condition | null;
  /** Steps whose outputs the input or the condition refers to. */
  uses: readonly number[];
  /** Steps that have to end first for another reason. */
  follows: readonly number[];
  /** Position in the goal. */
  at: number;
}

interface Entry {
  step: Step;
  needs: number[];
  /** All steps that have ended when this one completes. */
  ancestors: Set<number>;
  /** It runs in any case, unless something fails. */
  isCertain: boolean;
}

/** The steps of a plan in the making, with the fewest `needs` that keep their order. */
export class StepList {
  private readonly entries: Entry[] = [];

  get length(): number {
    return this.entries.length;
  }

  get steps(): Step[] {
    return this.entries.map(({ step }) => step);
  }

  idOf(index: number): string {
    return `step_${index + 1}`;
  }

  /** The first `count` steps without those that others of them wait for. */
  lastOf(count: number): number[] {
    const waitedFor = new Set(this.entries.slice(0, count).flatMap(({ needs }) => needs));
    return [...Array(count).keys()].filter((index) => !waitedFor.has(index));
  }

  /**
   * Appends a step. One that only follows a step which may be skipped goes on without it (`join: any`); a step that is sure
   * to complete then stands among its needs, so that something always did.
   */
  add({ tool, title, input, when, uses, follows, at }: Wanted): number {
    if (this.length === MAX_STEPS) throw new NotUnderstood(`it asks for more than ${MAX_STEPS} steps`, at);
    const used = new Set(uses);
    const followed = this.withoutImplied(new Set(follows), used);
    const isOpenEnded = followed.some((index) => !this.entry(index).isCertain);
    if (isOpenEnded) {
      if (uses.some((index) => !this.entry(index).isCertain)) {
        throw new NotUnderstood('it uses one result that may be missing and waits for another', at);
      }
      if (![...used, ...followed].some((index) => this.entry(index).isCertain))
        followed.push(this.anchor(followed));
    }
    followed.sort((a, b) => a - b);
    const needs = [...used, ...followed];
    const step: Step = { id: this.idOf(this.length), tool, title: clip(title), input };
    if (followed.length > 0) step.needs = followed.map((index) => this.idOf(index));
    if (when) step.when = when;
    if (isOpenEnded) step.join = 'any';
    const ancestors = new Set(needs.flatMap((index) => [index, ...this.entry(index).ancestors]));
    const isCertain = !when && (isOpenEnded || needs.every((index) => this.entry(index).isCertain));
    return this.entries.push({ step, needs, ancestors, isCertain }) - 1;
  }

  /**
   * Leaves out what another need already waits for. Only needs that are sure to run count: a step is skipped at once when
   * one of its needs is, while the others may still be running.
   */
  private withoutImplied(follows: ReadonlySet<number>, uses: ReadonlySet<number>): number[] {
    const certain = [...uses, ...follows].filter((index) => this.entry(index).isCertain);
    return [...follows].filter(
      (index) => !uses.has(index) && !certain.some((other) => this.entry(other).ancestors.has(index)),
    );
  }

  /** The latest step before `indexes` that is sure to run: at least the calculation of their condition. */
  private anchor(indexes: readonly number[]): number {
    const before = indexes.flatMap((index) => [...this.entry(index).ancestors]);
    return Math.max(...before.filter((index) => this.entry(index).isCertain));
  }

  private entry(index: number): Entry {
    return this.entries[index] as Entry;
  }
}

function clip(title: string): string {
  const characters = [...title];
  return characters.length <= MAX_TITLE / 2 ? title : `${characters.slice(0, MAX_TITLE / 2 - 1).join('')}…`;
}
