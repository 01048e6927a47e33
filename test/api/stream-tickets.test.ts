import { startApiServer, type ApiServer, type RequestOptions } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, startedRun } from '../support/played-runs';
import { problemIn } from '../support/problem';
import { openSse, openWs, told } from '../support/stream-readers';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterEach(() => eventually(() => api.readers() === 0, { what: 'all readers to have left' }));
afterAll(() => api.stop());

interface Ticket {
  object: string;
  ticket: string;
  run_id: string | null;
  expires_at: string;
}
const ask = (body: object, more: RequestOptions = {}) => api.request('/v1/stream-tickets', { body, ...more });
async function ticketFor(body: object = {}): Promise<Ticket> {
  const reply = await ask(body);
  expect(reply.status).toBe(201);
  return (await reply.json()) as Ticket;
}
const keyless = { key: null } as const;
const events = (run: { id: string }, ticket: string) => `/v1/runs/${run.id}/events?ticket=${ticket}`;

describe('stream ticket', () => {
  test('is given once, of 256 bits, and kept as a hash', async () => {
    const run = await startedRun(api);
    const ticket = await ticketFor({ run_id: run.id, expires_in_s: 300 });
    expect(ticket).toEqual({
      object: 'stream_ticket',
      ticket: expect.stringMatching(/^lht_[A-Za-z0-9_-]{43}$/) as string,
      run_id: run.id,
      expires_at: expect.any(String) as string,
    });
    const rows = await api.database.db.query<{ lives_s: number }>(
      'select *, extract(epoch from expires_at - created_at)::int as lives_s from stream_tickets',
    );
    expect(rows.at(-1)!.lives_s).toBe(300);
    expect(JSON.stringify(rows)).not.toContain(ticket.ticket.slice(4));
    expect((await ticketFor()).run_id).toBeNull();
  });

  test('opens one stream on each wire, and then no other', async () => {
    const run = await startedRun(api);
    await complete(api, run.id);
    const { ticket } = await ticketFor();
    const sse = await openSse(api, events(run, ticket), keyless);
    expect([sse.status, await eventually(() => sse.ending())]).toEqual([200, 'end']);
    expect((await openSse(api, events(run, ticket), keyless)).status).toBe(401);

    const of_run = await ticketFor({ run_id: run.id });
    const ws = await openWs(api, `/ws/runs/${run.id}?ticket=${of_run.ticket}`, keyless);
    expect((await ws.closed())[0]).toBe(1000);
    const again = await openWs(api, `/ws/runs/${run.id}?ticket=${of_run.ticket}`, keyless);
    expect(await again.closed()).toEqual([4401, 'unauthorized']);
  });

  test('used at once by many opens one stream', async () => {
    const run = await startedRun(api);
    await complete(api, run.id);
    const { ticket } = await ticketFor();
    const streams = await Promise.all(
      Array.from({ length: 20 }, () => openSse(api, events(run, ticket), keyless)),
    );
    expect(streams.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('for one run opens no other, and is used up by the try', async () => {
    const [run, another] = [await startedRun(api), await startedRun(api)];
    const first = await ticketFor({ run_id: run.id });
    expect((await openSse(api, events(another, first.ticket), keyless)).status).toBe(403);
    expect((await openSse(api, events(run, first.ticket), keyless)).status).toBe(401);
    const second = await ticketFor({ run_id: run.id });
    const ws = await openWs(api, `/ws/runs/${another.id}?ticket=${second.ticket}`, keyless);
    expect(await ws.closed()).toEqual([4403, 'forbidden']);
    const third = await ticketFor({ run_id: run.id });
    const many = await openWs(api, `/v1/stream?ticket=${third.ticket}`, keyless);
    many.send({ type: 'subscribe', sub: 'a', run_id: another.id });
    many.send({ type: 'subscribe', sub: 'b', run_id: run.id });
    many.send({ type: 'command', id: 'c', name: 'cancel', params: { run_id: run.id } });
    expect(await told(many, 'error')).toMatchObject({ sub: 'a', code: 'forbidden' });
    expect(await told(many, 'subscribed')).toMatchObject({ sub: 'b' });
    expect(await told(many, 'result')).toMatchObject({ ok: false, error: { code: 'forbidden' } });
    many.socket.terminate();
  });

  test('sees runs of its tenant alone', async () => {
    const run = await startedRun(api);
    const headers = { authorization: `Bearer ${api.keys.foreign}` };
    await problemIn(await ask({ run_id: run.id }, { headers }), 'not_found');
    const { ticket } = (await (await ask({}, { headers })).json()) as Ticket;
    expect((await openSse(api, events(run, ticket), keyless)).status).toBe(404);
  });

  test('expires by the clock of Postgres, and with its key', async () => {
    const run = await startedRun(api);
    const expired = await ticketFor({ expires_in_s: 1 });
    await api.database.db.query("update stream_tickets set expires_at = now() - interval '1 millisecond'");
    expect((await openSse(api, events(run, expired.ticket), keyless)).status).toBe(401);
    const orphan = await ticketFor();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000);
    try {
      const late = await ticketFor();
      const sse = await openSse(api, events(run, late.ticket), keyless);
      expect(sse.status).toBe(200);
      sse.drop();
    } finally {
      clock.mockRestore();
    }
    await api.database.db.query("update api_keys set revoked_at = now() where tenant = 'tenant_own'");
    try {
      expect((await openSse(api, events(run, orphan.ticket), keyless)).status).toBe(401);
    } finally {
      await api.database.db.query('update api_keys set revoked_at = null');
    }
  });

  test('opens nothing but streams', async () => {
    const run = await startedRun(api);
    const { ticket } = await ticketFor();
    const headers = { authorization: null };
    await problemIn(await api.request(events(run, ticket), { headers }), 'unauthorized');
    await problemIn(await api.request(`/v1/runs/${run.id}?ticket=${ticket}`, { headers }), 'unauthorized');
    const bearer = { authorization: `Bearer ${ticket}` };
    await problemIn(await api.request(`/v1/runs/${run.id}`, { headers: bearer }), 'unauthorized');
    // A key is no ticket: it must never stand in an address.
    expect((await openSse(api, events(run, api.keys.own), keyless)).status).toBe(400);
    await expect(openWs(api, `/ws/runs/${run.id}?ticket=${api.keys.own}`, keyless)).rejects.toThrow('400');
    const twice = await openWs(api, `/ws/runs/${run.id}?ticket=a&ticket=b`, keyless);
    expect((await twice.closed())[0]).toBe(4401);
  });

  test.each<[object, string]>([
    [{ expires_in_s: 301 }, '/expires_in_s'],
    [{ expires_in_s: 0 }, '/expires_in_s'],
    [{ expires_in_s: '60' }, '/expires_in_s'],
    [{ run_id: 7 }, '/run_id'],
    [{ runs: [] }, '/runs'],
  ])('is not given for %j', async (body, pointer) => {
    await problemIn(await ask(body), 'invalid_request', { pointers: [pointer] });
  });
});
