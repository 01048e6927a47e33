import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { Logger } from '../telemetry/logger';

/** Longest wait for the SDK's own metrics, milliseconds: they come from this very process. */
const SDK_WITHIN_MS = 2_000;

export interface MetricsServer {
  close(): Promise<void>;
}

export interface MetricsServerOptions {
  host: string;
  port: number;
  register: Registry;
  /** Where the SDK serves its metrics. */
  sdk_address: string;
  log: Logger;
}

/** Serves `GET /metrics`: ours, and after them those of the Temporal SDK. @throws Error when the port is taken. */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port, register } = options;
  const server = createServer((req, res) => {
    if (req.url !== '/metrics') return void res.writeHead(404).end();
    Promise.all([register.metrics(), sdkMetrics(options)]).then(
      (texts) => res.writeHead(200, { 'content-type': register.contentType }).end(texts.join('\n')),
      (err: unknown) => {
        options.log.error({ err }, 'The metrics could not be collected.');
        res.writeHead(500).end();
      },
    );
  });
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    throw new Error(
      `The metrics cannot be served on ${host}:${port} (${(error as Error).message}). Give LONGHAUL_METRICS_PORT a free port, one for each worker process of a machine.`,
      { cause: error },
    );
  }
  return {
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The SDK's metrics as text; nothing when it does not answer, because ours are to be told all the same. */
async function sdkMetrics({ sdk_address, log }: MetricsServerOptions): Promise<string> {
  try {
    const reply = await fetch(`http://${sdk_address}/metrics`, {
      signal: AbortSignal.timeout(SDK_WITHIN_MS),
    });
    return await reply.text();
  } catch (err) {
    log.warn({ err }, 'The metrics of the Temporal SDK could not be read.');
    return '';
  }
}

/** A loopback address for the SDK's exporter, which cannot say which port it took and so must be told one. */
export async function freeLoopbackAddress(): Promise<string> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}
