import type { RawData } from 'ws';
import { z } from 'zod';
import { lostNumber } from '../../contracts/lost-digits';
import type { StreamItem } from '../../events/batch';
import { hostileParts } from '../body';
import { TypeNames } from './filter';
import type { Wire } from './delivery';

/** A name that the client gives to what it wants answered. */
const Name = z.string().min(1).max(64);
const RunId = z.string().max(64);

/** Frames that clients send. */
const ClientFrame = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('auth'), token: z.string().max(200) }),
  z.strictObject({
    type: z.literal('subscribe'),
    sub: Name,
    run_id: RunId,
    after: z.union([z.number().int().min(0), z.literal('last')]).optional(),
    types: TypeNames.optional(),
    deltas: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal('unsubscribe'), sub: Name }),
  z.strictObject({ type: z.literal('ack'), sub: Name, seq: z.number().int().min(0) }),
  z.strictObject({
    type: z.literal('command'),
    id: Name,
    name: z.literal('cancel'),
    params: z.strictObject({ run_id: RunId, reason: z.string().min(1).max(500).optional() }),
  }),
  z.strictObject({ type: z.literal('ping'), t: z.union([z.number(), z.string().max(100)]).optional() }),
]);
export type ClientFrame = z.infer<typeof ClientFrame>;

/** The frame that a message is; null when it is none. */
export function frameIn(data: RawData, binary: boolean): ClientFrame | null {
  if (binary) return null;
  try {
    const text = String(data);
    const frame = ClientFrame.safeParse(JSON.parse(text)).data ?? null;
    // What Postgres and JSON cannot carry is refused here as it is in bodies.
    return hostileParts(frame, '').length > 0 || lostNumber(Buffer.from(text)) !== null ? null : frame;
  } catch {
    return null; // not JSON: as bad as any other frame that is none
  }
}

/** How the frames of a subscription look. */
export class SubscriptionWire implements Wire {
  readonly piece_chars = 0; // every frame is a message
  readonly key: string;

  constructor(private readonly sub: string) {
    this.key = `ws ${sub}`;
  }

  item(item: StreamItem): string {
    const { sub } = this;
    if (item.kind === 'event') {
      return `{"type":"event","sub":${JSON.stringify(sub)},"event":${item.event.json}}`;
    }
    const { from, to, reason } = item;
    return JSON.stringify({ type: 'gap', sub, from, to, reason });
  }

  position(seq: number): string {
    return JSON.stringify({ type: 'position', sub: this.sub, seq });
  }

  pack(text: string): Buffer {
    return messageOf(text);
  }
}

/**
 * A text message of a server (RFC 6455 §5.2), whole and unmasked. Written to the socket itself it serves all readers of the same
 * subscription's name, and costs half of what a WebSocket takes to make it for each.
 */
export function messageOf(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const message = Buffer.allocUnsafe(head + length);
  message[0] = 0x81; // final, text
  message[1] = head === 2 ? length : head === 4 ? 126 : 127;
  if (head === 4) message.writeUInt16BE(length, 2);
  if (head === 10) message.writeBigUInt64BE(BigInt(length), 2);
  message.write(text, head);
  return message;
}

/** The answer to a ping of the protocol (RFC 6455 §5.5.3), as it goes to the socket. @param bytes what came with the ping, at most 125 */
export function pongOf(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x8a, bytes.length]), bytes]);
}
