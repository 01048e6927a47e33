import { Command } from 'commander';
import { adoptNamespace } from '../db/temporal-namespace';
import type { Surroundings } from './terminal';

/** `longhaul temporal adopt <id>`. */
export function adoptTemporal(around: Surroundings): Command {
  return new Command('adopt')
    .description('Has runs that a lost Temporal carried out started again in this namespace.')
    .argument(
      '<id>',
      'id of the namespace, as workers log it and `temporal operator namespace describe` shows it',
    )
    .action((id: string) =>
      around.withDatabase(async (db) => {
        const before = await adoptNamespace(db, id);
        around.err(
          before === id
            ? `It was ${id} already.\n`
            : `It is ${id} now; before, it was ${before ?? 'none'}.\n`,
        );
      }),
    );
}
