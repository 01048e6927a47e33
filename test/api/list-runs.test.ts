import type { Run } from '../../src/contracts/run';
import { RUN_STATUSES, type RunStatus } from '../../src/contracts/run-status';
import { newId } from '../../src/db/new-id';
import { startApiServer, type ApiServer } from '../support/api-server';
import { problemIn } from '../support/problem';
import { seeded } from '../support/seeded';

interface Page {
  data: Run[];
  has_more: boolean;
  first_id: string | null;
  last_id: string | null;
}
interface Seed {
  id: string;
  status: RunStatus;
  tags: string[];
  goal: string;
  /** Microseconds: three runs share each. */
  created_at: string;
  superseded_by: string | null;
  origin: Run['origin'];
  root_run_id: string;
}

/** First runs of two lineages: of the tenant, and of another one. */
const [ROOT, FOREIGN_ROOT] = [newId('run'), newId('run')];

let api: ApiServer;
/** The runs of the tenant, newest first. */
let seeds: Seed[];

beforeAll(async () => {
  api = await startApiServer();
  const pick = seeded(4);
  const ids = Array.from({ length: 90 }, () => newId('run'));
  [ids[0], ids[5]] = [ROOT, FOREIGN_ROOT];
  // Every sixth run comes from the one before it.
  const rows = ids.map((id, i): Seed & { tenant: string } => ({
    id,
    tenant: i % 6 === 5 ? 'tenant_foreign' : 'tenant_own',
    status: RUN_STATUSES[pick(0, RUN_STATUSES.length - 1)]!,
    tags: ['red', 'blue', 'größe "1"'].filter(() => pick(0, 2) === 0),
    goal: ['buy milk', "don't panic", 'Größe 42', 'a & b | !c', 'the-end'][pick(0, 4)]!,
    created_at: `2026-03-01T00:00:${String(Math.floor(i / 9)).padStart(2, '0')}.00000${Math.floor((i % 9) / 3)}Z`,
    superseded_by: pick(0, 3) === 0 ? 'run_another' : null,
    origin:
      i < 6 || (i % 6 !== 0 && i % 6 !== 5)
        ? { type: 'api', run_id: null, from: null }
        : { type: i % 4 < 2 ? 'restart' : 'fork', run_id: ids[i - 6]!, from: 'start' },
    root_run_id: i % 6 === 0 ? ROOT : i % 6 === 5 ? FOREIGN_ROOT : id,
  }));
  await api.database.db.query(
    `insert into runs (id, tenant, status, tags, goal, created_at, superseded_by, rules, budget, deadline_at, origin, root_run_id)
     select id, tenant, status, tags, goal, created_at, superseded_by, '{}', '{"max_steps": 1, "max_duration_s": 1}', now(), origin, root_run_id
     from jsonb_to_recordset($1) as s (id text, tenant text, status text, tags text[], goal text, created_at timestamptz, superseded_by text,
       origin jsonb, root_run_id text)`,
    [JSON.stringify(rows)],
  );
  const place = ({ created_at, id }: Seed) => `${created_at} ${id}`;
  seeds = rows.filter(({ tenant }) => tenant === 'tenant_own').sort((a, b) => (place(a) < place(b) ? 1 : -1));
});
afterAll(() => api.stop());

const ask = (query: string | Record<string, string>, headers = {}) =>
  api.request(`/v1/runs?${String(new URLSearchParams(query))}`, { headers });
const page = async (query: string | Record<string, string>): Promise<Page> => {
  const reply = await ask(query);
  expect(reply.status).toBe(200);
  return (await reply.json()) as Page;
};
const idsOf = ({ data }: Page) => data.map(({ id }) => id);

/** Every page of a list, going one way. */
async function pagesOf(
  query: Record<string, string>,
  side: 'after' | 'before',
  from?: string,
): Promise<Page[]> {
  const pages: Page[] = [];
  let cursor = from;
  for (;;) {
    const next = await page({ ...query, ...(cursor === undefined ? {} : { [side]: cursor }) });
    pages.push(next);
    if (!next.has_more) return pages;
    cursor = (side === 'after' ? next.last_id : next.first_id)!;
    expect(pages.length).toBeLessThan(100);
  }
}

