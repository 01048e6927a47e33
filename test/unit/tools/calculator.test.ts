import fc from 'fast-check';
import { calculate, calculator } from '../../../src/tools/calculator';
import { Refusal } from '../../../src/contracts/refusal';

function failureOf(expression: string): Refusal {
  try {
    calculate(expression);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error(`${expression} was calculated`);
}

describe('the calculator', () => {
  test.each<[expression: string, value: number | string]>([
    ['12 * 7', 84],
    ['0.1 + 0.2', 0.3],
    ['2/3*60', 40],
    ['1 - 2 - 3', -4],
    ['100 / 10 / 5', 2],
    ['(1 + 2) * (3 - 4)', -3],
    ['-2^2', -4],
    ['(-2)^2', 4],
    ['2^3^2', 512],
    ['2**10', 1024],
    ['2^-1', 0.5],
    ['2^-2^2', 0.0625],
    ['0^0', 1],
    ['--5', 5],
    ['+5 - -3', 8],
    ['6 × 7 ÷ 2 − 1 · 3 ⋅ 1', 18],
    ['.2', 0.2],
    ['1.', 1],
    ['1e3', 1000],
    ['1.5E-3', 0.0015],
    ['0e99999', 0],
    ['\t1\n+\u00a02 ', 3],
    ['7 % 3', 1],
    ['-7 % 3', 2],
    ['7 % (-3)', -2],
    ['5.5 % 2', 1.5],
    ['1e999 % 1e-999', 0],
    ['0!', 1],
    ['5!', 120],
    ['-3!', -6],
    ['2^3!', 64],
    ['(3!)!', 720],
    ['abs(-1.5)', 1.5],
    ['round(2.5)', 3],
    ['round(-2.5)', -3],
    ['round(-2.4)', -2],
    ['round(2/3, 2)', 0.67],
    ['round(1.005, 2)', 1.01],
    ['round(1250, -2)', 1300],
    ['floor(-1.5)', -2],
    ['floor(1.5)', 1],
    ['ceil(-1.5)', -1],
    ['ceil(1.2)', 2],
    ['min(3, 1, 2)', 1],
    ['max(3, 1, 7 / 2)', 3.5],
    ['max(1)', 1],
    ['sqrt(0)', 0],
    ['sqrt(144)', 12],
    ['sqrt(2.25)', 1.5],
    ['4^0.5', 2],
    ['4^1.5', 8],
    ['4^-0.5', 0.5],
    ['0^0.3', 0],
    ['-0', 0],
    ['1e22', 1e22],
    ['1e308', 1e308],
    ['(-1)^(10^900 + 1)', -1],
    ['0^(10^900)', 0],
    ['9007199254740993', '9007199254740993'],
    ['12345678901234567890 + 1', '12345678901234567891'],
    ['-1/2^70', '-0.0000000000000000000008470329472543003390683225006796419620513916015625'],
    ['0.1 + 1e20', '100000000000000000000.1'],
    ['2^200', (2n ** 200n).toString()],
    ['10^999', `1${'0'.repeat(999)}`],
    ['1e-999', `0.${'0'.repeat(998)}1`],
    ['9^999 * 0 + 1', 1],
  ])('calculates %s exactly', (expression, value) => {
    expect(calculate(expression)).toEqual({ value, exact: true });
  });

  test.each<[expression: string, value: number | string]>([
    ['1/3', 1 / 3],
    // A hair above the middle of two doubles: what is far behind the last digit decides.
    ['9007199254740993 + 1/3^60', 9007199254740994],
    ['9007199254740993 - 1/3^60', 9007199254740992],
    ['-100/7', -100 / 7],
    ['pi', Math.PI],
    ['e', Math.E],
    ['sqrt(2)', Math.SQRT2],
    ['sqrt(16/9)', 4 / 3],
    ['sqrt(2)^2', 2],
    ['sqrt(1e-300 * 2)', Number('1.41421356237309504880168872420969808e-150')],
    ['2^0.5', Math.SQRT2],
    ['2^-0.5', Math.SQRT1_2],
    ['64^(1/3)', 4],
    ['pi^2', 9.869604401089358],
    ['pi^-1', 1 / Math.PI],
    ['pi^100', 5.187848314319613e49],
    ['floor(pi)', 3],
    ['round(pi, 4)', 3.1416],
    ['max(pi, 4)', 4],
    ['pi - pi', 0],
    ['10^500/3', `3.${'3'.repeat(33)}e499`],
    ['-2/3e400', `-6.${'6'.repeat(32)}7e-401`],
    ['pi * 1e400', '3.141592653589793238462643383279503e400'],
  ])('comes near to %s, and says that it is not exact', (expression, value) => {
    expect(calculate(expression)).toEqual({ value, exact: false });
  });

  test('reads its own results back', () => {
    for (const expression of ['2^200', '10^500/3', '1e22', '1e-7', '-2/3e400']) {
      const { value } = calculate(expression);
      expect(calculate(`(${value}) / (${value})`).value).toBe(1);
    }
  });

  test.each<[expression: string, said: string]>([
    ['', 'empty'],
    ['  ', 'empty'],
    ['"x".constructor', '`"` at position 1'],
    ['zeros(10000,10000)', '`zeros` at position 1'],
    ['__proto__', '`__proto__` at position 1'],
    ['1 + constructor(1)', '`constructor` at position 5'],
    ['2 + import', '`import` at position 5'],
    ['sqrt', 'sqrt(2)'],
    ['2 +', 'ends at position 4'],
    ['* 2', '`*` at position 1'],
    ['1 2', '`2` at position 3'],
    ['2(3)', '`(` at position 2'],
    ['2pi', '`pi` at position 2'],
    ['1.2.3', '`.3` at position 4'],
    ['1,000', 'write 1000, not 1,000'],
    ['(1', 'position 1 is never closed'],
    ['1)', '`)` at position 2'],
    ['()', '`)` at position 2'],
    ['50%', 'for percent write / 100'],
    ['50% + 3', 'for percent write / 100'],
    ['50% - 3', '`%` at position 3'],
    ['200 * (1 - 10%)', '`%` at position 14'],
    ['3!!', '(n!)!'],
    ['1.5!', 'whole numbers'],
    ['(-1)!', 'whole numbers'],
    ['sqrt(-1)', 'no negative number'],
    ['(-8)^(1/3)', 'no real result'],
    ['abs()', 'takes 1 argument, not 0'],
    ['max()', 'takes 1 or more arguments, not 0'],
    ['round(1, 2, 3)', 'takes 1 or 2 arguments, not 3'],
    ['round(1, 0.5)', 'whole number of digits'],
    ['round(1, 1001)', 'whole number of digits'],
    ['😀 + 1', '`😀` at position 1'],
    ['1 + 😀', '`😀` at position 5'],
    ['2 \u0000', '`U+0000` at position 3'],
    ['2 \ud800', '`U+D800` at position 3'],
    ['('.repeat(101) + '1' + ')'.repeat(101), 'deeper than 100 levels'],
    ['2^'.repeat(101) + '1', 'deeper than 100 levels'],
    ['1'.repeat(1_001), 'has 1001 characters'],
    [`${'x'.repeat(900)} + 1`, `\`${'x'.repeat(40)}…\` at position 1`],
  ])('refuses %j by name', (expression, said) => {
    const failure = failureOf(expression);
    expect(failure.code).toBe('invalid_expression');
    expect(failure.message).toContain(said);
  });

  test.each(['1/0', '1 / (2 - 2)', '0^-1', '0^-0.5', '5 % 0', '1/(pi-pi)', '(pi-pi)^-2', '1 % (pi - pi)'])(
    'names the division by zero in %s',
    (expression) => expect(failureOf(expression).code).toBe('division_by_zero'),
  );

  test.each([
    '9^9^9^9',
    '10^1000',
    '10^999 * 10',
    '10^-1000',
    '1e1000',
    '1e-1000',
    '1e999999999999999999999',
    '2^(10^900)',
    '0.5^(10^900)',
    '1.0000001^99999999',
    '9^9^9^9 * 0',
    '1 / 3^3000',
    '1 / 2^1074',
    '171!',
    '170!^9',
    'pi^2100',
    'pi^-2100',
    '(10^400)^0.3',
    '0.1^(10^9 + 0.3)',
  ])('refuses the size of %s before calculating it', (expression) => {
    expect(failureOf(expression).code).toBe('result_too_large');
  });

  test('takes a hundred levels and a thousand characters', () => {
    expect(calculate('('.repeat(100) + '1' + ')'.repeat(100)).value).toBe(1);
    expect(calculate('(1)+'.repeat(200) + '1').value).toBe(201);
    expect(calculate('1+'.repeat(499) + '10').value).toBe(509);
    expect(calculate('-'.repeat(999) + '1').value).toBe(-1);
  });

  test('is a pure instant tool whose call gives the result', async () => {
    expect(calculator).toMatchObject({
      name: 'calculator',
      version: '1.0.0',
      effect: 'pure',
      lane: 'instant',
    });
    const context = {
      tenant: 't',
      user: null,
      run_id: 'r',
      step_id: 's',
      attempt: 1,
      idempotency_key: 'k',
      signal: new AbortController().signal,
      progress: () => undefined,
    };
    await expect(calculator.call({ expression: '12 * 7' }, context)).resolves.toEqual({
      value: 84,
      exact: true,
    });
    // A reference that stands alone brings a number.
    await expect(calculator.call({ expression: 1e21 }, context)).resolves.toEqual({
      value: 1e21,
      exact: true,
    });
    await expect(calculator.call({ expression: 'x' }, context)).rejects.toThrow(Refusal);
  });
});

/** A fraction of the test's own, deliberately naive: never shortened. */
type Fraction = [num: bigint, den: bigint];

/** An expression and what it must give; null where it divides by zero. */
interface Case {
  text: string;
  truth: Fraction | null;
}

const APPLY: Record<string, (a: Fraction, b: Fraction) => Fraction | null> = {
  '+': ([a, b], [c, d]) => [a * d + c * b, b * d],
  '-': ([a, b], [c, d]) => [a * d - c * b, b * d],
  '*': ([a, b], [c, d]) => [a * c, b * d],
  '/': ([a, b], [c, d]) => (c === 0n ? null : [a * d, b * c]),
};

const { tree } = fc.letrec<{ leaf: Case; branch: Case; tree: Case }>((tie) => ({
  tree: fc.oneof({ maxDepth: 6, withCrossShrink: true }, tie('leaf'), tie('branch')),
  leaf: fc
    .tuple(fc.integer({ min: 0, max: 9_999 }), fc.integer({ min: 0, max: 3 }))
    .map(([digits, decimals]) => {
      const text = digits.toString().padStart(decimals + 1, '0');
      const point = text.length - decimals;
      return {
        text: `${text.slice(0, point)}.${text.slice(point)}`,
        truth: [BigInt(digits), 10n ** BigInt(decimals)],
      };
    }),
  branch: fc
    .tuple(tie('tree'), fc.constantFrom('+', '-', '*', '/'), tie('tree'))
    .map(([left, sign, right]) => ({
      text: `(${left.text} ${sign} ${right.text})`,
      truth: left.truth && right.truth && (APPLY[sign]?.(left.truth, right.truth) ?? null),
    })),
}));

/** The fraction that a result stands for. */
function fractionOf(value: number | string): Fraction {
  const [mantissa = '', exponent = '0'] = String(value).split('e');
  const [whole = '', decimals = ''] = mantissa.split('.');
  const shift = Number(exponent) - decimals.length;
  const digits = BigInt(whole + decimals);
  return shift < 0 ? [digits, 10n ** BigInt(-shift)] : [digits * 10n ** BigInt(shift), 1n];
}

describe('any expression', () => {
  test('gives what naive fractions give: exactly when it says so, else to 15 digits', () => {
    fc.assert(
      fc.property(tree, ({ text, truth }) => {
        fc.pre(text.length <= 1_000);
        if (truth === null) return void expect(failureOf(text).code).toBe('division_by_zero');
        const { value, exact } = calculate(text);
        const [num, den] = fractionOf(value);
        const error = num * truth[1] - truth[0] * den;
        if (exact) return void expect(error).toBe(0n);
        const size = (x: bigint) => (x < 0n ? -x : x);
        expect(size(error) * 10n ** 15n <= size(truth[0] * den)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('of two numbers in one sign gives the nearest double of the true result', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1 }), (a, b) => {
        // Both are exact doubles, so IEEE division rounds the true quotient once.
        expect(calculate(`${a} / ${b}`).value).toBe(a / b + 0);
      }),
      { numRuns: 2_000 },
    );
  });

  test('multiplies a root by itself to the number it is the root of', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-200, max: 1e200, noNaN: true }), (x) => {
        expect(calculate(`sqrt(${x})^2`).value).toBe(x);
      }),
    );
  });

  const PIECES = [
    ...'0123456789+-*/^%!(),. ',
    'e',
    'pi',
    '**',
    '1e9',
    '99',
    '^9^',
    'sqrt(',
    'round(',
    'max(',
    '×',
    '"',
    '__proto__',
    '\u0000',
    '\ud800',
  ];
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 50 }),
    fc.array(fc.constantFrom(...PIECES), { maxLength: 300 }).map((pieces) => pieces.join('')),
    fc
      .tuple(fc.constantFrom('(', '-', '2^', 'sqrt(', '9!^', '1/3+', '7^999/', '3,'), fc.nat(1_100))
      .map(([piece, times]) => piece.repeat(times)),
    fc
      .array(
        fc.tuple(
          fc.constantFrom('7^999', '1/3^2000', 'pi', '170!', '1e-900', '1e900', '0.3'),
          fc.constantFrom(...'+-*/^%'),
        ),
        {
          minLength: 1,
          maxLength: 100,
        },
      )
      .map((pairs) => `${pairs.flat().join('')}2`),
  );

  test('whatever it is gives a value within the caps or a failure by name', () => {
    const codes = new Set(['invalid_expression', 'division_by_zero', 'result_too_large']);
    fc.assert(
      fc.property(hostile, (expression) => {
        try {
          const { value, exact } = calculate(expression);
          if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
          else expect(value).toMatch(/^-?\d+(\.\d+)?(e-?\d+)?$/);
          expect(String(value).length).toBeLessThanOrEqual(1_002);
          expect(typeof exact).toBe('boolean');
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          expect(codes).toContain(error.code);
          expect(error.message.length).toBeLessThan(300);
          // Messages are stored: no NUL, no lone surrogate.
          expect(error.message).not.toMatch(/\0|\p{Surrogate}/u);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
