import { setTimeout as sleep } from 'node:timers/promises';

/** One frame of a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export interface SseFrame {
  /** Id of the newest frame that had one; undefined before the first. */
  id: string | undefined;
  event: string;
  data: string;
}

export interface ReadSseOptions {
  headers: Record<string, string>;
  signal?: AbortSignal;
  /** Hears of each lost connection. */
  onLost?: (reason: string) => void;
}

/** Pause before connecting again, until the server names another by `retry:`. */
const RETRY_MS = 1_000;
/** Connections in a row that bring nothing before it is given up. */
const MOST_FAILURES = 20;
/** The server sends a heartbeat every 15 s; a connection silent for longer than two is dead. */
const SILENCE_LIMIT_MS = 40_000;

/**
 * Reads a stream of server-sent events to its end and yields its frames, each once: after a lost connection it goes on behind
 * the newest id. Ends after a frame `stream.end` and on 204.
 * @throws Error when the server refuses (4xx), or cannot be reached again
 */
export async function* readSse(url: string, options: ReadSseOptions): AsyncGenerator<SseFrame, void> {
  const parser = sseParser();
  for (let failures = 0; ;) {
    try {
      const reply = await connect(url, options, parser.last_id());
      if (reply === 'over') return;
      for await (const text of reply) {
        for (const frame of parser.push(text)) {
          failures = 0;
          yield frame;
          if (frame.event === 'stream.end') return;
        }
      }
      throw new Error('the connection was closed');
    } catch (error) {
      if (options.signal?.aborted || error instanceof Refused) throw error;
      options.onLost?.((error as Error).message);
      if (++failures > MOST_FAILURES) {
        throw new Error(`${url} cannot be followed: ${(error as Error).message}`, { cause: error });
      }
    }
    parser.reset();
    await sleep(parser.retry_ms() ?? RETRY_MS, undefined, {
      ...(options.signal && { signal: options.signal }),
    });
  }
}

/** Refusals end the reading: the same request would be refused again. */
class Refused extends Error {}

async function connect(
  url: string,
  { headers, signal }: ReadSseOptions,
  last_id: string | undefined,
): Promise<AsyncIterable<string> | 'over'> {
  const stop = new AbortController();
  const reply = await fetch(url, {
    headers: {
      ...headers,
      Accept: 'text/event-stream',
      ...(last_id !== undefined && { 'Last-Event-ID': last_id }),
    },
    signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
  });
  if (reply.status === 204) return 'over';
  if (reply.status === 200 && reply.body)
    return textOf(reply.body, () => stop.abort(new Error('the connection is silent')));
  const text = `answered ${reply.status}: ${await reply.text()}`;
  throw reply.status < 500 && reply.status !== 429 ? new Refused(text) : new Error(text);
}

async function* textOf(body: NonNullable<Response['body']>, onSilence: () => void): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const silence = setTimeout(onSilence, SILENCE_LIMIT_MS);
  try {
    for await (const bytes of body) {
      silence.refresh();
      yield decoder.decode(bytes as Uint8Array, { stream: true });
    }
  } finally {
    clearTimeout(silence);
  }
}

/** Cuts text that comes in pieces of any size into frames. */
export function sseParser() {
  let rest = '';
  let last_id: string | undefined;
  // Counts only when its frame is complete: else a frame that was cut behind its id would be lost.
  let next_id: string | undefined;
  let retry_ms: number | undefined;
  let event = '';
  let data: string[] = [];

  function take(line: string): SseFrame | undefined {
    if (line === '') {
      last_id = next_id;
      const frame =
        data.length === 0 ? undefined : { id: last_id, event: event || 'message', data: data.join('\n') };
      event = '';
      data = [];
      return frame;
    }
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') event = value ?? '';
    if (field === 'data') data.push(value ?? '');
    if (field === 'id' && !value?.includes('\0')) next_id = value ?? '';
    if (field === 'retry' && /^\d+$/.test(value ?? '')) retry_ms = Number(value);
    return undefined;
  }

  return {
    /** Takes a piece of text and gives the frames that it completes. */
    push(text: string): SseFrame[] {
      // A carriage return at the very end may be half of a line end: it waits for the next piece.
      const pieces = (rest + text).split(/\r\n|\n|\r(?!$)/);
      rest = pieces.pop() ?? '';
      return pieces.flatMap((line) => take(line) ?? []);
    },
    /** Forgets a frame that a lost connection has cut. */
    reset(): void {
      rest = '';
      event = '';
      data = [];
      next_id = last_id;
    },
    last_id: () => last_id,
    retry_ms: () => retry_ms,
  };
}
