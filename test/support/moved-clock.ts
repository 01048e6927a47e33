/** What a process does first whose clock is wrong: timers go on as they do, only what tells the time of the day is off. */
const MOVED = `
const Real = Date;
const moved = () => Real.now() + MS;
globalThis.Date = class Date extends Real {
  constructor(...parts) {
    if (parts.length === 0) super(moved());
    else super(...parts);
  }
  static now() {
    return moved();
  }
};
`;

/**
 * Settings of a process that is wrong about the time of the day.
 * @param ms by how much it is ahead; behind where negative
 */
export function movedClock(ms: number): Record<string, string> {
  const module = encodeURIComponent(MOVED.replace('MS', String(ms)));
  return { NODE_OPTIONS: `--import=data:text/javascript,${module}` };
}
