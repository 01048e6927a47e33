import type { output } from 'zod';
import { NewStreamTicket, StreamTicket } from '../../contracts/stream-ticket';
import { createStreamTicket } from '../../db/stream-tickets';
import { route } from '../route';
import { requireRun } from './get-run';

export function createTicket() {
  return route({
    method: 'post',
    path: '/v1/stream-tickets',
    operation: 'createStreamTicket',
    summary:
      'A ticket that opens one stream without a key: for browsers, whose streams cannot carry headers.',
    scope: 'runs:read',
    body: NewStreamTicket,
    replies: { 201: { description: 'The ticket. It is not shown again.', schema: StreamTicket } },
    failures: ['not_found'],
    async handle({ res, body, caller, records }) {
      const run_id = body.run_id ?? null;
      if (run_id !== null) await requireRun(records, caller.tenant, run_id);
      const { expires_in_s } = body;
      const { ticket, expires_at } = await createStreamTicket(records, { key: caller, run_id, expires_in_s });
      const view: output<typeof StreamTicket> = {
        object: 'stream_ticket',
        ticket,
        run_id,
        expires_at: expires_at.toISOString(),
      };
      res.status(201).json(view);
    },
  });
}
