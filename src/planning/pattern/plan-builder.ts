import type { Condition } from '../../contracts/condition';
import type { Step } from '../../contracts/plan';
import { escapeText } from '../references';
import type { Action, Clause, GoalCondition, TodoItem } from './clause';
import { isCalculation, outermost, write, type Expression, type ResultText } from './expression';
import { OPPOSITE } from './goal-reader';
import { NotUnderstood } from './refusal';
import type { ManyResults, OneResult } from './results';
import { StepList } from './step-list';

/** Digits that a JSON number keeps exactly; longer ones are compared as text, which conditions do exactly. */
const EXACT_DIGITS = 15;
/** Longest calculation that titles of later steps repeat. */
const MAX_REPEATED = 40;

/** A calculation that is planned. */
interface Result {
  step: number;
  /** For titles. */
  shown: string;
  sign: string | null;
  /** Nothing has gone on with it yet: "the result" means it. */
  isOpen: boolean;
}

/** A use of the todo list; `text` is null where only the run will know it. */
interface TodoUse {
  step: number;
  kind: 'add' | 'complete' | 'remove' | 'list';
  text: string | null;
  /** It may be left out by its condition. */
  isConditional: boolean;
}

/** How a clause hangs together with the rest, for each of its steps. */
interface Setting {
  when: Condition | null;
  whenUses: number[];
  isJoined: boolean;
  at: number;
}

/** Turns what a goal asks for into steps. */
export class PlanBuilder {
  private readonly list = new StepList();
  private readonly results: Result[] = [];
  /** Calculations made for a condition only: "the result" means them when there is no other. */
  private readonly conditionResults: Result[] = [];
  private readonly todoUses: TodoUse[] = [];
  /** Steps that everything now follows: those before the last "then". */
  private barrier = 0;
  /** Whether the clause before was about a todo with a text of its own: "it" could be that todo. */
  private isAboutTodo = false;

  /** @throws NotUnderstood where a result is meant that is not there or not the only one. */
  build(clauses: readonly Clause[]): Step[] {
    for (const clause of clauses) {
      if (clause.isAfter) this.barrier = this.list.length;
      const { at, isJoined } = clause;
      const setting: Setting = { when: null, whenUses: [], at, isJoined };
      if (!clause.condition) this.act(clause.action, setting);
      else {
        const { condition, step } = this.condition(clause.condition, setting);
        const branch = { ...setting, whenUses: [step] };
        this.act(clause.action, { ...branch, when: condition });
        if (clause.otherwise) this.act(clause.otherwise, { ...branch, when: opposite(condition) });
      }
    }
    return this.list.steps;
  }

  private act(action: Action, setting: Setting): void {
    switch (action.kind) {
      case 'calculate':
        for (const expression of action.expressions) this.results.push(this.calculate(expression, setting));
        this.isAboutTodo = false;
        break;
      case 'add':
        for (const item of action.items) this.addTodo(item, setting);
        this.isAboutTodo = action.items.some(({ kind }) => kind === 'text');
        break;
      case 'complete':
      case 'remove':
        for (const text of action.texts) this.changeTodo(action.kind, text, setting);
        this.isAboutTodo = true;
        break;
      case 'list': {
        const title = action.status === 'all' ? 'List all todos' : `List ${action.status} todos`;
        this.useTodos({ kind: 'list', text: null }, title, { status: action.status }, [], setting);
        this.isAboutTodo = false;
      }
    }
  }

  private calculate(expression: Expression, setting: Setting): Result {
    const used = new Set<Result>();
    const one = (of: OneResult): Result => {
      if (of.which === 'result' && setting.isJoined && this.results.some(({ isOpen }) => !isOpen)) {
        throw new NotUnderstood('it is not clear which result is meant; say "then" or "it"', of.at);
      }
      const result = this.one(of);
      used.add(result);
      return result;
    };
    const many = (of: ManyResults): Result[] => {
      const results = this.many(of);
      for (const result of results) used.add(result);
      return results;
    };
    const texts: ResultText = {
      one: (of, position) => bracketed(this.valueOf(one(of)), position),
      many: (of, position) => many(of).map((result) => bracketed(this.valueOf(result), position)),
    };
    const titles: ResultText = {
      one: (of, position) => bracketed(one(of).shown, position),
      many: (of, position) => many(of).map(({ shown }) => bracketed(shown, position)),
    };
    const title = write(expression, titles);
    const step = this.list.add({
      tool: 'calculator',
      title,
      input: { expression: write(expression, texts) },
      when: setting.when,
      uses: unique([...[...used].map((result) => result.step), ...setting.whenUses]),
      follows: this.list.lastOf(this.barrier),
      at: setting.at,
    });
    for (const result of used) result.isOpen = false;
    const shown = title.length <= MAX_REPEATED ? title : `result of ${this.list.idOf(step)}`;
    return { step, shown, sign: outermost(expression), isOpen: true };
  }

