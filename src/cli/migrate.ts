import { Command } from 'commander';
import { migrate, pendingMigrations } from '../db/migrate';
import type { Surroundings } from './terminal';

/** `longhaul migrate [--check]`. */
export function migrateSchema(around: Surroundings): Command {
  return new Command('migrate')
    .description('Brings the database that DATABASE_URL names to the schema of this release.')
    .option('--check', 'only say what is missing; exit code 1 when anything is')
    .action(async ({ check = false }: { check?: boolean }) => {
      if (!check) {
        const applied = await migrate(around.databaseUrl());
        for (const name of applied) around.out(`${name}\n`);
        around.err(applied.length === 0 ? 'Nothing was missing.\n' : `${applied.length} applied.\n`);
        return;
      }
      const missing = await pendingMigrations(around.databaseUrl());
      for (const name of missing) around.out(`${name}\n`);
      if (missing.length > 0)
        throw new Error(`The database lacks ${missing.length}; \`longhaul migrate\` applies them.`);
      around.err('Nothing is missing.\n');
    });
}