const FILTERS: [string, Record<string, string>, (seed: Seed) => boolean][] = [
  ['one status', { status: 'failed' }, ({ status }) => status === 'failed'],
  ['two statuses', { status: 'failed,queued' }, ({ status }) => ['failed', 'queued'].includes(status)],
  ['a tag', { tag: 'red' }, ({ tags }) => tags.includes('red')],
  ['a tag that has to be quoted', { tag: 'größe "1"' }, ({ tags }) => tags.includes('größe "1"')],
  ['a tag that nobody has', { tag: '{red}' }, () => false],
  ['a word', { q: 'MILK' }, ({ goal }) => goal === 'buy milk'],
  ['two words', { q: 'milk buy' }, ({ goal }) => goal === 'buy milk'],
  ['a phrase', { q: '"milk buy"' }, () => false],
  ['a word that must not be there', { q: 'buy -milk' }, () => false],
  ['a word with an umlaut', { q: 'größe' }, ({ goal }) => goal === 'Größe 42'],
  [
    'created after',
    { created_after: '2026-03-01T00:00:04.000001Z' },
    ({ created_at }) => created_at > '2026-03-01T00:00:04.000001Z',
  ],
  [
    'created before',
    { created_before: '2026-03-01T01:00:05+01:00' },
    ({ created_at }) => created_at < '2026-03-01T00:00:05',
  ],
  ['superseded', { superseded: 'true' }, ({ superseded_by }) => superseded_by !== null],
  ['a submit as origin', { origin: 'api' }, ({ origin }) => origin.type === 'api'],
  ['restarts', { origin: 'restart' }, ({ origin }) => origin.type === 'restart'],
  ['forks', { origin: 'fork' }, ({ origin }) => origin.type === 'fork'],
  ['a lineage, with its first run', { root_run_id: ROOT }, ({ root_run_id }) => root_run_id === ROOT],
  ['a lineage of another tenant', { root_run_id: FOREIGN_ROOT }, () => false],
  ['not superseded', { superseded: 'false' }, ({ superseded_by }) => superseded_by === null],
];

