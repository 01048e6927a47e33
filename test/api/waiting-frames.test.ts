import { setTimeout as sleep } from 'node:timers/promises';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, facts, startedRun } from '../support/played-runs';
import { framesOf, openWs, told } from '../support/stream-readers';

/** Frames that one client may have waiting. */
const MAX_WAITING = 200;

let api: ApiServer;
beforeAll(async () => void (api = await startApiServer()));
afterAll(() => api.stop());

/** A WebSocket that is told more than fits into the network, and reads none of it. */
async function notReading() {
  const run = await startedRun(api);
  for (let i = 0; i < 120; i += 20) await api.append(run.id, facts(i, 20, 100_000));
  const ws = await openWs(api, '/v1/stream');
  await told(ws, 'welcome');
  ws.socket.pause();
  ws.send({ type: 'subscribe', sub: 'full', run_id: run.id });
  await eventually(() => api.unsentBytes() > 900_000, { what: 'the socket to be full' });
  return { ws, run };
}
const isGone = () => api.readers() === 0;

describe('What a client asks for while it does not read', () => {
  test('waits up to a limit, and beyond it closes the socket with 4429', async () => {
    const { ws } = await notReading();
    // As many as come in time for the limit of frames a second, and slowly from then on.
    for (let sent = 0; !isGone(); sent += 1) {
      if (sent > MAX_WAITING + 50) throw new Error('More frames wait than may.');
      if (sent > MAX_WAITING - 20) await sleep(30);
      ws.send({ type: 'unsubscribe', sub: `none-${sent}` });
    }
    ws.socket.resume();
    expect(await ws.closed()).toEqual([4429, 'too_many_frames']);
    expect(framesOf(ws, 'error')).toMatchObject([
      { code: 'too_many_frames', message: 'More frames wait here than a client may send ahead.' },
    ]);
  });

  test('is done once it reads', async () => {
    const { ws, run } = await notReading();
    for (let i = 0; i < 99; i += 1)
      ws.send({ type: 'subscribe', sub: `s${i}`, run_id: run.id, after: 'last' });
    for (let i = 0; i < 99; i += 1) ws.send({ type: 'unsubscribe', sub: `s${i}` });
    ws.socket.resume();
    await told(ws, 'unsubscribed', 99);
    await complete(api, run.id);
    await told(ws, 'end');
    expect(framesOf(ws, 'error')).toEqual([]);
    ws.socket.terminate();
  });
});
