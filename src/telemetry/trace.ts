import { randomBytes } from 'node:crypto';

/** https://www.w3.org/TR/trace-context/#traceparent-header: version, trace id, parent id, flags. Later versions may add parts. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
const NO_TRACE = '0'.repeat(32);
const NO_PARENT = '0'.repeat(16);

/** The trace that a request belongs to: that of its `traceparent` where it is valid, else a new one. 32 hexadecimal digits. */
export function traceIdOf(traceparent: string | undefined): string {
  const [, version, trace_id, parent_id, more] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  const valid =
    version !== 'ff' &&
    trace_id !== NO_TRACE &&
    parent_id !== NO_PARENT &&
    (version !== '00' || more === undefined);
  return valid && trace_id !== undefined ? trace_id : randomBytes(16).toString('hex');
}
