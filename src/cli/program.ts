import { Command, CommanderError } from 'commander';
import { loadConfig } from '../config';
import { openDatabase } from '../db/database';
import { EXIT, UsageError, endingOf } from './exit';
import { createKey } from './keys-create';
import { listKeys } from './keys-list';
import { revokeKey } from './keys-revoke';
import { rotateKey } from './keys-rotate';
import { migrateSchema } from './migrate';
import type { Surroundings, Terminal } from './terminal';

/**
 * Carries out one command line.
 * @returns the exit code: 0 done, 1 failed, 2 usage, 4 not allowed.
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = programOf(surroundings(terminal));
  try {
    await program.parseAsync(args, { from: 'user' });
    return EXIT.done;
  } catch (error) {
    // Help that was asked for is no fault; else commander has said what is wrong with the words.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const { code, message } = endingOf(error);
    terminal.err(`${message}\n`);
    return code;
  }
}

function programOf(around: Surroundings): Command {
  const program = new Command('longhaul')
    .description('Runs AI work that takes long and must not be lost.')
    .exitOverride()
    .configureOutput({ writeOut: around.out, writeErr: around.err })
    .showHelpAfterError('(--help says more)');
  const keys = program
    .command('keys')
    .description('Keys of the API. They work on Postgres, which DATABASE_URL names.');
  for (const command of [createKey, listKeys, revokeKey, rotateKey]) keys.addCommand(command(around));
  program.addCommand(migrateSchema(around));
  for (const command of [program, ...program.commands, ...keys.commands])
    command.copyInheritedSettings(program);
  return program;
}

function surroundings(terminal: Terminal): Surroundings {
  const databaseUrl = () => {
    try {
      return loadConfig(terminal.env).DATABASE_URL;
    } catch (error) {
      throw new UsageError((error as Error).message, { cause: error });
    }
  };
  return {
    ...terminal,
    databaseUrl,
    async withDatabase(work) {
      const db = openDatabase({ url: databaseUrl(), pool: 1, name: 'longhaul cli' });
      try {
        await work(db);
      } finally {
        await db.close();
      }
    },
  };
}
