import { Client, Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { servers } from './database';

/** A part of a run's history that travels between its workers and Temporal. */
export interface Part {
  /** Number and type of the event, and where in it. */
  at: string;
  bytes: number;
}

/** The sizes of a run's whole history as Temporal keeps it. */
export interface HistorySizes {
  /** Whole events, as bytes on the wire. */
  events: Part[];
  /** Inputs, results, details of failures, headers, memos: everything that goes through the payload converter. */
  payloads: Part[];
}

const { HistoryEvent } = temporal.api.history.v1;
const { EventType } = temporal.api.enums.v1;

export async function historySizesOf(run_id: string): Promise<HistorySizes> {
  const connection = await Connection.connect({ address: servers().temporal_address });
  try {
    const { events = [] } = await new Client({ connection }).workflow.getHandle(run_id).fetchHistory();
    const named = (events ?? []).map((event) => ({
      event,
      at: `${String(event.eventId)} ${EventType[event.eventType!]!.replace('EVENT_TYPE_', '')}`,
    }));
    return {
      events: named.map(({ event, at }) => ({ at, bytes: HistoryEvent.encode(event).finish().byteLength })),
      payloads: named.flatMap(({ event, at }) => payloadsIn(event, at)),
    };
  } finally {
    await connection.close();
  }
}

/** Every payload in a message, however deep. */
function payloadsIn(value: unknown, at: string): Part[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  const { data, metadata } = value as { data?: unknown; metadata?: unknown };
  if (metadata !== undefined && data instanceof Uint8Array) return [{ at, bytes: data.byteLength }];
  return Object.entries(value).flatMap(([name, part]) => payloadsIn(part, `${at}.${name}`));
}
