import { Command, CommanderError } from 'commander';
import { loadClientConfig, loadConfig } from '../config';
import { openDatabase } from '../db/database';
import { homeOf } from '../dev/home';
import { readStackNote } from '../dev/stack-note';
import { createApi, type Api } from './api';
import { EXIT, UsageError, endingOf } from './exit';
import { createKey } from './keys-create';
import { listKeys } from './keys-list';
import { revokeKey } from './keys-revoke';
import { rotateKey } from './keys-rotate';
import { migrateSchema } from './migrate';
import { cancelRun } from './runs-cancel';
import { forkRun } from './runs-fork';
import { showRuns } from './runs-list';
import { printAnswer } from './runs-output';
import { resolveStep } from './runs-resolve';
import { restartRun } from './runs-restart';
import { showRun } from './runs-show';
import { watchRun } from './runs-watch';
import { adoptTemporal } from './temporal-adopt';
import type { Surroundings, Terminal } from './terminal';

/**
 * Carries out one command line.
 * @returns the exit code, of `EXIT`.
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

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong use, 4 not allowed; of commands that wait for a run: 3 it failed or
timed out, 5 it was cancelled, 7 it goes on, 130 it goes on after Ctrl-C.`;

function programOf(around: Surroundings): Command {
  const program = new Command('longhaul')
    .description('Runs AI work that takes long and must not be lost.')
    .exitOverride()
    .configureOutput({ writeOut: around.out, writeErr: around.err })
    .showHelpAfterError('(--help says more)')
    .addHelpText('after', EXIT_CODES);
  const keys = program
    .command('keys')
    .description('Keys of the API. They work on Postgres, which DATABASE_URL names.');
  for (const command of [createKey, listKeys, revokeKey, rotateKey]) keys.addCommand(command(around));
  const runs = program
    .command('runs')
    .description(
      'Runs, over HTTP. LONGHAUL_API_URL and LONGHAUL_API_KEY say where; else it is the stack of `npm start`.',
    );
  for (const command of [
    showRuns,
    showRun,
    watchRun,
    printAnswer,
    cancelRun,
    restartRun,
    forkRun,
    resolveStep,
  ])
    runs.addCommand(command(around));
  program.addCommand(migrateSchema(around));
  const temporal = program
    .command('temporal')
    .description('Which Temporal carries the runs out. It works on Postgres, which DATABASE_URL names.');
  temporal.addCommand(adoptTemporal(around));
  for (const command of [program, ...program.commands].flatMap((one) => [one, ...one.commands]))
    command.copyInheritedSettings(program);
  return program;
}

function surroundings(terminal: Terminal): Surroundings {
  const databaseUrl = () => settings(() => loadConfig(terminal.env)).DATABASE_URL;
  return {
    ...terminal,
    databaseUrl,
    api: () => apiOf(terminal),
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

function apiOf({ env }: Terminal): Api {
  const config = settings(() => loadClientConfig(env));
  const running = config === undefined ? readStackNote(homeOf(env)) : undefined;
  if (running !== undefined) return createApi(running.api_url, running.key);
  if (config?.key !== undefined) return createApi(config.api_url, config.key);
  throw new UsageError(
    'LONGHAUL_API_KEY is not set. Start a stack here with `npm start` and set nothing, or say which API is meant:\n' +
      '  export LONGHAUL_API_URL=https://longhaul.example.com LONGHAUL_API_KEY=lh_…',
  );
}

/** What `load` gives; wrong settings are wrong use. */
function settings<T>(load: () => T): T {
  try {
    return load();
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}
