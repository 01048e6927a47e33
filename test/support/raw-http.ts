import { connect, type Socket } from 'node:net';

/** A reply as it came over the wire. */
export interface RawReply {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: string;
}

/** Writes bytes to a port of 127.0.0.1 and reads until the server closes the connection. @returns the replies, in order */
export async function exchange(port: number, bytes: string): Promise<RawReply[]> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes, 'latin1');
  return repliesIn(await received(socket));
}

/** Everything a server sends until it ends the connection, as text. */
export async function received(socket: Socket): Promise<string> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  await new Promise<void>((resolve) => {
    socket.on('end', resolve).on('close', () => resolve());
    socket.on('error', () => undefined); // a connection that is reset is closed too
  });
  return Buffer.concat(parts).toString('utf8');
}

/** Splits what a server sent into its replies; each must say its length. */
export function repliesIn(text: string): RawReply[] {
  const replies: RawReply[] = [];
  let rest = Buffer.from(text, 'utf8');
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) throw new Error(`These bytes are no reply: ${rest.toString('utf8')}`);
    const [start = '', ...lines] = rest.subarray(0, end).toString('utf8').split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(start)?.[1]);
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    );
    const length = Number(headers['content-length'] ?? 0);
    const body = rest.subarray(end + 4, end + 4 + length).toString('utf8');
    replies.push({ status, headers, body });
    rest = rest.subarray(end + 4 + length);
  }
  return replies;
}
