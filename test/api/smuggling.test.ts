import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { checkProblem } from '../support/problem';
import { exchange } from '../support/raw-http';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

const runs = async () => {
  const [row] = await api.database.db.query<{ n: number }>(
    `select count(*)::int as n from runs where goal = '6 * 7'`,
  );
  return row!.n;
};
/** A request that would make a run, with the framing in question. */
const post = (framing: string, rest: string, version = 'HTTP/1.1') =>
  `POST /v1/runs ${version}\r\nHost: a\r\nAuthorization: Bearer ${api.keys.own}\r\n` +
  `Content-Type: application/json\r\n${framing}\r\n\r\n${rest}`;
const BODY = '{"goal":"6 * 7"}';
const sized = (version?: string) => post(`Content-Length: ${BODY.length}`, BODY, version);
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const CHUNKED = `${chunk(BODY)}0\r\n\r\n`;
const get = (lines: string, start = 'GET /healthz HTTP/1.1') => `${start}\r\n${lines}\r\n\r\n`;

describe('A request whose end two servers may see in two places is refused, its connection closed, and nothing is done:', () => {
  test.each<[string, () => string]>([
    [
      'Content-Length and Transfer-Encoding',
      () => post('Content-Length: 5\r\nTransfer-Encoding: chunked', CHUNKED),
    ],
    [
      'Transfer-Encoding and Content-Length',
      () => post('Transfer-Encoding: chunked\r\nContent-Length: 5', CHUNKED),
    ],
    ['two lengths', () => post('Content-Length: 0\r\nContent-Length: 16', BODY)],
    ['the same length twice', () => post('Content-Length: 16\r\nContent-Length: 16', BODY)],
    ['a list of lengths', () => post('Content-Length: 16, 16', BODY)],
    ['a length with a sign', () => post('Content-Length: +16', BODY)],
    ['a negative length', () => post('Content-Length: -1', BODY)],
    ['a length in hex', () => post('Content-Length: 0x10', BODY)],
    ['an empty length', () => post('Content-Length:', BODY)],
    ['a length beyond all numbers', () => post('Content-Length: 99999999999999999999', BODY)],
    ['xchunked', () => post('Transfer-Encoding: xchunked', CHUNKED)],
    ['identity', () => post('Transfer-Encoding: identity', BODY)],
    ['chunked, identity', () => post('Transfer-Encoding: chunked, identity', CHUNKED)],
    ['gzip, chunked', () => post('Transfer-Encoding: gzip, chunked', CHUNKED)],
    ['"chunked" in quotes', () => post('Transfer-Encoding: "chunked"', CHUNKED)],
    ['chunked twice', () => post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', CHUNKED)],
    ['a vertical tab before chunked', () => post('Transfer-Encoding:\x0bchunked', CHUNKED)],
    ['chunked in HTTP/1.0', () => post('Transfer-Encoding: chunked', CHUNKED, 'HTTP/1.0')],
    ['a space before the colon', () => post('Content-Length : 16', BODY)],
    ['a tab before the colon', () => post('Transfer-Encoding\t: chunked', CHUNKED)],
    ['a folded header', () => post('X-A: b\r\n Content-Length: 16', BODY)],
    ['a folded Transfer-Encoding', () => post('Transfer-Encoding:\r\n chunked', CHUNKED)],
    ['a line that ends with LF alone', () => post('X-A: b\nContent-Length: 16', BODY)],
    ['lines that all end with LF alone', () => sized().replaceAll('\r\n', '\n')],
    ['a line that ends with CR alone', () => post('X-A: b\rContent-Length: 16', BODY)],
    ['headers that end with LF alone', () => post('Content-Length: 16', BODY).replace('\r\n\r\n', '\r\n\n')],
    ['NUL in a value', () => post('X-A: b\0c\r\nContent-Length: 16', BODY)],
    ['NUL in a name', () => post('X\0A: b\r\nContent-Length: 16', BODY)],
    ['a header without a name', () => post(': b\r\nContent-Length: 16', BODY)],
    ['a chunk size with 0x', () => post('Transfer-Encoding: chunked', `0x10\r\n${BODY}\r\n0\r\n\r\n`)],
    ['a negative chunk size', () => post('Transfer-Encoding: chunked', `-10\r\n${BODY}\r\n0\r\n\r\n`)],
    [
      'a chunk size beyond all numbers',
      () => post('Transfer-Encoding: chunked', `fffffffffffffffff\r\n${BODY}`),
    ],
    [
      'a chunk size that ends with LF alone',
      () => post('Transfer-Encoding: chunked', `10\n${BODY}\r\n0\r\n\r\n`),
    ],
    ['a chunk longer than its size', () => post('Transfer-Encoding: chunked', `10\r\n${BODY}XX0\r\n\r\n`)],
    [
      'a chunk extension with LF',
      () => post('Transfer-Encoding: chunked', `10;a\nb\r\n${BODY}\r\n0\r\n\r\n`),
    ],
    [
      'a chunk extension of 20,000 bytes',
      () => post('Transfer-Encoding: chunked', `10;${'a'.repeat(20_000)}\r\n${BODY}\r\n0\r\n\r\n`),
    ],
    ['a space after a chunk size', () => post('Transfer-Encoding: chunked', `10 \r\n${BODY}\r\n0\r\n\r\n`)],
    [
      'a length in a trailer',
      () => post('Transfer-Encoding: chunked', `10\r\n${BODY}\r\n0\r\nContent-Length: 5\r\n\r\n`),
    ],
    ['HTTP/2.0', () => sized('HTTP/2.0')],
    ['HTTP/1.2', () => sized('HTTP/1.2')],
    ['no version', () => get('Host: a', 'GET /healthz')],
    ['a space before the method', () => ` ${sized()}`],
    ['a space in the address', () => get('Host: a', 'GET /healthz x HTTP/1.1')],
    ['no Host', () => get('X-A: b')],
    ['two Hosts', () => get('Host: a\r\nHost: b')],
    ['a Host that is none', () => get('Host: a b/c')],
    ['a Host with a user', () => get('Host: evil@a')],
    ['101 headers', () => get(`Host: a\r\n${'A: b\r\n'.repeat(99)}A: b`)],
    ['an expectation that nobody knows', () => post('Expect: 200-maybe\r\nContent-Length: 16', BODY)],
  ])('%s', async (_what, bytes) => {
    const before = await runs();
    const replies = await exchange(api.port, `${bytes()}${sized()}`);
    expect(replies).toHaveLength(1);
    const [{ status, headers, body }] = replies as [(typeof replies)[number]];
    expect({ status, connection: headers.connection }).toEqual({ status: 400, connection: 'close' });
    checkProblem(body, headers['x-request-id'] ?? null, 'invalid_request');
    expect(await runs()).toBe(before);
  });

  test('all of them, also when there was time', async () => {
    await eventually(() => api.connections() === 0, { what: 'all connections to be closed' });
    expect(await runs()).toBe(0);
  });

  test('a tunnel', async () => {
    const [reply, ...more] = await exchange(
      api.port,
      `CONNECT evil:443 HTTP/1.1\r\nHost: a\r\n\r\n${sized()}`,
    );
    expect(more).toEqual([]);
    checkProblem(reply!.body, reply!.headers['x-request-id']!, 'method_not_allowed');
  });

  test('one that asks for a WebSocket', async () => {
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
    const run = await api.submit();
    const bytes = `GET /ws/runs/${run.id} HTTP/1.1\r\n${upgrade}Host: a\r\nHost: b\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
    const [reply] = await exchange(api.port, bytes);
    checkProblem(reply!.body, reply!.headers['x-request-id']!, 'invalid_request');
  });
});

describe('A sound request', () => {
  test.each<[string, () => string, number[]]>([
    ['with a length', () => sized(), [202]],
    ['in chunks', () => post('Transfer-Encoding: CHUNKED', CHUNKED), [202]],
    [
      'with a chunk extension',
      () => post('Transfer-Encoding: chunked', `10;a=b\r\n${BODY}\r\n0\r\n\r\n`),
      [202],
    ],
    ['in HTTP/1.0', () => sized('HTTP/1.0'), [202]],
    ['in HTTP/1.0 without a Host', () => get('X-A: b', 'GET /healthz HTTP/1.0'), [200]],
    ['with 100 headers', () => get(`Host: a\r\n${'A: b\r\n'.repeat(97)}A: b`), [200]],
    ['to an IPv6 address', () => get('Host: [::1]:3000'), [200]],
    ['after another', () => `${sized()}${get('Host: a\r\nConnection: close')}`, [202, 200]],
  ])('%s is served', async (_what, bytes, statuses) => {
    const last = bytes().replace(/\r\n\r\n/, '\r\nConnection: close\r\n\r\n');
    const replies = await exchange(api.port, statuses.length === 1 ? last : bytes());
    expect(replies.map(({ status }) => status)).toEqual(statuses);
  });
});
