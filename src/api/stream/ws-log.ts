import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { RUN_ID } from '../../contracts/run';
import { newId } from '../../db/new-id';
import { traceIdOf } from '../../telemetry/trace';
import type { ApiDeps } from '../deps';

const SWITCHING_PROTOCOLS = 101;

/**
 * Runs a session inside a log context, as `requestLog` does with other requests, and tells log and metrics when its socket is closed.
 * @param run_id the run that the address names; null where it names none
 */
export function logSession(
  deps: Pick<ApiDeps, 'context' | 'log' | 'metrics'>,
  { ws, req, run_id }: { ws: WebSocket; req: IncomingMessage; run_id: string | null },
  begin: () => void,
): void {
  const route = run_id === null ? '/v1/stream' : '/ws/runs/{id}';
  const fields = {
    request_id: newId('req'),
    trace_id: traceIdOf(req.headers.traceparent as string | undefined),
    ...(run_id !== null && RUN_ID.test(run_id) ? { run_id } : {}),
  };
  deps.context.run(fields, () => {
    tellWhenOver(deps, { ws, socket: req.socket, route });
    begin();
  });
}

/** Apart from the above: what waits for the end of a session keeps all that is known where it was made, such as the request. */
function tellWhenOver(
  { context, log, metrics }: Pick<ApiDeps, 'context' | 'log' | 'metrics'>,
  { ws, socket, route }: { ws: WebSocket; socket: Socket; route: string },
): void {
  const began = performance.now();
  ws.on(
    'close',
    context.bind((close_code: number) => {
      const duration_ms = performance.now() - began;
      const request = { method: 'GET', route, status: SWITCHING_PROTOCOLS };
      metrics.request({ ...request, duration_s: duration_ms / 1_000, stream: true });
      const { bytesWritten: bytes } = socket;
      log.info(
        { ...request, close_code, duration_ms: Math.round(duration_ms * 10) / 10, bytes },
        `GET ${route} closed`,
      );
    }),
  );
}
