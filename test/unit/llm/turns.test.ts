import { Interrupted } from '../../../src/contracts/interrupted';
import { Turns } from '../../../src/llm/turns';

/** Waits until everything that is due has happened. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('Turns', () => {
  test('let so many through at a time, each line for itself, and the others in the order in which they came', async () => {
    const turns = new Turns();
    const through: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) void turns.take(2).then(() => through.push(name));
    void new Turns().take(2).then(() => through.push('other'));
    await settle();
    expect(through).toEqual(['a', 'b', 'other']);
    turns.leave();
    await settle();
    expect(through).toEqual(['a', 'b', 'other', 'c']);
    turns.leave();
    turns.leave();
    await settle();
    expect(through.at(-1)).toBe('d');
  });

  test('are free again when all have left', async () => {
    const turns = new Turns();
    for (let round = 0; round < 3; round += 1) {
      await turns.take(1);
      turns.leave();
    }
    expect(turns.size).toBe(0);
  });

  test('are not waited for any longer by who is stopped', async () => {
    const turns = new Turns();
    await turns.take(1);
    const stop = new AbortController();
    const stopped = turns.take(1, stop.signal);
    const through: string[] = [];
    void turns.take(1).then(() => through.push('next'));
    stop.abort();
    await expect(stopped).rejects.toBeInstanceOf(Interrupted);
    await expect(turns.take(1, AbortSignal.abort())).rejects.toBeInstanceOf(Interrupted);
    turns.leave();
    await settle();
    expect(through).toEqual(['next']);
  });
});
