import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { readSse, sseParser, type SseFrame } from '../../src/watch/read-sse';

const STREAM =
  ': heartbeat\n\nretry: 2000\r\nid: 1\r\nevent: run.created\r\ndata: {"a":\r\ndata: 1}\r\n\r\n' +
  'id: 2\rdata:no blank\r\r' +
  'id: 3\nevent: nothing\n\ndata: größer\n\n';

const FRAMES = [
  { id: '1', event: 'run.created', data: '{"a":\n1}' },
  { id: '2', event: 'message', data: 'no blank' },
  { id: '3', event: 'message', data: 'größer' },
];

describe('parser of server-sent events', () => {
  test('gives the same frames however the text is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 20 }), (cuts) => {
        const parser = sseParser();
        const places = [0, ...cuts.sort((a, b) => a - b), STREAM.length];
        const frames = places.slice(1).flatMap((end, i) => parser.push(STREAM.slice(places[i], end)));
        expect(frames).toEqual(FRAMES);
        expect(parser.last_id()).toBe('3');
        expect(parser.retry_ms()).toBe(2_000);
      }),
    );
  });

  test('forgets the frame that a lost connection has cut', () => {
    const parser = sseParser();
    parser.push('id: 1\ndata: one\n\ndata: half');
    parser.reset();
    expect(parser.push('data: whole\n\n')).toEqual([{ id: '1', event: 'message', data: 'whole' }]);
  });
});

describe('reader of server-sent events', () => {
  const asked: IncomingMessage[] = [];
  let answers: ((reply: ServerResponse) => void)[];
  let url: string;
  const server = createServer((request, reply) => {
    asked.push(request);
    const answer = answers.shift();
    if (answer) answer(reply);
    else reply.writeHead(500).end('out of answers');
  });

  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  beforeEach(() => void asked.splice(0));
  afterEach(() => expect(answers).toEqual([]));
  afterAll(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });

  const stream = (text: string, end: (reply: ServerResponse) => void) => (reply: ServerResponse) => {
    reply.writeHead(200, { 'Content-Type': 'text/event-stream' });
    reply.write(text, () => end(reply));
  };

  async function collect(): Promise<SseFrame[]> {
    const frames: SseFrame[] = [];
    for await (const frame of readSse(url, { headers: { Authorization: 'Bearer k' } })) frames.push(frame);
    return frames;
  }

  test('goes on behind the newest id after the connection was cut in a frame, and ends with stream.end', async () => {
    answers = [
      stream('retry: 1\nid: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: half', (reply) => reply.destroy()),
      (reply) => reply.writeHead(503).end(),
      stream('id: 3\ndata: c\n\nevent: stream.end\ndata: {}\n\n', (reply) => reply.end()),
    ];
    expect((await collect()).map(({ data }) => data)).toEqual(['a', 'b', 'c', '{}']);
    expect(asked.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '2', '2']);
    expect(asked[2]!.headers).toMatchObject({ accept: 'text/event-stream', authorization: 'Bearer k' });
  });

  test('ends when the server says that nothing follows', async () => {
    answers = [
      stream('retry: 1\nid: 7\ndata: a\n\n', (reply) => reply.end()),
      (reply) => reply.writeHead(204).end(),
    ];
    expect(await collect()).toHaveLength(1);
  });

  test('does not ask again after a refusal', async () => {
    answers = [(reply) => reply.writeHead(404).end('{"code":"not_found"}')];
    await expect(collect()).rejects.toThrow(/404.*not_found/);
    expect(asked).toHaveLength(1);
  });
});
