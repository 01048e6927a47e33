import { totalsOf, type Acknowledgement, type Server } from '../support/ledger/hit';
import { startLedger, type Ledger } from '../support/ledger/ledger';
import { eventually } from '../support/eventually';

let ledger: Ledger;
beforeAll(async () => void (ledger = await startLedger()));
afterAll(() => ledger.stop());

let runs = 0;
/** A run that hits the ledger. */
function run(server: Server, acknowledgement: Acknowledgement, times?: number) {
  const run_id = `run_${(runs += 1)}`;
  let attempt = 0;
  return {
    hit: (key: string, step_id = 'one', signal?: AbortSignal) =>
      fetch(`${ledger.url}/${server}/${acknowledgement}`, {
        method: 'POST',
        headers: { 'idempotency-key': `${run_id} ${key}` },
        body: JSON.stringify({ run_id, step_id, attempt: (attempt += 1), times }),
        ...(signal && { signal }),
      }),
    hits: () => ledger.hitsOf(run_id),
    totals: () => totalsOf(ledger.hitsOf(run_id)),
  };
}
const broken = expect.objectContaining({ message: 'fetch failed' }) as Error;

describe('The ledger', () => {
  test('makes one effect of a key and gives the same reply again, where it looks at keys', async () => {
    const { hit, hits, totals } = run('keyed', 'prompt');
    const replies = [await (await hit('a')).text(), await (await hit('a')).text()];
    expect(replies[1]).toBe(replies[0]);
    expect(totals()).toEqual({ hits: 2, effects: 1 });
    await hit('b');
    expect(totals()).toEqual({ hits: 3, effects: 2 });
    expect(hits()).toMatchObject([
      { key: expect.stringMatching(/ a$/) as string, attempt: 1, applied: true },
      { key: expect.stringMatching(/ a$/) as string, attempt: 2, applied: false },
      { key: expect.stringMatching(/ b$/) as string, attempt: 3, applied: true },
    ]);
  });

  test('makes an effect of every hit, where it does not', async () => {
    const { hit, totals } = run('naive', 'prompt');
    await hit('a');
    await hit('a');
    expect(totals()).toEqual({ hits: 2, effects: 2 });
  });

  test('has applied a hit whose acknowledgement is lost, and answers the next one', async () => {
    const { hit, totals } = run('keyed', 'ack_lost');
    await expect(hit('a')).rejects.toEqual(broken);
    expect(totals()).toEqual({ hits: 1, effects: 1 });
    expect((await hit('a')).status).toBe(200);
    expect(totals()).toEqual({ hits: 2, effects: 1 });
  });

  test('counts the hits that get no plain answer by step', async () => {
    const { hit, totals } = run('naive', 'ack_lost', 2);
    await expect(hit('a')).rejects.toEqual(broken);
    await expect(hit('a')).rejects.toEqual(broken);
    expect((await hit('a')).status).toBe(200);
    await expect(hit('a', 'two')).rejects.toEqual(broken);
    expect(totals()).toEqual({ hits: 4, effects: 4 });
  });

  test('applies nothing where it refuses, also for the key that comes again', async () => {
    const { hit, totals } = run('keyed', 'flaky', 2);
    expect([(await hit('a')).status, (await hit('a')).status]).toEqual([503, 503]);
    expect(totals()).toEqual({ hits: 2, effects: 0 });
    expect((await hit('a')).status).toBe(200);
    expect(totals()).toEqual({ hits: 3, effects: 1 });
  });

  test.each(['held', 'slow_ack'] as const)('has applied a hit that is %s before it answers', async (how) => {
    const { hit, totals } = run('keyed', how);
    const leave = new AbortController();
    let answered = false;
    const reply = hit('a', 'one', leave.signal).then(
      ({ status }) => ((answered = true), status),
      (error: Error) => error.name,
    );
    await eventually(() => totals().effects === 1);
    expect((await hit('a')).status).toBe(200); // the next one overtakes it
    expect(answered).toBe(false);
    await ledger.release();
    if (how === 'slow_ack') leave.abort();
    expect(await reply).toBe(how === 'held' ? 200 : 'AbortError');
    expect(totals()).toEqual({ hits: 2, effects: 1 });
  });
});
