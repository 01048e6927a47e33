import { Refusal } from '../../contracts/refusal';
import type { Cursor } from '../../events/position';

/** A cursor as clients write it: a whole number from 0, or `last`. @throws Refusal `invalid_cursor`. */
export function parseCursor(text: unknown): Cursor {
  if (text === undefined) return 0;
  if (text === 'last') return 'last';
  if (typeof text === 'string' && /^\d{1,15}$/.test(text)) return Number(text);
  throw new Refusal('invalid_cursor', 'The cursor is neither a whole number from 0 nor `last`.', [
    { pointer: '/query/after', code: 'invalid_format', detail: 'must be a whole number from 0, or `last`' },
  ]);
}
