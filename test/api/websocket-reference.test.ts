import { startApiServer, type ApiServer } from '../support/api-server';
import { readDocument, rowsOf, sessionIn } from '../support/documents';
import { eventually } from '../support/eventually';
import { complete, deltas, startedRun } from '../support/played-runs';
import { openWs, type WsFrame, type WsReader } from '../support/stream-readers';

const DOCUMENT = readDocument('docs/reference/websocket.md');
const [, ADDRESS = ''] = /^On `(\/v1\/stream\S*)`/m.exec(DOCUMENT)!;
/** Ids of the document: of the run at work, of the one that has ended. */
const [AT_WORK, ENDED] = ['run_01K8Z5V7N2D3M4P5Q6R7S8T9V0', 'run_01K8Z5V7N2D3M4P5Q6R7S8T9V1'];
/** The server that stops has to have said goodbye within this time, milliseconds. */
const FINISH_WITHIN_MS = 10_000;

let api: ApiServer;
let stopped: Promise<void> | undefined;
const stop = () => (stopped ??= api.stop());
beforeAll(async () => (api = await startApiServer({ finish_within_ms: FINISH_WITHIN_MS })));
afterAll(() => stop());

/** A run at work with three events, and one that has ended with its third. */
async function playedRuns(): Promise<Record<string, string>> {
  const [at_work, ended] = [await startedRun(api), await startedRun(api)];
  await api.append(at_work.id, [{ key: 'began', type: 'generation.started', data: { model: 'qwen3:8b' } }]);
  await complete(api, ended.id);
  return { [AT_WORK]: at_work.id, [ENDED]: ended.id };
}

/** What a run at work goes on with, in one piece: its numbers 4 to 7. */
const writeOn = (run_id: string) =>
  api.append(run_id, [
    { key: 'first', type: 'generation.delta', data: { text: 'You ', attempt: 1 } },
    ...deltas(5, 2),
    { key: 'written', type: 'generation.completed', data: { text: 'You get 144.' } },
  ]);

/** A frame of the document as one to be matched: what is cut short, or is there by chance, may be anything. */
function asMatcher(frame: unknown): unknown {
  return JSON.parse(JSON.stringify(frame), (name, value: unknown) => {
    if (name === 'reconnect_after_ms') return expect.any(Number) as unknown;
    return typeof value === 'string' && value.includes('…') ? (expect.any(String) as unknown) : value;
  });
}

/** The members that the document gives a frame of the server, and which of them have to be there. */
const members = new Map(
  rowsOf(DOCUMENT, 'Frames of the server').map(([frame = '', names = '']) => {
    const all = [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
    const always = all.filter((name) => !name.endsWith('?'));
    return [frame.replaceAll('`', ''), { all: all.map((name) => name.replace('?', '')), always }] as const;
  }),
);

/** The next frame of the server, which is as the document has it. */
async function checkNext(ws: WsReader, n: number, documented: WsFrame): Promise<void> {
  const frame = await eventually(() => ws.frames()[n], { what: `the frame ${JSON.stringify(documented)}` });
  expect(frame).toMatchObject(asMatcher(documented) as object);
  const { type, ...rest } = frame;
  const names = Object.keys(rest);
  expect(names.sort()).toEqual(
    Object.keys(documented)
      .filter((name) => name !== 'type')
      .sort(),
  );
  expect({ type, always: names }).toEqual({
    type,
    always: expect.arrayContaining(members.get(type)!.always),
  });
  expect(members.get(type)!.all).toEqual(expect.arrayContaining(names));
}

describe('docs/reference/websocket.md', () => {
  test('shows a session that goes as it says, word for word', async () => {
    const runs = await playedRuns();
    const real = (line: string) =>
      line.replace(/run_01K8Z5V7N2D3M4P5Q6R7S8T9V\d/g, (id) => runs[id]!).replace('lh_…', api.keys.own);
    const ws = await openWs(api, ADDRESS, { key: null, protocols: ['longhaul.v1'] });
    let came = 0;
    for (const { side, frame } of sessionIn(DOCUMENT)) {
      if (side === '→') {
        ws.send(real(frame));
        continue;
      }
      const documented = JSON.parse(real(frame)) as WsFrame;
      if ((documented.event as WsFrame | undefined)?.type === 'generation.delta')
        await writeOn(runs[AT_WORK]!);
      if (documented.type === 'goodbye') void stop();
      await checkNext(ws, came, documented);
      came += 1;
    }
    expect(await ws.closed()).toEqual([1001, 'The server stops.']);
    expect(ws.texts).toHaveLength(came);
  });
});
