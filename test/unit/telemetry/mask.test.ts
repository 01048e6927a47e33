import fc from 'fast-check';
import { createLogContext } from '../../../src/telemetry/context';
import { createLogger } from '../../../src/telemetry/logger';
import { LogLines } from '../../support/log-lines';

const word = (chars: string, min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(...chars), minLength: min, maxLength: max });
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const ALNUM = `${LETTERS}${LETTERS.toUpperCase()}0123456789`;

const email = fc
  .tuple(word(`${ALNUM}éß._%+-`, 1, 70), word(`${LETTERS}0123456789ü`, 1, 20), word(LETTERS, 2, 6))
  .map(([name, host, top]) => `${name}@${host}.${top}`);
const key = fc.oneof(
  word(`${ALNUM}_-`, 8, 60).map((rest) => `lh_${rest}`),
  word(`${ALNUM}_-`, 8, 60).map((rest) => `sk-${rest}`),
  word(`${ALNUM}._~+/=-`, 12, 60).map((rest) => `Bearer ${rest}`),
);
/** Digits with the check digit that the Luhn formula wants, written as one number or in groups. */
const card = fc
  .tuple(word('0123456789', 12, 18), fc.constantFrom('', ' ', '-'), fc.integer({ min: 3, max: 6 }))
  .map(([digits, separator, group]) => {
    const sum = [...digits]
      .reverse()
      .map((digit, i) => (i % 2 === 0 ? Number(digit) * 2 : Number(digit)))
      .reduce((all, digit) => all + (digit > 9 ? digit - 9 : digit), 0);
    const whole = `${digits}${(10 - (sum % 10)) % 10}`;
    return separator === '' ? whole : whole.match(new RegExp(`.{1,${group}}`, 'g'))!.join(separator);
  });
const secret = fc.oneof(email, key, card);
/** What stands around a secret: nothing that would belong to it. */
const around = fc.constantFrom('', ' ', '\n', '"', '\\', '\u0010', '(', '<', ': ', ', ', '\t', '→');

describe('The log', () => {
  const lines = new LogLines();
  const log = createLogger({
    level: 'info',
    name: 'test',
    format: 'json',
    context: createLogContext(),
    to: lines,
  });
  const written = (write: () => void): string => {
    lines.texts.length = 0;
    write();
    const [line] = lines.texts;
    expect(() => JSON.parse(line!) as unknown).not.toThrow();
    return line!;
  };
  /** As it would stand in the line. */
  const asWritten = (text: string) => JSON.stringify(text).slice(1, -1);

  test('masks secrets at any depth, in names and values, messages, errors and their causes', () => {
    fc.assert(
      fc.property(secret, around, around, fc.jsonValue({ maxDepth: 3 }), (hidden, before, after, other) => {
        const text = `${before}${hidden}${after}`;
        const err = new Error(text, { cause: new Error(`because of ${text}`) });
        const line = written(() => log.info({ other, deep: { list: [{ text, [text]: 1 }] }, err }, text));
        expect(line).not.toContain(asWritten(hidden.replace(/^Bearer /, '')));
      }),
      { numRuns: 1_000 },
    );
  });

  test('masks card numbers that are numbers', () => {
    const line = written(() => log.info({ card: 4111111111111111, list: [4111111111111111, 5] }, 'paid'));
    expect(JSON.parse(line)).toMatchObject({ card: '[card]', list: ['[card]', 5] });
  });

  test('masks the login in the address of a server', () => {
    const line = written(() => log.info('postgres://me:pass@localhost:5432/x is away'));
    expect(JSON.parse(line)).toMatchObject({ msg: 'postgres://[login]@localhost:5432/x is away' });
  });

  test('leaves what is no secret as it is', () => {
    const fields = {
      trace_id: '12345678901234567890123456789012',
      run_id: 'run_01M7YS15FSR8H7RNT684VKVD36',
      ratio: 0.4111111111111111,
      timestamp: 1760000000001,
      queue: 'longhaul-task-sk-tools',
      text: 'a @ b, 1234567890123456 and 2026-01-01 00:00:00',
    };
    expect(JSON.parse(written(() => log.info(fields)))).toMatchObject(fields);
  });

  test.each(['x', '1 ', '1', '://', 'a@', '\\', 'b.'])('takes long texts of %j in its stride', (part) => {
    const text = `${part.repeat(20_000)}@`;
    const began = performance.now();
    written(() => log.info(text));
    // Not a matter of speed: the square of the length would take minutes.
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  test('tells of an error what it says itself, and of a failure only its kind', () => {
    const row = Object.assign(new Error('broken'), {
      code: '23514',
      detail: 'Failing row contains (a goal)',
    });
    expect(written(() => log.info({ err: row }, 'failed'))).not.toContain('a goal');
    const failure = new Error('Not understood: a goal');
    failure.stack = `ApplicationFailure: ${failure.message}\n    at here`; // as it comes out of the sandbox
    expect(written(() => log.info({ err: failure }, 'failed'))).not.toContain('a goal');
  });
});
