import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hold } from '../../src/dev/holders';
import { ownMark, takeLock, tryLock } from '../../src/dev/lock';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longhaul-lock-'));
  file = join(folder, 'lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A process that is gone: this one's number with another start. */
const DEAD = { ...ownMark(), started: 'long ago', token: 'dead' };

describe('lock', () => {
  test('has one owner at a time and leaves nothing behind', () => {
    const release = tryLock(file);
    expect(release).toBeDefined();
    expect(tryLock(file)).toBeUndefined();
    release?.();
    tryLock(file)?.();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is taken over from a dead owner although its pid lives on as another process', () => {
    writeFileSync(file, JSON.stringify(DEAD));
    const release = tryLock(file);
    expect(release).toBeDefined();
    expect(tryLock(file)).toBeUndefined();
    release?.();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is taken over although the one who was breaking it died too', () => {
    writeFileSync(file, JSON.stringify(DEAD));
    writeFileSync(`${file}.dead`, JSON.stringify({ ...DEAD, token: 'dead-too' }));
    expect(tryLock(file)).toBeDefined();
    expect(readdirSync(folder)).toEqual(['lock']);
  });

  test('is not broken while somebody else breaks it', () => {
    writeFileSync(file, JSON.stringify(DEAD));
    const breaking = tryLock(`${file}.dead`);
    expect(tryLock(file)).toBeUndefined();
    breaking?.();
    expect(tryLock(file)).toBeDefined();
  });

  test('waits for its owner, and names it when that takes too long', async () => {
    const release = tryLock(file)!;
    await expect(takeLock(file, { limit_ms: 30, what: 'The folder' })).rejects.toThrow(
      `The folder is in use by process ${process.pid}`,
    );
    const waiting = takeLock(file, { limit_ms: 5_000, what: 'The folder' });
    release();
    (await waiting)();
  });
});

describe('holders', () => {
  test('are counted while they live', () => {
    const holders = join(folder, 'holders');
    const [one, other] = [hold(holders), hold(holders)];
    writeFileSync(join(holders, 'dead.json'), JSON.stringify(DEAD));
    writeFileSync(join(holders, 'cut-short.json'), '{"pid":');
    expect(one()).toEqual([process.pid]);
    expect(other()).toEqual([]);
    expect(readdirSync(holders)).toEqual([]);
  });
});
