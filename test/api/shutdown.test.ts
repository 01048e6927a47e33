import { once } from 'node:events';
import { connect } from 'node:net';
import { startApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { startedRun } from '../support/played-runs';
import { gate } from '../support/runs';
import { received, repliesIn } from '../support/raw-http';
import { openSse, openWs } from '../support/stream-readers';

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

describe('A server that is told to stop', () => {
  test('says so at once and serves on, one reply a connection, until the time to drain is over', async () => {
    const api = await startApiServer({ drain_ms: 10_000 });
    const idle = connect(api.port, '127.0.0.1');
    idle.write(get('/healthz'));
    await once(idle, 'data');
    const stopped = api.stop();
    const readyz = await fetch(`${api.url}/readyz`);
    expect([readyz.status, await readyz.json()]).toEqual([503, { status: 'draining' }]);
    expect(readyz.headers.get('connection')).toBe('close');
    const taken = await api.request('/v1/runs', { body: { goal: 'a' } });
    expect([taken.status, taken.headers.get('connection')]).toEqual([202, 'close']);
    idle.write(get('/healthz') + get('/healthz'));
    const replies = repliesIn(await received(idle));
    expect(replies.map(({ status, headers }) => [status, headers.connection])).toEqual([[200, 'close']]);
    await stopped;
    await expect(fetch(api.url)).rejects.toThrow();
  });

  test('finishes what is under way, and closes its connection with the reply', async () => {
    const api = await startApiServer({ finish_within_ms: 60_000 });
    const { opened, open } = gate();
    const asked = gate();
    const { findKey } = api.deps;
    jest.spyOn(api.deps, 'findKey').mockImplementation(async (secret) => {
      asked.open();
      await opened;
      return findKey(secret);
    });
    const reply = api.request('/v1/runs', { body: { goal: 'a' } });
    await asked.opened;
    const stopped = api.stop();
    await expect(fetch(api.url)).rejects.toThrow(); // it has closed its door
    open();
    const { status, headers } = await reply;
    expect([status, headers.get('connection')]).toEqual([202, 'close']);
    await stopped;
  });

  test('ends its streams without an end, so that readers come back, and closes WebSockets with 1001', async () => {
    const api = await startApiServer({ finish_within_ms: 10_000 });
    const run = await startedRun(api);
    const sse = await openSse(api, `/v1/runs/${run.id}/events`);
    const ws = await openWs(api, `/ws/runs/${run.id}`);
    await eventually(() => sse.frames.length === 2 && ws.events().length === 2);
    await api.stop();
    expect((await ws.closed())[0]).toBe(1001);
    expect(await eventually(() => sse.ending())).toBe('end');
    expect(sse.frames.map(({ event }) => event)).toEqual(['run.created', 'run.status']);
  });

  test('does not give a silent socket the time that requests get', async () => {
    const patient = await startApiServer({ finish_within_ms: 600_000 });
    const silent = connect(patient.port, '127.0.0.1').on('error', () => undefined);
    await eventually(() => patient.connections() === 1, { what: 'the socket to be taken' });
    await patient.stop();
    silent.destroy();
  });

  test('does not wait for a socket that is silent, one that stops in its request, or one that never reads', async () => {
    const api = await startApiServer();
    const run = await startedRun(api);
    const mute = connect(api.port, '127.0.0.1');
    const slow = connect(api.port, '127.0.0.1');
    slow.write(`POST /v1/runs HTTP/1.1\r\nHost: a\r\nX-API-Key: ${api.keys.own}\r\nContent-Length: 9\r\n`);
    slow.write('Content-Type: application/json\r\n\r\n{');
    const deaf = await openSse(api, `/v1/runs/${run.id}/events`, { reading: false });
    await eventually(() => api.connections() >= 3, { what: 'all of them to be taken' });
    await api.stop();
    expect(api.connections()).toBe(0);
    for (const socket of [mute, slow]) socket.on('error', () => undefined).destroy();
    deaf.drop();
  });
});
