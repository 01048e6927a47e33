/**
 * The limits of one call to a provider. Whichever is met first ends the call: `signal` is aborted, and `ended` says by what.
 *
 *   total        from the beginning of the call to the end of its last request
 *   idle         between two bytes of an answer. Before the first one only the total limit counts: a reply that is not streamed, that is
 *                thought over first, or that waits for its turn at a busy server, may say nothing for a minute and be fine
 *   tail         the same once the model has finished: the usage and the end of the stream are all that may still come
 *   size         of the answer on the wire, and of one line of it
 */

/** Without a byte for so long, an answer that has begun is given up, milliseconds. Providers of slow models send pings before that. */
const IDLE_MS = 30_000;
/** The same after the model has finished, milliseconds: the reply is there, only what it cost may be missing. */
const TAIL_MS = 2_000;
/** Bytes of an answer on the wire: some 100,000 tokens, each in an envelope of 250 to 300 bytes. */
const MAX_WIRE_BYTES = 32_000_000;
/** Bytes of one line of it: a reply of the largest size at once, with its escapes. The client reads a line anew with each byte that comes. */
const MAX_LINE_BYTES = 3_000_000;

const NEWLINE = 0x0a;

export type CallEnd = 'interrupted' | 'timeout' | 'idle' | 'too_large';

export class CallLimits {
  /** What ended the call before its end; null while nothing has. */
  ended: CallEnd | null = null;

  readonly #controller = new AbortController();
  readonly #caller: AbortSignal;
  readonly #interrupt = () => this.#end('interrupted');
  readonly #total: NodeJS.Timeout;
  #idle: NodeJS.Timeout | undefined;
  #idle_ms = IDLE_MS;
  #wire_bytes = 0;
  #line_bytes = 0;

  /** @param caller ends the call when it is aborted */
  constructor(caller: AbortSignal, timeout_ms: number) {
    this.#caller = caller;
    this.#total = setTimeout(() => this.#end('timeout'), timeout_ms);
    if (caller.aborted) this.#interrupt();
    else caller.addEventListener('abort', this.#interrupt, { once: true });
  }

  /** Aborted when a limit is met; the requests of the call must heed it. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** As the global `fetch`; the bytes of the answer's body are watched. */
  readonly fetch: typeof fetch = async (address, init) => {
    const answer = await fetch(address, init);
    if (answer.body === null) return answer;
    const watch = new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, out) => {
        this.#saw(bytes);
        out.enqueue(bytes);
      },
    });
    const { status, headers } = answer;
    return new Response(answer.body.pipeThrough(watch), { status, headers });
  };

  /** The model has finished: from here on the idle limit is that of the tail. */
  expectTail(): void {
    this.#idle_ms = TAIL_MS;
    this.#wait();
  }

  /** Frees the timers, and closes what is still open. To be called when the call is over, however it went. */
  release(): void {
    clearTimeout(this.#total);
    clearTimeout(this.#idle);
    this.#caller.removeEventListener('abort', this.#interrupt);
    this.#controller.abort();
  }

  #saw(bytes: Uint8Array): void {
    this.#wait();
    this.#wire_bytes += bytes.length;
    const newline = bytes.lastIndexOf(NEWLINE);
    this.#line_bytes = newline < 0 ? this.#line_bytes + bytes.length : bytes.length - newline - 1;
    if (this.#wire_bytes > MAX_WIRE_BYTES || this.#line_bytes > MAX_LINE_BYTES) this.#end('too_large');
  }

  #wait(): void {
    // Bytes may be on their way still when the call is over: no timer may outlive it.
    if (this.signal.aborted) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#end('idle'), this.#idle_ms);
  }

  #end(by: CallEnd): void {
    this.ended ??= by;
    clearTimeout(this.#idle);
    this.#controller.abort();
  }
}
