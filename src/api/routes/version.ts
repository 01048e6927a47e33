import { z } from 'zod';
import type { ApiDeps } from '../deps';
import { route } from '../route';

const Version = z
  .strictObject({ name: z.literal('longhaul'), version: z.string(), node: z.string() })
  .meta({ id: 'Version' });

export function version({ settings }: ApiDeps) {
  return route({
    method: 'get',
    path: '/version',
    operation: 'version',
    summary: 'Which release answers.',
    scope: null,
    replies: { 200: { description: 'The release.', schema: Version } },
    handle({ res }) {
      res.json({ name: 'longhaul', version: settings.version, node: process.version });
    },
  });
}
