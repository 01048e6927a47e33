import { once } from 'node:events';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { sseParser, type SseFrame } from '../../src/watch/read-sse';
import { eventually } from './eventually';

/** An API as its readers see it. */
export interface Door {
  readonly port: number;
  readonly keys: { own: string };
}

export interface SseReader {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Frames that came, whole. */
  readonly frames: SseFrame[];
  /** Everything that came. */
  text(): string;
  /** `end`: the server closed the stream. `cut`: it broke off. */
  ending(): 'end' | 'cut' | undefined;
  /** Begins to read, when it was opened as one that does not. */
  read(): void;
  /** Breaks the connection off. */
  drop(): void;
}

interface SseOptions {
  /** Null sends none. */
  key?: string | null;
  /** Takes nothing from the network before `read()`. */
  reading?: boolean;
  headers?: Record<string, string>;
  /** Another port than the server's own: a wire that breaks. */
  port?: number;
  method?: string;
  /** Sent as JSON. */
  body?: object;
}

/** Opens a stream of server-sent events on a connection of its own. */
export async function openSse(
  api: Door,
  path: string,
  {
    key = api.keys.own,
    reading = true,
    headers = {},
    port = api.port,
    method = 'GET',
    body,
  }: SseOptions = {},
): Promise<SseReader> {
  const req = request({
    host: '127.0.0.1',
    port,
    path,
    method,
    agent: false,
    headers: {
      accept: 'text/event-stream',
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
  }).end(body === undefined ? undefined : JSON.stringify(body));
  const [reply] = (await once(req, 'response')) as [IncomingMessage];
  req.on('error', () => undefined);
  const parser = sseParser();
  const frames: SseFrame[] = [];
  const parts: string[] = [];
  let ending: 'end' | 'cut' | undefined;
  reply.setEncoding('utf8').on('error', () => undefined);
  reply.on('close', () => (ending = reply.complete ? 'end' : 'cut'));
  const read = () =>
    void reply.on('data', (text: string) => {
      parts.push(text);
      frames.push(...parser.push(text));
    });
  if (reading) read();
  return {
    status: reply.statusCode!,
    headers: reply.headers,
    frames,
    text: () => parts.join(''),
    ending: () => ending,
    read,
    drop: () => void req.destroy(),
  };
}

/** A frame of the server, read as JSON. */
export interface WsFrame {
  type: string;
  [member: string]: unknown;
}

export interface WsReader {
  readonly socket: WebSocket;
  /** Frames as they came. */
  readonly texts: string[];
  frames(): WsFrame[];
  /** JSON of the events that came, byte for byte. */
  events(): string[];
  send(frame: unknown): void;
  /** The code and reason it was closed with. */
  closed(): Promise<[code: number, reason: string]>;
}

interface WsOptions {
  key?: string | null;
  protocols?: string[];
  port?: number;
  headers?: Record<string, string>;
}

/** Frames of one type that came. */
export const framesOf = (reader: WsReader, type: string) =>
  reader.frames().filter((frame) => frame.type === type);

/** Waits until the server has said something of that type, and gives the first. */
export const told = (reader: WsReader, type: string, count = 1) =>
  eventually(() => framesOf(reader, type)[count - 1], { what: `frame ${count} of type ${type}` });

/** Opens a WebSocket and keeps what comes. */
export async function openWs(
  api: Door,
  path: string,
  { key = api.keys.own, protocols = [], port = api.port, headers: more = {} }: WsOptions = {},
): Promise<WsReader> {
  const headers = key === null ? more : { authorization: `Bearer ${key}`, ...more };
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, {
    headers,
    perMessageDeflate: false,
  });
  const texts: string[] = [];
  let closing: [number, string] | undefined;
  socket.on('message', (bytes: Buffer) => texts.push(bytes.toString()));
  socket.on('close', (code, reason) => (closing = [code, reason.toString()]));
  await once(socket, 'open');
  socket.on('error', () => undefined);
  return {
    socket,
    texts,
    frames: () => texts.map((text) => JSON.parse(text) as WsFrame),
    events: () =>
      texts.flatMap((text) => /^\{"type":"event","sub":"run","event":(.*)\}$/s.exec(text)?.[1] ?? []),
    send: (frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    closed: () => eventually(() => closing, { what: 'the WebSocket to be closed' }),
  };
}
