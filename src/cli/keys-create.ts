import { Command } from 'commander';
import { KeyName, MAX_LIFE_S, type KeyLimits, type Scope } from '../contracts/api-key';
import { createApiKey } from '../db/api-keys';
import { UsageError } from './exit';
import { outputOption, printJson, type Output, type Surroundings } from './terminal';
import { duration, limit, scopes, tenant } from './words';

interface Options extends Output {
  tenant: string;
  name: string;
  scopes: Scope[];
  expires?: number;
  limit?: KeyLimits;
}

/** `longhaul keys create`: the secret on stdout, and nowhere else. */
export function createKey(around: Surroundings): Command {
  return new Command('create')
    .description('Makes a key and prints its secret, this once.')
    .requiredOption('--tenant <tenant>', 'who owns the key', tenant)
    .requiredOption('--name <name>', 'what it is for')
    .option('--scopes <scopes>', 'what it may do, separated by commas', scopes, ['runs:read', 'runs:write'])
    .option('--expires <time>', 'when it ends, from now: 30d, 12h; never when absent', duration(MAX_LIFE_S))
    .option(
      '--limit <kind=count>',
      'requests a minute, or usd_per_day, where they differ from the settings; repeatable',
      limit,
    )
    .addOption(outputOption())
    .action(({ tenant, name, scopes, expires, limit, output }: Options) =>
      around.withDatabase(async (db) => {
        if (!KeyName.safeParse(name).success)
          throw new UsageError('A name has 1 to 100 characters, and says something.');
        const { secret, ...key } = await createApiKey(db.of(tenant), tenant, name, {
          scopes,
          ...(expires === undefined ? {} : { expires_in_s: expires }),
          ...(limit === undefined ? {} : { limits: limit }),
        });
        const ends = key.expires_at === null ? 'does not expire' : `expires ${key.expires_at.toISOString()}`;
        around.err(
          `${key.id} of ${tenant} may ${key.scopes.join(', ')} and ${ends}. Its secret is not shown again:\n`,
        );
        if (output === 'json') printJson(around, { ...key, secret });
        else around.out(`${secret}\n`);
      }),
    );
}
