import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { once } from 'node:events';
import { FAILURES } from '../../src/contracts/failure';
import { commandsIn, readDocument } from '../support/documents';
import { startSystem, type System } from '../support/stack';

const DOCUMENT = readDocument('docs/reference/http.md');
/** Addresses that are served by WebSocket, which the OpenAPI document does not know. */
const SOCKETS = ['/v1/stream', '/ws/runs/{id}'];

interface Operation {
  parameters?: { in: string; name: string }[];
  requestBody?: { content: { 'application/json': { schema: { properties?: object } } } };
}

let system: System;
beforeAll(async () => (system = await startSystem()));
afterAll(() => system.stop());

/** Says each status on stderr, after the command it belongs to was said there. */
const PRELUDE = `set -euo pipefail
curl() { command curl --max-time 90 -w '%{stderr}\\n@status %{http_code}\\n' "$@"; }`;

/** Runs commands in one shell, as somebody does who pastes them. @returns for each command the statuses of its requests. */
async function pasted(commands: string[], env: Record<string, string>) {
  const script = commands.map((line) => `printf '\\n@command\\n' >&2\n${line}`).join('\n');
  const shell = spawn('bash', ['-c', `${PRELUDE}\n${script}`], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, said, [code]] = await Promise.all([
    text(shell.stdout),
    text(shell.stderr),
    once(shell, 'close') as Promise<[number]>,
  ]);
  const parts = said.split('@command\n').slice(1);
  const statuses = parts.map((part) =>
    [...part.matchAll(/^@status (\d+)$/gm)].map(([, status]) => Number(status)),
  );
  return { code, statuses, output, said };
}

describe('docs/reference/http.md', () => {
  test('has lines that work when they are pasted, with the statuses it says', async () => {
    const commands = commandsIn(DOCUMENT);
    const expected = commands.map((line) =>
      [...line.matchAll(/# → (\d+)$/g)].map(([, status]) => Number(status)),
    );
    expect(expected.flat().length).toBe(commands.length - 1); // all but the one that sets the variables
    const { API, KEY } = { API: system.api_url, KEY: system.key };
    const { code, statuses, output, said } = await pasted(commands, { API, KEY });
    const seen = commands.map((line, n) => `${statuses[n]?.join() ?? 'not run'} ${line}`);
    expect(seen).toEqual(commands.map((line, n) => `${expected[n]!.join()} ${line}`));
    if (code !== 0) throw new Error(`The shell ended with ${code}:\n${output}\n${said}`);
    // What was streamed is all there.
    expect(output.match(/event: stream\.end/g)).toHaveLength(2);
  });

  test('has a heading for every route, and none for what is no route', async () => {
    const document = (await (await system.request('/openapi.json')).json()) as {
      paths: Record<string, object>;
    };
    const routes = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const headings = [...DOCUMENT.matchAll(/^#+ `([A-Z]+ \/\S*)`$/gm)].map(([, route]) => route!);
    expect([...headings].sort()).toEqual([...routes].sort());
  });

  test('names every field and parameter where its route is', async () => {
    const { paths } = (await (await system.request('/openapi.json')).json()) as {
      paths: Record<string, Record<string, Operation>>;
    };
    const sections = new Map(
      DOCUMENT.split(/^### /m).map((text) => [/^`(.*)`$/m.exec(text)?.[1] ?? '', text] as const),
    );
    const missing = Object.entries(paths).flatMap(([path, item]) =>
      Object.entries(item).flatMap(([method, { parameters = [], requestBody }]) => {
        const route = `${method.toUpperCase()} ${path}`;
        if (route === 'POST /v1/runs/stream') return []; // takes what `POST /v1/runs` takes
        const query = parameters.filter((one) => one.in === 'query').map(({ name }) => name);
        const fields = Object.keys(requestBody?.content['application/json'].schema.properties ?? {});
        const text = sections.get(route) ?? '';
        return [...query, ...fields]
          .filter((name) => !text.includes(`\`${name}`))
          .map((name) => `${route}: ${name}`);
      }),
    );
    expect(missing).toEqual([]);
  });

  test('names no address that is not served', async () => {
    const { paths } = (await (await system.request('/openapi.json')).json()) as { paths: object };
    const served = [...Object.keys(paths), ...SOCKETS].map(
      (path) => new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`),
    );
    const named = [
      ...DOCUMENT.matchAll(/(?:\$API|`)(\/(?:v1|ws|docs|errors|healthz|readyz|version|openapi)[^\s"'`?]*)/g),
    ];
    const strange = named
      .map(([, path]) => path!)
      .filter((path) => !served.some((pattern) => pattern.test(path)));
    expect(named.length).toBeGreaterThan(30);
    expect([...new Set(strange)]).toEqual(['/v1']);
  });

  test('lists every code that a reply may carry, with its status, and no other', () => {
    const rows = [...DOCUMENT.matchAll(/^\| (\d{3}) +\| ([^|]*)\|/gm)].flatMap(([, status, codes]) =>
      [...codes!.matchAll(/`([a-z_]+)`/g)].map(([, code]) => `${status} ${code}`),
    );
    const replies = Object.entries(FAILURES).flatMap(([code, entry]) =>
      'status' in entry ? [`${entry.status} ${code}`] : [],
    );
    expect(rows.sort()).toEqual(replies.sort());
  });
});
