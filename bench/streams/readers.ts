import { connect } from 'node:net';
import { WebSocket } from 'ws';

/**
 * A process of clients, told by its parent what to read. It does as little as possible per event, because it shares the machine with the
 * server that is measured: server-sent events over bare sockets, one regular expression per chunk.
 */
export type Order =
  | { do: 'open'; wire: 'sse' | 'ws'; port: number; key: string; runs: string[] }
  | { do: 'report'; commits: Record<string, number> }
  | { do: 'close' };
export type Report = 'open' | 'closed' | { latencies: number[] };

/** Connections that are opened at once. */
const LANES = 40;

/** When an event reached a reader, milliseconds since 1970. */
let arrivals: { run_id: string; seq: number; at: number }[] = [];
let closers: (() => void)[] = [];

const now = () => performance.timeOrigin + performance.now();
const say = (report: Report) => process.send!(report);

function arrived(run_id: string, text: string, seqs: RegExp): void {
  const at = now();
  for (const [, seq] of text.matchAll(seqs)) arrivals.push({ run_id, seq: Number(seq), at });
}

function openSse(port: number, key: string, run_id: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    closers.push(() => socket.destroy());
    socket.on('error', reject);
    socket.write(
      `GET /v1/runs/${run_id}/events?after=last HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nX-API-Key: ${key}\r\n\r\n`,
    );
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (text.startsWith('HTTP/1.1')) {
        if (text.startsWith('HTTP/1.1 200')) resolve();
        else reject(new Error(text));
      }
      arrived(run_id, text, /id: (\d+)\n/g);
    });
  });
}

function openWs(port: number, key: string, run_id: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/runs/${run_id}?after=last`, {
      headers: { 'x-api-key': key },
      perMessageDeflate: false,
    });
    closers.push(() => socket.terminate());
    socket.on('error', reject);
    socket.on('message', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      if (text.startsWith('{"type":"subscribed"')) resolve();
      else if (text.startsWith('{"type":"event"')) arrived(run_id, text, /"seq":(\d+)/g);
    });
  });
}

async function obey(order: Order): Promise<void> {
  if (order.do === 'open') {
    arrivals = [];
    const waiting = [...order.runs];
    const lane = async () => {
      for (let run_id = waiting.pop(); run_id !== undefined; run_id = waiting.pop()) {
        await (order.wire === 'sse' ? openSse : openWs)(order.port, order.key, run_id);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    say('open');
  } else if (order.do === 'report') {
    const latencies = arrivals.flatMap(({ run_id, seq, at }) => {
      const committed = order.commits[`${run_id}:${seq}`];
      return committed === undefined ? [] : [at - committed];
    });
    say({ latencies });
  } else {
    for (const close of closers) close();
    closers = [];
    say('closed');
  }
}

process.on('message', (order: Order) => {
  obey(order).catch((error: Error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  });
});
