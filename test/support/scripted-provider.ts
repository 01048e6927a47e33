import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';

/**
 * A provider of language models that says what the test wrote down: an HTTP server on loopback that speaks OpenAI's chat completions,
 * streamed where the request asks for that.
 *
 *   const provider = await scriptedProvider();
 *   provider.answer({ text: 'four' });                             // the next request gets this
 *   provider.answer({ status: 429, headers: { 'retry-after': '3' }, body: { error: { message: 'slow down' } } });
 *   provider.serve((request) => ({ text: planFor(request) }));     // all requests beyond the answers above
 *   … base URL: provider.url, any key …
 *   expect(provider.requests[0]?.body.messages).toEqual(…);
 *   await provider.close();                                        // in afterEach
 *
 * It is strict. A request that finds no answer gets a 400 and makes `close` throw, so do answers that nobody asked for. Every request is
 * kept, in the order of their arrival.
 */
export interface ScriptedProvider {
  /** Base URL for clients, `/v1` included. */
  readonly url: string;
  readonly requests: ProviderRequest[];
  /** Puts answers at the end of the queue: each is given to one request. */
  answer(...answers: Answer[]): void;
  /** Answers requests that find the queue empty. What it throws makes `close` throw. */
  serve(answering: (request: ProviderRequest) => Answer | Promise<Answer>): void;
  /** Breaks what is open and frees the port. @throws Error when a request found no answer, or answers are left over. */
  close(): Promise<void>;
}

export interface ProviderRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: ChatBody;
  /** Whether the client went away before the answer was over. */
  left: boolean;
}

export interface ChatBody {
  model: string;
  messages: { role: string; content: string }[];
  stream?: boolean;
  response_format?: { type: string; json_schema?: { name: string; schema: unknown; strict?: boolean } };
  [more: string]: unknown;
}

/**
 * One answer. The first group says what the model says; `status`, `headers` and `body` stand for themselves and replace it; the last group
 * says how the bytes go over the wire, of either.
 */
export interface Answer {
  text?: string;
  /** The deltas of a stream; words of `text` when absent. */
  pieces?: string[];
  refusal?: string;
  /** Why the model stopped: `stop` when absent; null: it never says. */
  finish?: string | null;
  /** 10 tokens in and 5 out when absent; null: it does not say. */
  usage?: { input_tokens: number; output_tokens: number; cached_tokens?: number } | null;
  /** Name of the model that answers; the one asked for when absent. */
  model?: string;

  status?: number;
  headers?: Record<string, string>;
  /** Sent as it is; an object as JSON. */
  body?: string | object;

  /** Sends the bytes so many at a time. */
  chunk_bytes?: number;
  /** Awaited before the last chunk: of a stream the one that says why the model stopped, else the last byte. */
  hold?: Promise<unknown>;
  /**
   * `reset`: the connection breaks where the last chunk would come. `open`: that never comes, and the connection stays. `endless`: all before
   * it comes again and again, until the reader leaves.
   */
  ending?: 'whole' | 'reset' | 'open' | 'endless';
  /** Takes the request and never answers. */
  silent?: boolean;
}

/** Starts a provider on a free port. See above. */
export async function scriptedProvider(): Promise<ScriptedProvider> {
  const answers: Answer[] = [];
  const requests: ProviderRequest[] = [];
  const wrong: string[] = [];
  let answering: ((request: ProviderRequest) => Answer | Promise<Answer>) | undefined;

  const answerTo = async (request: ProviderRequest): Promise<Answer> => {
    const next = answers.shift();
    if (next !== undefined) return next;
    if (answering !== undefined) return answering(request);
    throw new Error(`Request ${requests.length} (${request.method} ${request.path}) found no answer.`);
  };
  const handle = async (message: IncomingMessage, response: ServerResponse) => {
    try {
      const request = await received(message);
      response.on('close', () => (request.left = !response.writableFinished));
      requests.push(request);
      await send(await answerTo(request), request, response);
    } catch (error) {
      wrong.push((error as Error).message);
      // Terminal for the client: a request that fails for the script's fault is not to be tried again and again.
      if (!response.headersSent) response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: `Scripted provider: ${(error as Error).message}` } }));
    }
  };

  const server = createServer((message, response) => void handle(message, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    answer: (...more) => void answers.push(...more),
    serve: (how) => (answering = how),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      if (answers.length > 0) wrong.push(`${answers.length} answers are left over.`);
      if (wrong.length > 0) throw new Error(`The script of the provider does not fit: ${wrong.join(' ')}`);
    },
  };
}

