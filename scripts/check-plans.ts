import type { Catalogue } from '../src/tools/registry';
import { readFileSync } from 'node:fs';
import type { Step } from '../src/contracts/plan';
import type { ToolCard } from '../src/contracts/tool';
import { createInputCheck } from '../src/planning/input-check';
import { checkPlan } from '../src/planning/plan-check';

/**
 * Holds the findings of the plan check against the defects stated for each plan of a file.
 * Usage: node --import tsx scripts/check-plans.ts FILE TOOLS…, with lines of {"id", "tools", "plan": {"steps"}, "defects"} and lists of
 * tools of {"id", "tools": [{"name"}]}; `tools` of a plan is the id of its list. The tools have no schemas: any input fits.
 */
interface Row {
  id: string;
  tools: string;
  plan: { steps: Step[] };
  defects: string[];
}

const [file = '', ...lists] = process.argv.slice(2);
const catalogues = new Map(
  lists.map((list) => catalogueOf(JSON.parse(readFileSync(list, 'utf8')) as ToolList)),
);
const rules = { max_steps: 50, max_input_bytes: 65_536 };
const checkInput = createInputCheck();
const rows = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Row);
let differing = 0;
for (const { id, tools, plan, defects } of rows) {
  const findings = checkPlan(plan.steps, { tools: catalogues.get(tools)!, rules, checkInput });
  const found = [...new Set(findings.map(({ code }) => code))].sort();
  if (found.join() === defects.join()) continue;
  differing += 1;
  process.stdout.write(
    `${id}: found ${found.join(' ') || 'nothing'}, stated ${defects.join(' ') || 'nothing'}\n`,
  );
}
process.stdout.write(`${rows.length} plans, ${rows.length - differing} with exactly the stated defects\n`);
process.exitCode = differing === 0 ? 0 : 1;

interface ToolList {
  id: string;
  tools: { name: string }[];
}

function catalogueOf({ id, tools }: ToolList): [string, Catalogue] {
  const cards = new Map(tools.map(({ name }) => [name, cardOf(name)]));
  return [
    id,
    {
      find: (name) => cards.get(name),
      versions: (name) => (cards.has(name) ? ['1.0.0'] : []),
      names: () => [...cards.keys()],
    },
  ];
}

function cardOf(name: string): ToolCard {
  return {
    name,
    version: '1.0.0',
    description: name,
    effect: 'pure',
    lane: 'tools',
    input_schema: { type: 'object' },
    timeout_s: 60,
    max_attempts: 1,
  };
}
