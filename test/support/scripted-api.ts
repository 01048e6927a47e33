import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** One request that is expected, and its reply. */
export interface Exchange {
  /** `GET /v1/runs?limit=20` */
  request: string;
  /** Body that must come; none, when absent. */
  body?: unknown;
  /** Headers that must be among those that come. */
  headers?: Record<string, string>;
  status?: number;
  /** JSON, or text as it is. */
  reply: unknown;
  type?: string;
  /** Headers of the reply. */
  reply_headers?: Record<string, string>;
}

/**
 * An API that answers by a script, strictly: the exchanges come in their order, and a request that is not the next one is a fault,
 * as is an exchange that nobody asked for. `finish` throws for both.
 */
export interface ScriptedApi {
  readonly url: string;
  expect(...exchanges: Exchange[]): void;
  /** @throws Error that says what came and should not have, or did not come and should have. */
  finish(): void;
  close(): Promise<void>;
}

export async function scriptedApi(key: string): Promise<ScriptedApi> {
  const script: Exchange[] = [];
  const wrong: string[] = [];
  const server = createServer((req, res) => {
    void text(req).then((body) => {
      const next = script.shift();
      const came = `${req.method} ${req.url}`;
      const given: unknown = body === '' ? undefined : JSON.parse(body);
      const wanted = { authorization: `Bearer ${key}`, ...next?.headers };
      const fits =
        next?.request === came &&
        JSON.stringify(next.body) === JSON.stringify(given) &&
        Object.entries(wanted).every(([name, value]) => req.headers[name] === value);
      if (!fits) {
        wrong.push(`${came} ${body} with ${JSON.stringify(req.headers)} is not ${JSON.stringify(next)}`);
        res.writeHead(400).end('Scripted API: not the next request.');
        return;
      }
      const type = next.type ?? (next.status === undefined || next.status < 400 ? JSON_TYPE : PROBLEM_TYPE);
      res.writeHead(next.status ?? 200, { 'content-type': type, ...next.reply_headers });
      res.end(typeof next.reply === 'string' ? next.reply : JSON.stringify(next.reply));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    expect: (...exchanges) => void script.push(...exchanges),
    finish() {
      const left = script.splice(0).map(({ request }) => `${request} never came`);
      const faults = [...wrong.splice(0), ...left];
      if (faults.length > 0) throw new Error(faults.join('\n'));
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const JSON_TYPE = 'application/json';
const PROBLEM_TYPE = 'application/problem+json';
