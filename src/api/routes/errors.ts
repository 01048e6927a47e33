import { FAILURES, isFailureCode, type FailureCode } from '../../contracts/failure';
import { Refusal } from '../../contracts/refusal';
import { page, prose, text } from '../page';
import { route } from '../route';

/** Where the `type` of every problem document leads: what the code means and what to do. Made from the table of failures. */
export function listErrors() {
  return route({
    method: 'get',
    path: '/errors',
    operation: 'listErrors',
    summary: 'Every failure code, for people.',
    scope: null,
    offers: ['text/html'],
    replies: { 200: { description: 'A page.', type: 'text/html' } },
    handle({ res }) {
      const rows = (Object.keys(FAILURES) as FailureCode[]).map(
        (code) =>
          `<tr><td><a href="/errors/${code}"><code>${code}</code></a></td><td>${text(FAILURES[code].title)}</td></tr>`,
      );
      res.type('html').send(page('Failures', `<table>${rows.join('\n')}</table>`));
    },
  });
}

export function getError() {
  return route({
    method: 'get',
    path: '/errors/{code}',
    operation: 'getError',
    summary: 'What a failure code means and what to do, for people.',
    scope: null,
    offers: ['text/html'],
    replies: { 200: { description: 'A page.', type: 'text/html' } },
    failures: ['not_found'],
    handle({ req, res }) {
      const { code } = req.params;
      if (!isFailureCode(code)) throw new Refusal('not_found', 'There is no such failure code.');
      const entry = FAILURES[code];
      const status =
        'status' in entry ? `HTTP status ${entry.status}` : 'ends a step or a run; no reply to a request';
      const again = entry.kind === 'retryable' ? 'A later try may succeed.' : 'The same try fails again.';
      res
        .type('html')
        .send(
          page(
            code,
            `<p><strong>${text(entry.title)}</strong></p><p>${prose(entry.hint)}</p><p>${again} (${status})</p><p><a href="/errors">All codes</a></p>`,
          ),
        );
    },
  });
}
