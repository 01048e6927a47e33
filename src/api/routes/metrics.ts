import { z } from 'zod';
import type { ApiDeps } from '../deps';
import { route } from '../route';

export function metrics({ register }: ApiDeps) {
  return route({
    method: 'get',
    path: '/metrics',
    operation: 'metrics',
    summary: 'The metrics of this process, as Prometheus reads them.',
    scope: null,
    offers: ['text/plain'],
    replies: { 200: { description: 'Text format 0.0.4.', type: 'text/plain', schema: z.string() } },
    async handle({ res }) {
      res.set('Content-Type', register.contentType).send(await register.metrics());
    },
  });
}
