import { shedsAfter } from '../../src/api/load';

test.each([
  [false, 199, false],
  [false, 200, true],
  [true, 200, true],
  [true, 100, true],
  [true, 99, false],
  [false, 100, false],
])('shedding %s at a lag of %i ms with a limit of 200 goes on as %s', (sheds, lag_ms, next) => {
  expect(shedsAfter(sheds, lag_ms, 200)).toBe(next);
});
