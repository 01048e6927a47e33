import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { sseParser, type SseFrame } from '../../src/watch/read-sse';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, eventTexts, facts } from '../support/played-runs';
import { problemIn } from '../support/problem';
import { openSse } from '../support/stream-readers';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

/** Submits and reads what streams back. */
async function submitted(
  path: string,
  headers: Record<string, string> = {},
  body: object = { goal: '2 + 2' },
) {
  const req = request({
    host: '127.0.0.1',
    port: api.port,
    path,
    method: 'POST',
    agent: false,
    headers: { authorization: `Bearer ${api.keys.own}`, 'content-type': 'application/json', ...headers },
  });
  req.on('error', () => undefined);
  req.end(JSON.stringify(body));
  const [reply] = (await once(req, 'response')) as [IncomingMessage];
  const frames: SseFrame[] = [];
  const parser = sseParser();
  let ended = false;
  reply.setEncoding('utf8').on('error', () => undefined);
  reply.on('data', (text: string) => void frames.push(...parser.push(text)));
  reply.on('end', () => (ended = true));
  const address = new URL(reply.headers.location!);
  return {
    reply,
    frames,
    ended: () => ended,
    id: address.pathname.split('/').at(-1)!,
    drop: () => void req.destroy(),
  };
}

describe.each([
  ['POST /v1/runs/stream', '/v1/runs/stream', {}],
  ['POST /v1/runs/stream, accepting streams', '/v1/runs/stream', { accept: 'text/event-stream' }],
  ['POST /v1/runs, accepting streams', '/v1/runs', { accept: 'text/event-stream' }],
])('%s', (_what, path, headers) => {
  test('takes the run and sends its events from the first to the last', async () => {
    const stream = await submitted(path, headers);
    expect(stream.reply.statusCode).toBe(200);
    expect(stream.reply.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      location: `http://longhaul.test/v1/runs/${stream.id}`,
      'cache-control': 'no-cache, no-transform',
    });
    await eventually(() => stream.frames.length === 1, { what: 'the first event' });
    expect((await api.taken()).map(({ id }) => id)).toContain(stream.id);
    await api.append(stream.id, facts(1, 3));
    await complete(api, stream.id);
    await eventually(stream.ended, { what: 'the end of the stream' });
    expect(stream.frames.map(({ event }) => event)).toEqual([
      'run.created',
      ...Array<string>(3).fill('generation.completed'),
      'run.completed',
      'stream.end',
    ]);
    // The bytes of every other wire.
    expect(stream.frames.slice(0, -1).map(({ data }) => data)).toEqual(await eventTexts(api, stream.id));
  });

  test('goes on elsewhere for a client that was cut off', async () => {
    const stream = await submitted(path, headers);
    await api.append(stream.id, facts(1, 2));
    await eventually(() => stream.frames.length >= 2, { what: 'two events' });
    const last = stream.frames.at(-1)!.id!;
    stream.drop();
    await eventually(() => api.readers() === 0, { what: 'the reader to leave' });
    await api.append(stream.id, facts(3, 2));
    await complete(api, stream.id);
    const rest = await openSse(api, new URL(stream.reply.headers.location!).pathname + '/events', {
      headers: { 'last-event-id': last },
    });
    await eventually(() => rest.ending() === 'end', { what: 'the end of the stream' });
    const events = [...stream.frames, ...rest.frames].filter(({ event }) => event !== 'stream.end');
    const seqs = events.map(({ id }) => Number(id));
    expect(seqs).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('gives the run of an earlier request with the same key, from its first event', async () => {
    const own = { ...headers, 'idempotency-key': `again-${path}-${Object.keys(headers).length}` };
    const first = await submitted(path, own);
    first.drop();
    await complete(api, first.id);
    const second = await submitted(path, own);
    await eventually(second.ended, { what: 'the end of the stream' });
    expect([second.id, second.reply.headers['idempotent-replayed']]).toEqual([first.id, 'true']);
    expect(second.frames.map(({ event }) => event)).toEqual(['run.created', 'run.completed', 'stream.end']);
  });

  test('refuses as a submit does, with a problem document', async () => {
    const before = await api.taken();
    await problemIn(await api.request(path, { body: { goal: '' }, headers }), 'invalid_request', {
      pointers: ['/goal'],
    });
    const plan = { steps: [{ id: 'a', tool: 'nothing' }] };
    await problemIn(await api.request(path, { body: { goal: 'a', plan }, headers }), 'invalid_plan');
    expect(await api.taken()).toEqual(before);
  });
});

test('POST /v1/runs/stream is for those who can read streams', async () => {
  const headers = { accept: 'application/json' };
  await problemIn(await api.request('/v1/runs/stream', { body: { goal: 'a' }, headers }), 'not_acceptable');
});
