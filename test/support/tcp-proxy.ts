import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';

export interface TcpProxy {
  readonly port: number;
  /** Breaks all connections and refuses new ones. */
  cut(): void;
  /** Takes connections again. */
  heal(): void;
  /** Open connections through it. */
  connections(): number;
  stop(): Promise<void>;
}

export interface TcpProxyOptions {
  host: string;
  /** The port, or where the next connection is to go. */
  port: number | (() => number);
  /** Bytes after which the next connection is broken, counted towards the client; never when absent. */
  breakAfter?: () => number;
  /** Of a new connection: whether the reply to what a client has just sent gets lost, and the connection with it. */
  loseReplyTo?: () => (sent: Buffer) => boolean;
}

/** A wire that can be cut: passes bytes between clients on a port of 127.0.0.1 and a server. */
export async function startTcpProxy({
  host,
  port,
  breakAfter,
  loseReplyTo,
}: TcpProxyOptions): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((client) => {
    if (isCut) return client.resetAndDestroy();
    const upstream = connect({ host, port: typeof port === 'number' ? port : port() });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => undefined); // a wire that breaks is what it is for
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
    let left = breakAfter?.() ?? Infinity;
    const loses = loseReplyTo?.();
    client.on('data', (sent: Buffer) => {
      if (loses?.(sent) === true) left = 0;
    });
    client.pipe(upstream);
    upstream.on('data', (bytes: Buffer) => {
      if (bytes.length >= left) {
        client.write(bytes.subarray(0, left), () => client.resetAndDestroy());
        upstream.destroy();
        return;
      }
      left -= bytes.length;
      if (client.write(bytes)) return;
      upstream.pause();
      client.once('drain', () => upstream.resume());
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true;
      for (const socket of open) socket.resetAndDestroy();
    },
    heal() {
      isCut = false;
    },
    connections: () => open.size / 2,
    async stop() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
