import { randomBytes } from 'node:crypto';
import { encodeTime } from 'ulid';

/** Kinds of ids; the kind is the prefix. */
type IdKind = 'run' | 'evt' | 'key' | 'wish' | 'req' | 'todo' | 'ses';

/** Crockford's base 32, in which a ULID is written (https://github.com/ulid/spec). */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_CHARS = 10;
const RANDOM_CHARS = 16;

/** A new id that carries its kind and sorts by time: `run_01K8…`, 48 bits of time and 80 random ones. */
export function newId(kind: IdKind): string {
  // One call for all random digits: the library asks for them one by one, at a price that shows in a profile.
  const random = Array.from(randomBytes(RANDOM_CHARS), (byte) => DIGITS[byte % DIGITS.length]).join('');
  return `${kind}_${encodeTime(Date.now(), TIME_CHARS)}${random}`;
}
