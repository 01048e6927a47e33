import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Request, Response } from 'express';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, startedRun } from '../support/played-runs';
import { openSse, type SseReader } from '../support/stream-readers';

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api.stop());

/** What a request was at its very beginning. */
interface Begun {
  request: Request;
  response: Response;
  prototypes: unknown[];
}

/** Opens a stream. @returns its request as the server has it */
async function opened(open: () => Promise<SseReader>): Promise<Begun & { reader: SseReader }> {
  const begun: Begun[] = [];
  const hear = (message: unknown) => {
    const { request, response } = message as Omit<Begun, 'prototypes'>;
    begun.push({ request, response, prototypes: prototypesOf({ request, response }) });
  };
  subscribe('http.server.request.start', hear);
  try {
    const reader = await open();
    expect(begun).toHaveLength(1);
    return { ...begun[0]!, reader };
  } finally {
    unsubscribe('http.server.request.start', hear);
  }
}

const prototypesOf = ({ request, response }: Pick<Begun, 'request' | 'response'>): unknown[] =>
  [request, response].map((message) => Object.getPrototypeOf(message) as unknown);

describe('an open stream', () => {
  test('keeps neither the headers nor the body of its request, nor what would have handled it next', async () => {
    const body = { goal: 'calculate 2 + 2' };
    const { request, reader } = await opened(() =>
      openSse(api, '/v1/runs/stream', { method: 'POST', body, headers: { cookie: 'x'.repeat(1_000) } }),
    );
    expect(request.headers).toEqual({});
    expect(request.headersDistinct).toEqual({});
    expect(request.rawHeaders).toEqual([]);
    expect([request.body, request.next]).toEqual([undefined, undefined]);
    await complete(api, String(reader.headers.location).split('/').at(-1)!);
    await eventually(() => reader.ending() === 'end');
  });

  test('has the prototypes it was made with: those exchanged later cost a shape for each', async () => {
    const run = await startedRun(api);
    const { prototypes, reader, ...messages } = await opened(() => openSse(api, `/v1/runs/${run.id}/events`));
    prototypesOf(messages).forEach((now, i) => expect(now).toBe(prototypes[i]));
    await complete(api, run.id);
    await eventually(() => reader.ending() === 'end');
  });

  test('that ends, and whose connection closes after that, is counted out once', async () => {
    const run = await startedRun(api);
    const { response } = await opened(() => openSse(api, `/v1/runs/${run.id}/events`));
    await complete(api, run.id);
    await eventually(() => response.closed);
    const metrics = await (await api.request('/metrics')).text();
    expect(/^stream_readers\{wire="sse"\} (-?\d+)$/m.exec(metrics)?.[1]).toBe('0');
  });
});
