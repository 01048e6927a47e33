/**
 * Moves the clock on that the process measures spans of time by, until the test is over. Timers and the time of the day go on as they do.
 * @param ms by how much
 */
export function passTime(ms: number): void {
  const now = performance.now.bind(performance);
  jest.spyOn(performance, 'now').mockImplementation(() => now() + ms);
}
