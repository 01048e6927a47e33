import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { clock, STORIES, taggedIn, type ProviderReport, type Reply, type Served } from './stories';

/**
 * A provider of language models, as a process of its own so that its work is not counted as ours: OpenAI's chat completions over HTTP,
 * with replies that take exactly as long as their story says, however many there are at once.
 */

/** Pieces that a part comes in where it is streamed. */
const PIECES = 10;
const USAGE = { prompt_tokens: 900, completion_tokens: 60, total_tokens: 960 };

let journal: Record<string, Served[]> = {};
let refused: string[] = [];

interface ChatRequest {
  model: string;
  stream?: boolean;
  response_format?: { json_schema?: { name: string } };
}

async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
  const served: Served = { arrived: clock(), parts: [] };
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const request = JSON.parse(text) as ChatRequest;
  const reply = replyTo(text, request, served);
  if (typeof reply === 'string') {
    refused.push(reply);
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { message: reply } }));
  } else if (request.stream === true) {
    await stream(reply, request, response, served);
  } else {
    await sleepUntil(served.arrived + reply.parts.at(-1)!.by_ms);
    const content = reply.parts.map((part) => part.text).join('');
    const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: 'c', model: request.model, choices, usage: USAGE }));
    served.parts.push(clock());
  }
}

/** The next reply of the run's story; or why there is none. */
function replyTo(text: string, { response_format }: ChatRequest, served: Served): Reply | string {
  const tagged = taggedIn(text);
  if (tagged === undefined) return 'The question is of no run of this benchmark.';
  const calls = (journal[tagged.tag] ??= []);
  const reply: Reply | undefined = STORIES[tagged.story][calls.length];
  if (reply === undefined) return `${tagged.tag} asks more often than its story says.`;
  const format = response_format?.json_schema?.name ?? null;
  if (format !== reply.format) return `${tagged.tag} asks for ${format} where its story has ${reply.name}.`;
  calls.push(served);
  return reply;
}

async function stream(
  { parts }: Reply,
  { model }: ChatRequest,
  response: ServerResponse,
  served: Served,
): Promise<void> {
  const event = (choices: object[], more: object = {}) =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model, choices, ...more })}\n\n`;
  const delta = (content: string) => event([{ index: 0, delta: { content }, finish_reason: null }]);
  const end = `${event([{ index: 0, delta: {}, finish_reason: 'stop' }])}${event([], { usage: USAGE })}data: [DONE]\n\n`;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  response.socket?.setNoDelay(true);
  let from_ms = 0;
  for (const { text, by_ms } of parts) {
    const size = Math.ceil(text.length / PIECES);
    const pieces = Array.from({ length: PIECES }, (_, i) => text.slice(i * size, (i + 1) * size));
    for (const [i, piece] of pieces.entries()) {
      await sleepUntil(served.arrived + from_ms + ((by_ms - from_ms) * (i + 1)) / PIECES);
      const last = i === PIECES - 1;
      if (last && by_ms === parts.at(-1)!.by_ms) response.end(`${delta(piece)}${end}`);
      else response.write(delta(piece));
      if (last) served.parts.push(clock());
    }
    from_ms = by_ms;
  }
}

async function sleepUntil(at: number): Promise<void> {
  const left = at - clock();
  if (left > 0) await sleep(left);
}

const say = (report: ProviderReport) => process.send!(report);

const server = createServer((message, response) => {
  answer(message, response).catch((error: Error) => {
    refused.push(error.message);
    response.destroy();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', 4_096, () => {
  say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` });
});
process.on('message', () => {
  say({ journal, refused });
  journal = {};
  refused = [];
});
