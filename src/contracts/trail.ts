/** What leads from a line of any log back to the request it began with. It travels in a Temporal header to every activity of a run. */
export interface Trail {
  /** Null where a run was not submitted by a request that is known. */
  request_id: string | null;
  /** 32 hexadecimal digits, the client's own where it sent a valid `traceparent`. */
  trace_id: string | null;
  tenant: string;
  run_id: string;
}
