import { Refusal } from '../../contracts/refusal';
import { revokeApiKey as revoke } from '../../db/api-keys';
import type { ApiDeps } from '../deps';
import { keyIdIn } from '../key-id';
import { route } from '../route';

export function revokeApiKey({ forgetKey }: ApiDeps) {
  return route({
    method: 'delete',
    path: '/v1/api-keys/{id}',
    operation: 'revokeApiKey',
    summary: 'Ends a key for good, with all its secrets: here at once, in every process within 2 s.',
    scope: 'admin',
    replies: { 204: { description: 'It is revoked, perhaps since long ago.' } },
    failures: ['not_found'],
    async handle({ req, res, caller, records }) {
      const id = keyIdIn(req);
      if (!(await revoke(records, caller.tenant, id)))
        throw new Refusal('not_found', 'There is no such key.');
      forgetKey(id);
      res.status(204).end();
    },
  });
}
