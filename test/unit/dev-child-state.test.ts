import { firstState, nextState, pauseAfter, type ChildState } from '../../src/dev/child-state';

const running = (since: number, failures = 0): ChildState => ({
  kind: 'running',
  since,
  ready: false,
  failures,
});

describe('state of a child process', () => {
  test('pauses double from 250 ms to 10 s', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 100].map(pauseAfter)).toEqual([
      250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000,
    ]);
  });

  test('pauses when it ends, and runs again when the pause is over, not before', () => {
    const pausing = nextState(firstState(1_000), 'exited', 2_000);
    expect(pausing).toEqual({ kind: 'pausing', until: 2_250, failures: 1 });
    expect(nextState(pausing, 'due', 2_249)).toBe(pausing);
    expect(nextState(pausing, 'due', 2_250)).toEqual(running(2_250, 1));
  });

  test('counts ends in a row, and begins anew after 30 s alive', () => {
    expect(nextState(running(0, 4), 'exited', 29_999)).toMatchObject({ failures: 5 });
    expect(nextState(running(0, 4), 'exited', 30_000)).toMatchObject({ failures: 1 });
  });

  test('is ready only while it runs', () => {
    expect(nextState(running(5, 2), 'ready', 6)).toEqual({
      kind: 'running',
      since: 5,
      ready: true,
      failures: 2,
    });
    for (const state of [
      { kind: 'stopping' },
      { kind: 'ended' },
      { kind: 'pausing', until: 9, failures: 1 },
    ] as ChildState[]) {
      expect(nextState(state, 'ready', 6)).toBe(state);
    }
  });

  test('is never started again after somebody wanted it to end', () => {
    const stopping = nextState(running(0), 'stop', 1);
    expect(stopping).toEqual({ kind: 'stopping' });
    expect(nextState(stopping, 'exited', 2)).toEqual({ kind: 'ended' });
    expect(nextState({ kind: 'pausing', until: 9, failures: 1 }, 'stop', 1)).toEqual({ kind: 'ended' });
    for (const happening of ['exited', 'ready', 'due', 'stop'] as const) {
      expect(nextState({ kind: 'ended' }, happening, 99)).toEqual({ kind: 'ended' });
    }
  });
});
