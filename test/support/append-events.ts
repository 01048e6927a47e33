// A writer of its own process, for tests: appends `count` facts to a run, one transaction each, and ends.
// Arguments: URL of the database, id of the run, how many, prefix of their keys.
import { openDatabase } from '../../src/db/database';
import { append } from '../../src/events/append';

const [url, run_id, count, prefix] = process.argv.slice(2) as [string, string, string, string];

async function main(): Promise<void> {
  const db = openDatabase({ url, pool: 2, name: 'appending child' });
  for (let n = 1; n <= Number(count); n += 1) {
    const data = { reason: `${prefix}${n}` };
    await db.transaction((tx) =>
      append(tx, run_id, { attempt: 1, events: [{ key: `${prefix}${n}`, type: 'step.skipped', data }] }),
    );
  }
  await db.close();
}

void main();