describe('GET /v1/runs', () => {
  test('gives the newest twenty', async () => {
    const first = await page('');
    expect(first).toMatchObject({ object: 'list', has_more: true });
    expect(idsOf(first)).toEqual(seeds.slice(0, 20).map(({ id }) => id));
    expect([first.first_id, first.last_id]).toEqual([seeds[0]!.id, seeds[19]!.id]);
  });

  test('is empty for a tenant without runs, and says so', async () => {
    expect(await page({ tag: 'nobody' })).toEqual({
      object: 'list',
      data: [],
      has_more: false,
      first_id: null,
      last_id: null,
    });
  });

  test.each(FILTERS)('narrows by %s', async (_what, query, fits) => {
    const fitting = seeds.filter(fits);
    expect(idsOf(await page({ ...query, limit: '100' }))).toEqual(fitting.map(({ id }) => id));
  });

  test('narrows by every two filters together', async () => {
    for (const [i, [, first, fitsFirst]] of FILTERS.entries()) {
      for (const [, second, fitsSecond] of FILTERS.slice(i + 1)) {
        if (Object.keys(second).some((name) => name in first)) continue;
        const fitting = seeds.filter((seed) => fitsFirst(seed) && fitsSecond(seed));
        const query = { ...first, ...second, limit: '100' };
        expect([query, idsOf(await page(query))]).toEqual([query, fitting.map(({ id }) => id)]);
      }
    }
  });

  test('takes a status that is repeated', async () => {
    const fitting = seeds.filter(({ status }) => status === 'failed' || status === 'running');
    const repeated = await page('status=failed&status=running&status=failed&limit=100');
    expect(idsOf(repeated)).toEqual(fitting.map(({ id }) => id));
  });

  test.each(['1', '2', '7', '74', '75', '76', '100'])(
    'goes through pages of %s both ways in both orders: each run once, ties too',
    async (limit) => {
      for (const sort of ['-created_at', 'created_at']) {
        const ordered = seeds.map(({ id }) => id);
        if (sort === 'created_at') ordered.reverse();
        const forward = await pagesOf({ sort, limit }, 'after');
        expect(forward.flatMap(idsOf)).toEqual(ordered);
        // Back from the last run: pages come in reverse, each in the order of the list.
        const back = await pagesOf({ sort, limit }, 'before', ordered.at(-1));
        expect(back.reverse().flatMap(idsOf)).toEqual(ordered.slice(0, -1));
      }
    },
  );

  test('goes through pages of a narrowed list, from a run that is not in it', async () => {
    const query = { status: 'failed', limit: '2' };
    const from = seeds.findIndex(({ status }) => status !== 'failed');
    const rest = seeds.slice(from).filter(({ status }) => status === 'failed');
    const pages = await pagesOf(query, 'after', seeds[from]!.id);
    expect(pages.flatMap(idsOf)).toEqual(rest.map(({ id }) => id));
  });

  test('is empty after the last run and before the first', async () => {
    expect(await page({ after: seeds.at(-1)!.id })).toMatchObject({ data: [], has_more: false });
    expect(await page({ before: seeds[0]!.id })).toMatchObject({ data: [], has_more: false });
  });

  test.each(['after', 'before'])('says the same of any %s that names no run of the tenant', async (side) => {
    const { id } = await api.submit();
    const cancelled = await api.request(`/v1/runs/${id}/cancel`, { method: 'POST' });
    expect(cancelled.status).toBe(200);
    expect((await api.request(`/v1/runs/${id}`, { method: 'DELETE' })).status).toBe(204);
    const [foreign] = await api.database.db.query<{ id: string }>(
      "select id from runs where tenant = 'tenant_foreign' limit 1",
    );
    const cursors = [
      'run_01ARZ3NDEKTSV4RRFFQ69G5FAV',
      foreign!.id,
      id,
      'garbage',
      '',
      "'; drop table runs; --",
    ];
    for (const cursor of cursors) {
      const problem = await problemIn(await ask({ [side]: cursor }), 'invalid_cursor', {
        pointers: [`/query/${side}`],
      });
      expect(problem.detail).toBe('The cursor names no run that is there.');
    }
  });

  test('takes one cursor, not two', async () => {
    const [{ id }] = seeds as [Seed];
    await problemIn(await ask({ after: id, before: id }), 'invalid_request', { pointers: ['/query/before'] });
    await problemIn(await ask(`after=${id}&after=${id}`), 'invalid_request', { pointers: ['/query/after'] });
  });

  test.each(['0', '101', '-1', '1.5', '', 'ten', '1e1', '9999999'])('limit=%s is refused', async (limit) => {
    await problemIn(await ask({ limit }), 'invalid_request', { pointers: ['/query/limit'] });
  });

  test.each([
    ['status', 'done'],
    ['status', 'failed,'],
    ['status', ''],
    ['tag', ''],
    ['tag', 'x'.repeat(65)],
    ['q', ''],
    ['q', '  '],
    ['q', 'x'.repeat(201)],
    ['q', '-'.repeat(21)],
    ['created_after', 'yesterday'],
    ['created_after', '2026-03-01'],
    ['created_before', '2026-02-30T00:00:00Z'],
    ['created_before', '0000-01-01T00:00:00Z'],
    ['created_before', '9999-12-31T23:59:59-23:59'],
    ['superseded', '1'],
    ['origin', 'clone'],
    ['origin', ''],
    ['root_run_id', ''],
    ['root_run_id', 'run_1'],
    ['root_run_id', "'; drop table runs; --"],
    ['sort', 'goal'],
    ['sort', '-id'],
    ['user', 'ada'],
  ])('%s=%s is refused', async (name, value) => {
    const { errors } = await problemIn(await ask({ [name]: value }), 'invalid_request');
    expect(errors[0]!.pointer).toMatch(new RegExp(`^/query/${name}`));
  });

  test.each([
    '&',
    '|',
    '!',
    ':',
    '*',
    '()',
    '<->',
    "'",
    '"',
    '\\',
    '!!',
    '& & &',
    'a:*',
    "a' | 'b",
    '((((',
    '-',
    '--',
    'or',
    'or or',
    "'; drop table runs; --",
    '%',
    '_',
    '\u{1f600}',
    '\u202e',
    '-'.repeat(20),
    '-)'.repeat(20),
    '"'.repeat(200),
    'a '.repeat(100),
  ])('q=%j is words, whatever it looks like', async (q) => {
    const reply = await ask({ q });
    expect(reply.status).toBe(200);
  });

  test('is tagged: 304 as long as nothing in the page changes, HEAD too', async () => {
    const { id } = await api.submit({ goal: 'tagged', tags: ['tagged'] });
    const first = await ask({ tag: 'tagged' });
    const etag = first.headers.get('etag')!;
    for (const method of ['GET', 'HEAD']) {
      const again = await api.request('/v1/runs?tag=tagged', { method, headers: { 'if-none-match': etag } });
      expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
    }
    const { length } = await (await ask({ tag: 'tagged' })).text();
    expect(length).toBeGreaterThan(0);
    await api.request(`/v1/runs/${id}`, { method: 'PATCH', body: { metadata: { a: 'b' } } });
    const changed = await ask({ tag: 'tagged' }, { 'if-none-match': etag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(etag);
    expect((await ask({ tag: 'tagged' }, { 'if-none-match': '*' })).status).toBe(304);
    expect((await ask({ tag: 'tagged' }, { 'if-none-match': 'garbage' })).status).toBe(200);
  });

  test('shows nothing of another tenant, whatever is asked', async () => {
    const foreign = { authorization: `Bearer ${api.keys.foreign}` };
    const own = new Set(seeds.map(({ id }) => id));
    for (const query of ['limit=100', ...FILTERS.map(([, filter]) => String(new URLSearchParams(filter)))]) {
      const list = (await (await ask(query, foreign)).json()) as Page;
      expect(list.data.filter(({ id }) => own.has(id))).toEqual([]);
    }
    expect(((await (await ask('limit=100', foreign)).json()) as Page).data).toHaveLength(15);
  });
});
