import { frameIn } from '../../src/api/stream/ws-frames';
import { lostNumber } from '../../src/contracts/lost-digits';

const lost = (json: string) => lostNumber(Buffer.from(json));

describe('a whole number in a JSON text', () => {
  test.each([
    '9007199254740993',
    '-9007199254740993',
    '1000000000000000001',
    '[1,{"a":1000000000000000001}]',
    '"\\\\" 1000000000000000001',
    '{"a\\"":1000000000000000001 , "b":2}',
  ])('is found where it would become another one: %s', (json) => {
    expect(lost(json)).toBe(/-?\d{16,}/.exec(json)![0]);
  });

  test.each([
    '9007199254740992',
    '1000000000000000000',
    '999999999999999',
    '1e18',
    '1000000000000000001e0',
    '1000000000000000001.5',
    '"1000000000000000001"',
    '{"1000000000000000001":"\\"1000000000000000001"}',
    '1-1000000000000000001',
    '',
  ])('is left alone where it is kept, a text, or not meant to the last digit: %s', (json) => {
    expect(lost(json)).toBeNull();
  });

  test('is named by thirty characters, however long it is', () => {
    expect(lost('7'.repeat(1_000_000))).toBe(`${'7'.repeat(29)}…`);
    expect(lost('1'.padEnd(309, '9'))).toHaveLength(30);
    expect(lost('9'.repeat(309))).toHaveLength(30);
  });

  test('makes no frame of a WebSocket', () => {
    const frame = (t: string) => frameIn(Buffer.from(`{"type":"ping","t":${t}}`), false);
    expect(frame('1000000000000000000')).toEqual({ type: 'ping', t: 1e18 });
    expect(frame('1000000000000000001')).toBeNull();
  });
});
