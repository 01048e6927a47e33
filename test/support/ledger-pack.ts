import type { OutsideTool, ToolContext } from '../../src/tools/tool';
import type { Acknowledgement, Caller, Server } from './ledger/hit';

/** What a step says to a tool of the ledger. */
export interface LedgerInput {
  /** Address of the ledger. */
  ledger: string;
  /** What becomes of the answers to its first hits; `prompt` when absent. */
  acknowledgement?: Acknowledgement;
  /** How many of them; one when absent. */
  times?: number;
}

/** Nothing was done: the ledger says so. */
class Refused extends Error {
  readonly not_done = true;
}

/** Makes one effect in the ledger. */
async function hit(server: Server, input: LedgerInput, context: Hitting): Promise<unknown> {
  const { ledger, acknowledgement = 'prompt', times = 1 } = input;
  const { run_id, step_id, attempt, idempotency_key, signal } = context;
  const caller: Caller = { run_id, step_id, attempt, times };
  const reply = await fetch(`${ledger}/${server}/${acknowledgement}`, {
    method: 'POST',
    headers: idempotency_key === undefined ? {} : { 'idempotency-key': idempotency_key },
    body: JSON.stringify(caller),
    ...(signal && { signal }),
  });
  if (reply.status === 503) throw new Refused('The ledger refused; nothing was done.');
  if (!reply.ok) throw new Error(`The ledger answered ${reply.status}.`);
  return reply.json();
}
type Hitting = Pick<ToolContext, 'run_id' | 'step_id' | 'attempt'> &
  Partial<Pick<ToolContext, 'idempotency_key' | 'signal'>>;

function tool(
  name: string,
  effect: OutsideTool['effect'],
  call: (input: LedgerInput, context: ToolContext) => Promise<unknown>,
  timeout_s = 120,
): OutsideTool {
  return {
    name,
    version: '1.0.0',
    description: `Makes an effect in the ledger: ${name}.`,
    effect,
    lane: 'tools',
    input_schema: {
      type: 'object',
      properties: { ledger: { type: 'string' } },
      required: ['ledger'],
    },
    timeout_s,
    max_attempts: 4,
    call: (input, context) => call(input as LedgerInput, context),
  };
}

const keyed = (input: LedgerInput, context: ToolContext) => hit('keyed', input, context);
/** As a server that knows no keys is called. */
const keyless = (input: LedgerInput, { idempotency_key: _, ...context }: ToolContext) =>
  hit('naive', input, context);
/** Limit of a try that gets no answer, seconds. */
const HASTY_S = 1;

/** Tools over the ledger, one for each class of effects; the hasty ones for answers that never come. */
export const tools: OutsideTool[] = [
  tool('ledger.pure', 'pure', keyless),
  tool('ledger.pure_hasty', 'pure', keyless, HASTY_S),
  tool('ledger.keyed', 'idempotent', keyed),
  tool('ledger.keyed_hasty', 'idempotent', keyed, HASTY_S),
  // Declared idempotent, but its server looks at no key.
  tool('ledger.naive', 'idempotent', (input, context) => hit('naive', input, context)),
  tool('ledger.naive_hasty', 'idempotent', (input, context) => hit('naive', input, context), HASTY_S),
  tool('ledger.unsafe', 'unsafe', keyless),
  tool('ledger.unsafe_hasty', 'unsafe', keyless, HASTY_S),
  // Ignores its signal.
  tool('ledger.deaf', 'idempotent', (input, { signal: _, ...context }) => hit('keyed', input, context)),
];
