import type { IncomingMessage } from 'node:http';
import { Refusal, type RefusedPart } from '../contracts/refusal';
import { MAX_HEADERS } from './socket-limits';

/** Names under which clients show secrets in a query. `ticket` is none: it is taken once and then worth nothing. */
const SECRET_NAMES = new Set(['api_key', 'apikey', 'key', 'token', 'access_token', 'authorization']);
/** A key of ours, wherever it stands but within a stream ticket, whose random text may look like one. No id or cursor has this form. */
const KEY = /(?<!lht_[A-Za-z0-9_-]*)lh_[A-Za-z0-9_-]{16,}/g;
/** What a `Host` may be: a name or an address, and a port. */
const HOST = /^([A-Za-z0-9._~%-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/;

/**
 * What is wrong with a request before anybody looks at what it asks for; null when nothing is. Node's parser has refused most
 * shapes by then. The rest are those that a proxy in front may read in another way than this server does (RFC 9112 §3.2, §6.1),
 * and addresses with a secret in them: those must reach neither a route nor a log.
 */
export function requestFault(req: IncomingMessage): Refusal | null {
  if (showsSecret(req.url ?? '')) {
    return new Refusal('secret_in_url', 'The address carries what looks like a key; it was not looked at.');
  }
  if (req.httpVersion !== '1.1' && req.httpVersion !== '1.0') {
    return new Refusal('invalid_request', 'Only HTTP/1.1 and HTTP/1.0 are spoken here.');
  }
  if (req.rawHeaders.length / 2 > MAX_HEADERS) {
    return new Refusal('invalid_request', `The request has more than ${MAX_HEADERS} headers.`);
  }
  const coding = req.headers['transfer-encoding'];
  if (coding !== undefined && (req.httpVersion === '1.0' || coding.toLowerCase() !== 'chunked')) {
    return wrongHeader('Transfer-Encoding', 'must be `chunked`, in HTTP/1.1');
  }
  if (req.headers.expect !== undefined && req.headers.expect.toLowerCase() !== '100-continue') {
    return wrongHeader('Expect', 'must be `100-continue`');
  }
  const hosts = req.headersDistinct.host ?? [];
  const lacking = hosts.length === 0 && req.httpVersion === '1.0';
  if (!lacking && !(hosts.length === 1 && HOST.test(hosts[0]!))) {
    return wrongHeader('Host', 'must be there once, as a name or an address with or without a port');
  }
  return null;
}

/** The path of a request as it may be shown: without the query, and without keys. By hand: `new URL` throws for such as `//`. */
export function shownPath(req: IncomingMessage): string {
  const [path = ''] = (req.url ?? '').split(/[?#]/, 1);
  const plain = decoded(path);
  return plain.search(KEY) < 0 ? path : plain.replace(KEY, 'lh_…');
}

function showsSecret(url: string): boolean {
  const query = url.slice(url.indexOf('?') + 1 || url.length);
  const names = [...new URLSearchParams(query).keys()].map((name) => name.replace(/\[.*$/, '').toLowerCase());
  return names.some((name) => SECRET_NAMES.has(name)) || decoded(url).search(KEY) >= 0;
}

/** Percent-encoding undone where it is some. */
function decoded(text: string): string {
  return text.replace(/%[0-7][0-9A-Fa-f]/g, (code) => String.fromCharCode(parseInt(code.slice(1), 16)));
}

function wrongHeader(name: string, detail: string): Refusal {
  const part: RefusedPart = { pointer: `/header/${name}`, code: 'invalid_format', detail };
  return new Refusal('invalid_request', `The header ${name} ${detail}.`, [part]);
}
