import { ApiKeyWithSecret, DEFAULT_OVERLAP_S, RotateApiKey } from '../../contracts/api-key';
import { rotateApiKey as rotate } from '../../db/api-keys';
import type { ApiDeps } from '../deps';
import { keyIdIn } from '../key-id';
import { keyView } from '../key-view';
import { route } from '../route';

export function rotateApiKey({ forgetKey }: ApiDeps) {
  return route({
    method: 'post',
    path: '/v1/api-keys/{id}/rotate',
    operation: 'rotateApiKey',
    summary:
      'Gives a key a new secret, shown this once. The one of now stays accepted for a while, one from an earlier rotation ends.',
    scope: 'admin',
    body: RotateApiKey,
    replies: { 200: { description: 'The key, with its new secret.', schema: ApiKeyWithSecret } },
    failures: ['not_found', 'key_over'],
    async handle({ req, res, body: { old_expires_in_s = DEFAULT_OVERLAP_S }, caller, records }) {
      const id = keyIdIn(req);
      const key = await rotate(records, caller.tenant, id, old_expires_in_s);
      forgetKey(id);
      res.json({ ...keyView(key), secret: key.secret });
    },
  });
}
