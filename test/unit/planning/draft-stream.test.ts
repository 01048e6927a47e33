import type { Step } from '../../../src/contracts/plan';
import { DraftStream } from '../../../src/planning/reading/draft-stream';
import { readDraft } from '../../../src/planning/reading/read-draft';

const STEPS: Step[] = [
  { id: 'step_1', tool: 'calculator', title: '12 × 7 "é" 漢 😀', input: { expression: '12 * 7' } },
  { id: 'step_2', tool: 'todo.add', input: { text: 'a } ] { [ \\ " , {step_1.value} "steps":[{' } },
  {
    id: 'step_3',
    tool: 'todo.list',
    input: { deep: [{ steps: [{ id: 'x', tool: 'y', input: {} }] }], empty: {} },
    needs: ['step_2'],
    when: { all: [{ ref: 'step_1.value', op: 'in', value: [1, '}'] }] },
    join: 'any',
    on_failure: 'continue',
  },
];
const PLAN = JSON.stringify({ steps: STEPS });

function shown(...pieces: string[]): Step[] {
  const steps: Step[] = [];
  const stream = new DraftStream((step) => steps.push(step));
  for (const piece of pieces) stream.push(piece);
  return steps;
}

describe('draft stream', () => {
  test.each([
    ['as it is', PLAN],
    ['indented', JSON.stringify({ steps: STEPS }, null, 2)],
    [
      'in a fence, after prose with braces and quotes',
      `It's {step_1} "so":\n\`\`\`json\n${PLAN}\n\`\`\`\nDone {"steps"}`,
    ],
    ['after a lone quote and closing brackets', `A 12" board ]}:\n${PLAN}`],
    [
      'after other fields',
      `{"a":{"steps":[{"id":"no","tool":"no","input":{}}]},"stepsx":[{}],"step":[[{}]],"steps":${JSON.stringify(STEPS)},"z":1}`,
    ],
    [
      'with escaped keys and texts before it',
      `{"\\"steps\\"":"x","v":"steps\\\\","steps" : ${JSON.stringify(STEPS)}}`,
    ],
  ])('gives each step once and in order wherever the text is cut: %s', (_what, text) => {
    expect(readDraft(text)).toEqual({
      ok: true,
      value: { kind: 'plan', steps: STEPS },
    });
    for (let at = 0; at <= text.length; at += 1) {
      expect(shown(text.slice(0, at), text.slice(at))).toEqual(STEPS);
    }
    for (const length of [1, 2, 3, 5, 7]) {
      expect(shown(...(text.match(new RegExp(`[^]{1,${length}}`, 'g')) as string[]))).toEqual(STEPS);
    }
  });

  test('gives a step with its closing brace, not later and not before', () => {
    const steps: Step[] = [];
    const stream = new DraftStream((step) => steps.push(step));
    const seen = [...PLAN].map((char) => {
      stream.push(char);
      return steps.length;
    });
    const ends = STEPS.map((_step, index) => {
      const upTo = JSON.stringify({ steps: STEPS.slice(0, index + 1) });
      return [...upTo.slice(0, -2)].length - 1;
    });
    for (const [index, end] of ends.entries()) {
      expect([seen[end - 1], seen[end]]).toEqual([index, index + 1]);
    }
  });

  test.each<[string, string]>([
    ['ids that are numbers', '{"steps":[{"id":1,"tool":"t","input":{}}]}'],
    ['a missing input', '{"steps":[{"id":"a","tool":"t"}]}'],
    ['unknown fields', '{"steps":[{"id":"a","tool":"t","input":{},"x":1}]}'],
    ['items that are no objects', '{"steps":[1,"{}",[{"id":"a","tool":"t","input":{}}],null]}'],
    [
      'a step that is nested too deeply',
      `{"steps":[{"id":"a","tool":"t","input":{"a":${'['.repeat(60)}${']'.repeat(60)}}}]}`,
    ],
    ['a step without an end', '{"steps":[{"id":"a","tool":"t","input":{}'],
    ['steps of another key', '{"plan":[{"id":"a","tool":"t","input":{}}]}'],
    ['steps that are an object', '{"steps":{"a":{"id":"a","tool":"t","input":{}}}}'],
    ['closing brackets alone', ']]}}]}"'],
  ])('shows nothing of %s', (_what, text) => {
    expect(shown(text)).toEqual([]);
    expect(shown(...text)).toEqual([]);
  });

  test('shows a thousand steps at most, and stops reading after a million characters', () => {
    const step = '{"id":"a","tool":"t","input":{}}';
    expect(shown(`{"steps":[${Array(1_001).fill(step).join()}`)).toHaveLength(1_000);
    expect(shown('{"steps":[', `${step},`, ' '.repeat(1_000_000), step)).toHaveLength(1);
  });
});
