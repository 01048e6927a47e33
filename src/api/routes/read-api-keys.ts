import { z } from 'zod';
import { ApiKeyList, ApiKeyView } from '../../contracts/api-key';
import { pageOf } from '../../contracts/list';
import { Refusal } from '../../contracts/refusal';
import { findApiKey, listApiKeys as list } from '../../db/api-keys';
import { KEY_ID, keyIdIn } from '../key-id';
import { keyView } from '../key-view';
import { countText } from '../query';
import { route } from '../route';

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

const keyId = z.string().regex(KEY_ID, 'must be the id of a key').optional();
const Query = z
  .strictObject({
    after: keyId,
    before: keyId,
    limit: countText(MAX_LIMIT).default(DEFAULT_LIMIT),
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
    async handle({ res, query: { after, before, limit }, caller, records }) {
      // One more than is asked for tells whether there are more.
      const rows = await list(records, caller.tenant, { after, before, limit: limit + 1 });
      const has_more = rows.length > limit;
      const page = before === undefined ? rows.slice(0, limit) : rows.slice(-limit);
      res.json(pageOf(page.map(keyView), ({ id }) => id, has_more));
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
