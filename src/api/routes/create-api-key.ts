import { ApiKeyWithSecret, CreateApiKey, type KeyLimits } from '../../contracts/api-key';
import { Refusal } from '../../contracts/refusal';
import { createApiKey as create, type ApiKey } from '../../db/api-keys';
import { isOver } from '../../db/database-now';
import type { Tx } from '../../db/tx';
import type { ApiDeps } from '../deps';
import { keyView } from '../key-view';
import { route } from '../route';

export function createApiKey({ settings }: ApiDeps) {
  return route({
    method: 'post',
    path: '/v1/api-keys',
    operation: 'createApiKey',
    summary: 'Makes a key for the tenant of the key that asks. Its secret is shown this once.',
    scope: 'admin',
    body: CreateApiKey,
    replies: {
      201: {
        description: 'The key, with its secret.',
        schema: ApiKeyWithSecret,
        headers: { Location: 'Address of the key.' },
      },
    },
    failures: ['too_many_keys'],
    async handle({ res, body, caller, records }) {
      const { name, scopes, expires_in_s } = body;
      const expires_at = body.expires_at === undefined ? undefined : new Date(body.expires_at);
      const standard = { ...settings.quotas, usd_per_day: settings.usd_per_day ?? Infinity };
      const limits = { ...handedOn(caller, standard), ...body.limits };
      refuseMore(limits, caller, standard);
      await refuseOver(records, expires_at);
      const key = await create(records, caller.tenant, name, {
        scopes,
        limits,
        ...(expires_at === undefined ? {} : { expires_at }),
        ...(expires_in_s === undefined ? {} : { expires_in_s }),
      });
      res
        .status(201)
        .set('Location', `${settings.public_url}/v1/api-keys/${key.id}`)
        .json({ ...keyView(key), secret: key.secret });
    },
  });
}

/** Its own limits, where they are below the standard: a key that is given without a word about them gets no more than who gives it has. */
function handedOn({ limits }: ApiKey, standard: Record<keyof KeyLimits, number>): KeyLimits {
  const own = Object.entries(limits) as [keyof KeyLimits, number][];
  return Object.fromEntries(own.filter(([kind, most]) => most < standard[kind]));
}

/** Limits protect the service, so a key gives none that is above its own; only the operator does, by the command line. */
function refuseMore(limits: KeyLimits, caller: ApiKey, standard: Record<keyof KeyLimits, number>): void {
  const parts = (Object.keys(standard) as (keyof KeyLimits)[]).flatMap((kind) => {
    const own = caller.limits[kind] ?? standard[kind];
    if ((limits[kind] ?? 0) <= own) return [];
    return [{ pointer: `/limits/${kind}`, code: 'too_big', detail: `must be at most ${own}` }];
  });
  if (parts.length > 0)
    throw new Refusal('invalid_request', 'A key cannot give higher limits than it has itself.', parts);
}

/** Whether it has expired already is for the clock that will say so. */
async function refuseOver(records: Tx, expires_at: Date | undefined): Promise<void> {
  if (expires_at === undefined || !(await isOver(records, expires_at))) return;
  const detail = 'must be in the future';
  throw new Refusal('invalid_request', `/expires_at: ${detail}`, [
    { pointer: '/expires_at', code: 'invalid_value', detail },
  ]);
}
