import { Command, InvalidArgumentError } from 'commander';
import { adoptRuns } from '../db/lost-runs';
import type { Surroundings } from './terminal';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `longhaul temporal adopt <id>`. */
export function adoptTemporal(around: Surroundings): Command {
  return new Command('adopt')
    .description('Has runs that a lost Temporal carried out started again in this namespace.')
    .argument(
      '<id>',
      'id of the namespace, as workers log it and `temporal operator namespace describe` shows it',
      idOf,
    )
    .action((id: string) =>
      around.withDatabase(async (db) => {
        const adopted = await adoptRuns(db, id);
        around.err(`${adopted} open runs that belonged to another namespace belong to ${id} now.\n`);
      }),
    );
}

function idOf(text: string): string {
  if (UUID.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError(
    'It is no id of a namespace: those look like 0f3c0e9b-6f1e-4b0e-9d0c-3f2f3c1f7a55.',
  );
}
