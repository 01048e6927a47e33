import { z } from 'zod';
import { Refusal } from '../../contracts/refusal';
import type { Cursor } from '../../events/position';
import { shownAs } from '../query';

/** Where a query carries a cursor. What is wrong with it has a code of its own, so it is parsed by `parseCursor`. */
export const cursorText = z
  .unknown()
  .optional()
  .meta(
    shownAs({
      type: 'string',
      pattern: '^(\\d{1,15}|last)$',
      description: 'Events after this number: a whole number from 0 (default), or `last`.',
    }),
  );

/**
 * A cursor as clients write it: a whole number from 0, or `last`. Absent, it is 0.
 * @param pointer where the client wrote it
 * @throws Refusal `invalid_cursor`.
 */
export function parseCursor(text: unknown, pointer: string): Cursor {
  if (text === undefined) return 0;
  if (text === 'last') return 'last';
  if (typeof text === 'string' && /^\d{1,15}$/.test(text)) return Number(text);
  throw new Refusal('invalid_cursor', 'The cursor is neither a whole number from 0 nor `last`.', [
    { pointer, code: 'invalid_format', detail: 'must be a whole number from 0, or `last`' },
  ]);
}
