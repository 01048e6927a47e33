import { z } from 'zod';
import { ApiKeyList, ApiKeyView } from '../../contracts/api-key';
import { Refusal } from '../../contracts/refusal';
import { findApiKey, listApiKeys as list } from '../../db/api-keys';
import { KEY_ID, keyIdIn } from '../key-id';
import { keyView } from '../key-view';
import { route } from '../route';

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

const keyId = z.string().regex(KEY_ID, 'must be the id of a key').optional();
const Query = z
  .strictObject({
    after: keyId,
    before: keyId,
    limit: z
      .string()
      .regex(/^\d{1,3}$/, `must be a whole number from 1 to ${MAX_LIMIT}`)
      .transform(Number)
      .pipe(z.number().min(1).max(MAX_LIMIT))
      .optional(),
  })
  .refine(({ after, before }) => after === undefined || before === undefined, {
    path: ['before'],
    message: 'must be absent when after is given',
  });

export function listApiKeys() {
  return route({
    method: 'get',
    path: '/v1/api-keys',
    operation: 'listApiKeys',
    summary: 'The keys of the tenant, the newest first, also those that are revoked or have expired.',
    scope: 'admin',
    query: Query,
    replies: { 200: { description: 'A page of keys.', schema: ApiKeyList } },
    async handle({ res, query: { after, before, limit = DEFAULT_LIMIT }, caller, records }) {
      // One more than is asked for tells whether there are more.
      const rows = await list(records, caller.tenant, { after, before, limit: limit + 1 });
      const has_more = rows.length > limit;
      const page = before === undefined ? rows.slice(0, limit) : rows.slice(-limit);
      const ends = { first_id: page[0]?.id ?? null, last_id: page.at(-1)?.id ?? null };
      res.json({ object: 'list', data: page.map(keyView), has_more, ...ends });
    },
  });
}

export function getApiKey() {
  return route({
    method: 'get',
    path: '/v1/api-keys/{id}',
    operation: 'getApiKey',
    summary: 'The key, without its secret.',
    scope: 'admin',
    replies: { 200: { description: 'The key.', schema: ApiKeyView } },
    failures: ['not_found'],
    async handle({ req, res, caller, records }) {
      const key = await findApiKey(records, caller.tenant, keyIdIn(req));
      if (key === undefined) throw new Refusal('not_found', 'There is no such key.');
      res.json(keyView(key));
    },
  });
}