  private addTodo(item: TodoItem, setting: Setting): void {
    switch (item.kind) {
      case 'text': {
        const use = { kind: 'add', text: item.text } as const;
        this.useTodos(use, `Add "${item.text}"`, { text: escapeText(item.text) }, [], setting);
        break;
      }
      case 'calculation': {
        const result = this.calculate(item.of, setting);
        this.results.push(result);
        this.addResult(result, setting);
        break;
      }
      case 'one':
        this.addResult(this.one(item.of), setting);
        break;
      case 'many':
        for (const result of this.many(item.of)) this.addResult(result, setting);
    }
  }

  /** A todo says the calculation with its result: "6 * 7 = 42". */
  private addResult(result: Result, setting: Setting): void {
    const { expression } = this.list.steps[result.step]?.input as { expression: string };
    // What stands in brackets only to stay one operand is easier to read without them.
    const calculation = expression.replace(/(?<![a-z])\((\{[a-z0-9_.]+\})\)/g, '$1');
    const uses = [...expression.matchAll(/\{step_(\d+)\.value\}/g)].map(([, number]) => Number(number) - 1);
    const input = { text: `${calculation} = ${this.valueOf(result)}` };
    const title = `Add the result of ${result.shown}`;
    this.useTodos({ kind: 'add', text: null }, title, input, unique([...uses, result.step]), setting);
  }

  private changeTodo(kind: 'complete' | 'remove', text: string, setting: Setting): void {
    const title = `${kind === 'complete' ? 'Complete' : 'Remove'} "${text}"`;
    this.useTodos({ kind, text }, title, { text: escapeText(text) }, [], setting);
  }

  private useTodos(
    wanted: Pick<TodoUse, 'kind' | 'text'>,
    title: string,
    input: Record<string, unknown>,
    uses: readonly number[],
    setting: Setting,
  ): void {
    const use = { ...wanted, isConditional: setting.when !== null };
    const before = this.todoUses.filter((other) => conflicts(other, use)).map(({ step }) => step);
    const step = this.list.add({
      tool: `todo.${use.kind}`,
      title,
      input,
      when: setting.when,
      uses: unique([...uses, ...setting.whenUses]),
      follows: unique([...this.list.lastOf(this.barrier), ...before]),
      at: setting.at,
    });
    this.todoUses.push({ ...use, step });
  }

  private condition(goal: GoalCondition, setting: Setting): { condition: Condition; step: number } {
    let result: Result;
    if (goal.left.kind === 'result') result = this.one(goal.left.of);
    else {
      if (!isCalculation(goal.left))
        throw new NotUnderstood('the condition has nothing to calculate', setting.at);
      result = this.calculate(goal.left, setting);
      this.conditionResults.push(result);
    }
    const value = goal.right.replace(/\D/g, '').length <= EXACT_DIGITS ? Number(goal.right) : goal.right;
    const op = goal.negated ? OPPOSITE[goal.op] : goal.op;
    return { condition: { ref: `${this.list.idOf(result.step)}.value`, op, value }, step: result.step };
  }

  private one(of: OneResult): Result {
    if (of.which === 'it' && this.isAboutTodo) throw new NotUnderstood('"it" could be the todo', of.at);
    if (of.which === 'numbered') {
      const result = this.results.at(of.number > 0 ? of.number - 1 : of.number);
      return result ?? refuseResult('there is no such result', of.at);
    }
    const open = this.results.filter(({ isOpen }) => isOpen);
    const candidates = this.results.length > 0 ? open : this.conditionResults;
    const [result] = candidates;
    if (candidates.length > 1) return refuseResult('there are several results; say which is meant', of.at);
    if (!result) return refuseResult('there is no result yet', of.at);
    if (of.which === 'named' && result.sign !== of.sign)
      return refuseResult('the result is no such thing', of.at);
    return result;
  }

  private many({ count, at }: ManyResults): Result[] {
    const { length } = this.results;
    if (length < 2 || (count !== null && count !== length)) {
      return refuseResult(`it speaks of ${count ?? 'several'} results where there are ${length}`, at);
    }
    return this.results;
  }

  private valueOf(result: Result): string {
    return `{${this.list.idOf(result.step)}.value}`;
  }
}

function bracketed(text: string, position: 'alone' | 'operand'): string {
  return position === 'alone' ? text : `(${text})`;
}

function opposite(condition: Condition): Condition {
  const { op, ...rest } = condition as { ref: string; op: keyof typeof OPPOSITE; value: number | string };
  return { ...rest, op: OPPOSITE[op] };
}

/**
 * Whether the order of two uses of the todo list shows. That of two adds does, as a list keeps the order in which it grew; but one
 * that may be left out holds no other up.
 */
function conflicts(before: Omit<TodoUse, 'step'>, now: Omit<TodoUse, 'step'>): boolean {
  if (before.kind === 'list' || now.kind === 'list') return before.kind !== now.kind;
  if (before.kind === 'add' && now.kind === 'add') return !before.isConditional && !now.isConditional;
  return before.text === null || now.text === null || before.text === now.text;
}

function unique(indexes: readonly number[]): number[] {
  return [...new Set(indexes)].sort((a, b) => a - b);
}

function refuseResult(why: string, at: number): never {
  throw new NotUnderstood(why, at);
}
