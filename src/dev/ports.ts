import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A port of 127.0.0.1 that nobody listens on now. Somebody may take it before it is used: the caller tries again then. */
export async function freePort(): Promise<number> {
  return (await tryListen(0, '127.0.0.1')) ?? Promise.reject(new Error('No free port on 127.0.0.1.'));
}

/** Whether nobody listens on the port, neither on 127.0.0.1 nor on all addresses. */
export async function isFree(port: number): Promise<boolean> {
  return (
    (await tryListen(port, '127.0.0.1')) !== undefined && (await tryListen(port, undefined)) !== undefined
  );
}

/**
 * The first free port from `wanted` upwards.
 * @throws Error when the next 50 are all taken
 */
export async function freePortFrom(wanted: number): Promise<number> {
  for (let port = wanted; port < Math.min(wanted + 50, 65_536); port++) {
    if (await isFree(port)) return port;
  }
  throw new Error(`Ports ${wanted} to ${wanted + 49} are all taken. Set PORT to a free one.`);
}

function tryListen(port: number, host: string | undefined): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host, exclusive: true }, () => {
      const taken = (server.address() as AddressInfo).port;
      server.close(() => resolve(taken));
    });
  });
}
