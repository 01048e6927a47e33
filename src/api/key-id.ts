import type { Request } from 'express';
import { Refusal } from '../contracts/refusal';

export const KEY_ID = /^key_[0-9A-HJKMNP-TV-Z]{26}$/;

/** The id of a key in the address. @throws Refusal `not_found` for what is none: it is no more there than a key of another tenant. */
export function keyIdIn({ params: { id } }: Request): string {
  if (typeof id === 'string' && KEY_ID.test(id)) return id;
  throw new Refusal('not_found', 'There is no such key.');
}
