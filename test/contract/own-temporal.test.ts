import { NativeConnection } from '@temporalio/worker';
import { createRunWorkflows } from '../../src/runs/run-workflows';
import { newId } from '../../src/db/new-id';
import { servers } from '../support/database';
import { commandsIn, readDocument } from '../support/documents';
import { eventually } from '../support/eventually';
import { RULES } from '../support/runs';
import { temporal } from '../support/temporal-program';

/** Temporal looks for new namespaces every ten seconds or so. */
const WITHIN = { within_ms: 45_000 };
const namespace = `own-${newId('ses').toLowerCase().replace('_', '-')}`;
/** The commands of the document, for a namespace of this test. */
const [makeNamespace, addAttributes] = commandsIn(readDocument('docs/operate/temporal-server.md')).map(
  (line) => line.replace('--namespace default', `--namespace ${namespace}`).split(' ').slice(1),
);

describe('docs/operate/temporal-server.md', () => {
  let connection: NativeConnection;
  beforeAll(async () => {
    connection = await NativeConnection.connect({ address: servers().temporal_address });
  });
  afterAll(() => connection.close());

  test('has commands that make a server of one’s own take runs, which it refuses without the second', async () => {
    const workflows = createRunWorkflows({ connection, namespace }, 'nobody-polls');
    /** @returns what Temporal says to the start of a run; `taken`, or why not */
    const start = async () => {
      const run = {
        id: newId('run'),
        tenant: 'acme',
        goal: 'a goal',
        rules: RULES,
        deadline_at: new Date(Date.now() + 60_000),
        origin: { type: 'api' as const },
        request_id: null,
        trace_id: '1'.repeat(32),
      };
      return workflows.start(run).then(
        () => 'taken',
        (error: Error) => String(error.cause ?? error),
      );
    };
    await temporal(...makeNamespace!);
    const refusal = /has no mapping defined for search attribute \w+$/;
    await eventually(async () => refusal.test(await start()), { ...WITHIN, what: 'a run that is refused' });
    await temporal(...addAttributes!);
    await eventually(async () => (await start()) === 'taken', { ...WITHIN, what: 'a run that is taken' });
  });
});
