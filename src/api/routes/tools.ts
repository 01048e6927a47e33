import { pageOf } from '../../contracts/list';
import { Refusal } from '../../contracts/refusal';
import { ToolList, ToolView } from '../../contracts/tool-view';
import type { ToolCard } from '../../contracts/tool';
import type { ApiDeps } from '../deps';
import { route } from '../route';

export function listTools({ tools }: ApiDeps) {
  return route({
    method: 'get',
    path: '/v1/tools',
    operation: 'listTools',
    summary: 'The tools that plans may use, in their newest versions.',
    scope: 'runs:read',
    replies: { 200: { description: 'The tools.', schema: ToolList } },
    handle({ res }) {
      const views = tools.cards().map((card) => viewOf(card, tools.catalogue.versions(card.name)));
      res.json(pageOf(views, ({ name }) => name));
    },
  });
}

export function getTool({ tools: { catalogue } }: ApiDeps) {
  return route({
    method: 'get',
    path: '/v1/tools/{name}',
    operation: 'getTool',
    summary: 'One tool: what it takes, what it promises, which versions there are.',
    scope: 'runs:read',
    replies: { 200: { description: 'The tool in its newest version.', schema: ToolView } },
    failures: ['not_found'],
    handle({ req, res }) {
      const card = catalogue.find(String(req.params.name));
      if (card === undefined) throw new Refusal('not_found', 'There is no such tool.');
      res.json(viewOf(card, catalogue.versions(card.name)));
    },
  });
}

function viewOf(card: ToolCard, versions: string[]): ToolView {
  return { object: 'tool', output_schema: null, non_retryable: [], ...card, versions };
}
