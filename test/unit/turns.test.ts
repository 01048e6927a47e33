import { Interrupted } from '../../../src/contracts/interrupted';
import { Turns } from '../../../src/llm/turns';

const NEVER = new AbortController().signal;
/** Waits until everything that is due has happened. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('Turns', () => {
  test('let so many through at a time, by key, and the others in the order in which they came', async () => {
    const turns = new Turns();
    const through: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) void turns.take('key', 2, NEVER).then(() => through.push(name));
    void turns.take('other', 2, NEVER).then(() => through.push('other'));
    await settle();
    expect(through).toEqual(['a', 'b', 'other']);
    turns.leave('key');
    await settle();
    expect(through).toEqual(['a', 'b', 'other', 'c']);
    turns.leave('key');
    turns.leave('key');
    await settle();
    expect(through.at(-1)).toBe('d');
  });

  test('are free again when all have left', async () => {
    const turns = new Turns();
    for (let round = 0; round < 3; round += 1) {
      await turns.take('key', 1, NEVER);
      turns.leave('key');
    }
    expect(turns['lines'].size).toBe(0);
  });

  test('are not waited for any longer by who is stopped', async () => {
    const turns = new Turns();
    await turns.take('key', 1, NEVER);
    const stop = new AbortController();
    const stopped = turns.take('key', 1, stop.signal);
    const through: string[] = [];
    void turns.take('key', 1, NEVER).then(() => through.push('next'));
    stop.abort();
    await expect(stopped).rejects.toBeInstanceOf(Interrupted);
    await expect(turns.take('key', 1, AbortSignal.abort())).rejects.toBeInstanceOf(Interrupted);
    turns.leave('key');
    await settle();
    expect(through).toEqual(['next']);
  });
});
