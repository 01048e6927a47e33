import type { EndedStep } from '../contracts/ended-step';
import type { AnswerRequest, AnswerWriter } from './answer-writer';

/** Longest answer, bytes of UTF-8. */
export const MAX_ANSWER_BYTES = 20_000;
/** Kept free for the line that says how much was cut. */
const CUT_BYTES = 100;
const MAX_LINE_CHARS = 2_000;

/** Writes the answer from what the steps gave, without a model: one line or list a step, in the order of the plan. */
export function createTemplateAnswer() {
  return {
    model: 'template',
    instant: true,
    write: async ({ steps }: AnswerRequest) => bounded(steps.flatMap(linesOf)),
  } satisfies AnswerWriter;
}

function linesOf(step: EndedStep): string[] {
  if (step.status === 'skipped') return [`Skipped: ${nameOf(step)}.`];
  if (step.status === 'failed') {
    const why = step.failure ? ` ${step.failure.message}` : '';
    return [`Failed: ${nameOf(step)}.${why}`];
  }
  const { output } = step;
  switch (step.tool) {
    case 'calculator': {
      const expression = field(step.input, 'expression');
      const value = field(output, 'value');
      if (!isScalar(expression) || !isScalar(value)) break;
      return [
        `${withoutNeedless(String(expression))} ${field(output, 'exact') === false ? '≈' : '='} ${value}`,
      ];
    }
    case 'todo.add':
      return [`Added todo: ${todoOf(step)}`];
    case 'todo.complete':
      return [`Completed todo: ${todoOf(step)}`];
    case 'todo.remove':
      return [`Removed todo: ${todoOf(step)}`];
    case 'todo.list': {
      const todos = field(output, 'todos');
      if (Array.isArray(todos)) return listLines(step, todos);
    }
  }
  return [`${nameOf(step)}: ${JSON.stringify(output) ?? 'nothing'}`];
}

function listLines({ input, output }: EndedStep, todos: readonly unknown[]): string[] {
  const status = field(input, 'status');
  const kind = status === 'open' || status === 'done' ? `${status} todos` : 'todos';
  if (todos.length === 0) return [`There are no ${kind}.`];
  const count = field(output, 'count');
  const total =
    typeof count === 'number' && count > todos.length ? `${todos.length} of ${count}` : todos.length;
  const name = kind.charAt(0).toUpperCase() + kind.slice(1);
  return [
    `${name} (${total}):`,
    ...todos.map(
      (todo) => `- [${field(todo, 'done') === true ? 'x' : ' '}] ${oneLine(String(field(todo, 'text')))}`,
    ),
  ];
}

function todoOf({ input, output }: EndedStep): string {
  const text = field(output, 'text') ?? field(input, 'text') ?? field(input, 'id');
  return oneLine(String(text ?? '(without a text)'));
}

function nameOf({ title, tool, id }: EndedStep): string {
  return oneLine(title ?? `${tool} (${id})`);
}

/** Brackets that only kept a filled-in number one operand: "(84) * 3". Those of a function and before a power stay. */
function withoutNeedless(expression: string): string {
  return expression.replace(/(^|[ (])\((\d+(?:\.\d+)?)\)(?!\s*\^)/g, '$1$2');
}

/** A text within one line: line breaks of a todo must not look like the next line of the answer. */
function oneLine(text: string): string {
  return text.replace(/\s*[\r\n\u2028\u2029]+\s*/g, ' ');
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function isScalar(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

/** Whole lines up to the limit, then how many are missing. */
function bounded(lines: readonly string[]): string {
  if (lines.length === 0) return 'There was nothing to do.';
  const kept: string[] = [];
  let bytes = 0;
  for (const line of lines.map(clip)) {
    bytes += Buffer.byteLength(line) + 1;
    if (bytes > MAX_ANSWER_BYTES - CUT_BYTES) {
      return [
        ...kept,
        `… cut: ${lines.length - kept.length} more lines are in the outputs of the steps.`,
      ].join('\n');
    }
    kept.push(line);
  }
  return kept.join('\n');
}

function clip(line: string): string {
  if (line.length <= MAX_LINE_CHARS) return line;
  // By characters, so that none is cut in two.
  const characters = [...line.slice(0, 2 * MAX_LINE_CHARS)];
  return `${characters.slice(0, MAX_LINE_CHARS).join('')}… (cut)`;
}