async function received(message: IncomingMessage): Promise<ProviderRequest> {
  const { method = '', url: path = '', headers } = message;
  const bytes: Buffer[] = [];
  for await (const chunk of message) bytes.push(chunk as Buffer);
  const body = bytes.length === 0 ? {} : (JSON.parse(Buffer.concat(bytes).toString()) as unknown);
  return { method, path, headers, body: body as ChatBody, left: false };
}

async function send(answer: Answer, request: ProviderRequest, response: ServerResponse): Promise<void> {
  if (answer.silent === true) return;
  const { type, first, last } = wire(answer, request);
  response.writeHead(answer.status ?? 200, { 'content-type': type, ...answer.headers });
  response.flushHeaders();
  const { ending = 'whole', chunk_bytes = Infinity } = answer;
  do await write(response, first, chunk_bytes);
  while (ending === 'endless' && !response.destroyed);
  await answer.hold;
  if (ending === 'reset') response.socket?.resetAndDestroy();
  if (ending !== 'whole') return;
  await write(response, last, chunk_bytes);
  response.end();
}

/** @returns what is sent: what comes before `hold` and the endings, and the last chunk */
function wire(answer: Answer, request: ProviderRequest): { type: string; first: string; last: string } {
  const { body } = answer;
  if (typeof body === 'object') return { type: 'application/json', first: JSON.stringify(body), last: '' };
  const streamed = request.body.stream === true;
  if (body !== undefined)
    return { type: streamed ? 'text/event-stream' : 'text/plain', first: body, last: '' };
  if (streamed) return { type: 'text/event-stream', ...stream(answer, request) };
  const json = JSON.stringify(completion(answer, request));
  return { type: 'application/json', first: json.slice(0, -1), last: json.slice(-1) };
}

/** A completion as the provider says it at once. Source: OpenAI's API reference, "The chat completion object". */
function completion(answer: Answer, { body }: ProviderRequest): object {
  const { text = '', refusal = null, finish = 'stop' } = answer;
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: answer.model ?? body.model,
    choices: [{ index: 0, message: { role: 'assistant', content: text, refusal }, finish_reason: finish }],
    ...(answer.usage === null ? {} : { usage: usageOf(answer) }),
  };
}

/** The same as events. Usage comes after the end, in an event without choices. Source: "The chat completion chunk object". */
function stream(answer: Answer, { body }: ProviderRequest): { first: string; last: string } {
  const { text = '', pieces = text.match(/\S+\s*|\s+/g) ?? [], refusal, finish = 'stop' } = answer;
  const event = (choices: object[], more: object = {}) => {
    const model = answer.model ?? body.model;
    const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, choices, ...more };
    return `data: ${JSON.stringify(chunk)}\n\n`;
  };
  const delta = (part: object, finish_reason: string | null = null) =>
    event([{ index: 0, delta: part, finish_reason }]);
  const first = [
    delta({ role: 'assistant', content: '' }),
    ...pieces.map((content) => delta({ content })),
    ...(refusal === undefined ? [] : [delta({ refusal })]),
  ];
  const last = [
    ...(finish === null ? [] : [delta({}, finish)]),
    ...(answer.usage === null ? [] : [event([], { usage: usageOf(answer) })]),
    ...(finish === null ? [] : ['data: [DONE]\n\n']),
  ];
  return { first: first.join(''), last: last.join('') };
}

function usageOf({ usage }: Answer): object {
  const { input_tokens, output_tokens, cached_tokens = 0 } = usage ?? { input_tokens: 10, output_tokens: 5 };
  return {
    prompt_tokens: input_tokens,
    completion_tokens: output_tokens,
    total_tokens: input_tokens + output_tokens,
    prompt_tokens_details: { cached_tokens },
  };
}

/** Writes so many bytes at a time, no faster than they are read; stops when the reader has left. */
async function write(response: ServerResponse, text: string, chunk_bytes: number): Promise<void> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length && !response.destroyed; at += chunk_bytes) {
    await new Promise<void>((resolve) => {
      // Called when the bytes are on their way, and with an error when the reader has left: both end the wait.
      response.write(bytes.subarray(at, at + chunk_bytes), () => resolve());
    });
  }
  await setImmediate();
}
