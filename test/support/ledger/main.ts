import { fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseHits, type Acknowledgement, type Caller, type Hit, type Server } from './hit';

/**
 * A ledger: the world outside, in which tools of tests make effects. A program of its own, so that no crash of what is tested reaches it.
 * A line is on the disk before its hit is answered, and an answer that is lost does not take the line with it.
 *
 *   main.ts FILE        tells its parent the port
 *   POST /{server}/{acknowledgement}   a `Caller`
 *   POST /release       answers what is held
 */
const file = openSync(process.argv[2]!, 'a+');
const hits = parseHits(readFileSync(process.argv[2]!, 'utf8'));
const held: (() => void)[] = [];

function record(hit: Hit): void {
  writeSync(file, `${JSON.stringify(hit)}\n`);
  fsyncSync(file);
  hits.push(hit);
}

/** Records a hit. @returns what becomes of its answer */
function take(server: Server, wanted: Acknowledgement, key: string | null, caller: Caller): Acknowledgement {
  const { times = 1, ...who } = caller;
  const before = hits.filter((hit) => hit.run_id === who.run_id && hit.step_id === who.step_id).length;
  const acknowledgement = before < times ? wanted : 'prompt';
  const known = server === 'keyed' && hits.some((hit) => hit.applied && hit.key === key);
  record({ ...who, server, acknowledgement, key, applied: acknowledgement !== 'flaky' && !known });
  return acknowledgement;
}

/** The same for every hit of a key that is an effect once. */
function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, server, wanted] = request.url!.split('/');
  if (server === 'release') {
    for (const open of held.splice(0)) open();
    return answer(response, 200, {});
  }
  const bytes: Buffer[] = [];
  for await (const chunk of request) bytes.push(chunk as Buffer);
  const caller = JSON.parse(Buffer.concat(bytes).toString()) as Caller;
  const key = (request.headers['idempotency-key'] as string | undefined) ?? null;
  const acknowledgement = take(server as Server, wanted as Acknowledgement, key, caller);
  const applied = () => answer(response, 200, { made_for: `${caller.run_id} ${caller.step_id}` });
  if (acknowledgement === 'prompt') applied();
  if (acknowledgement === 'held') held.push(applied);
  if (acknowledgement === 'ack_lost') response.socket!.resetAndDestroy();
  if (acknowledgement === 'flaky') answer(response, 503, { error: 'Nothing was done.' });
}

const server = createServer((request, response) => {
  handle(request, response).catch((error: Error) => answer(response, 400, { error: error.message }));
});
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit()); // the test run is gone
